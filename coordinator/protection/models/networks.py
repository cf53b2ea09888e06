"""Tables of network mapping."""

from __future__ import annotations

import uuid

from django.db import models

from coordinator.fabrics.models import Fabric
from coordinator.protection.models.items import ProtectedItem
from coordinator.vaults.models import Vault


class NetworkMapping(models.Model):
    """A VM network and the one that takes its place on the other side (SPEC NW-1)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="network_mappings")
    # Name in resource ids, unique at its source network.
    name = models.CharField(max_length=64)
    source_fabric = models.ForeignKey(Fabric, on_delete=models.PROTECT, related_name="+")
    target_fabric = models.ForeignKey(Fabric, on_delete=models.PROTECT, related_name="+")
    # VMM's ids, and the names they had when they were mapped.
    source_network_id = models.CharField(max_length=128)
    source_network = models.CharField(max_length=255)
    target_network_id = models.CharField(max_length=128)
    target_network = models.CharField(max_length=255)
    # "Pairing" until the job has said so, then ASR's "Paired".
    state = models.CharField(max_length=16)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source_fabric", "source_network_id", "target_fabric"],
                name="network_mapping_unique",
            ),
            models.UniqueConstraint(
                fields=["source_fabric", "source_network_id", "name"],
                name="network_mapping_name_unique",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source_network} -> {self.target_network}"


class ItemNetworks(models.Model):
    """Whether a replica still has to be connected as the mappings say."""

    item = models.OneToOneField(ProtectedItem, on_delete=models.CASCADE, related_name="networks")
    pending = models.BooleanField(default=False)
    # Counts what called for a connection; a job that began before the last one leaves the mark.
    changes = models.BigIntegerField(default=0)
    # Of failed jobs since the last that succeeded, and when the next may begin.
    failures = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="item_networks_pending",
                condition=models.Q(pending=True),
            )
        ]

    def __str__(self) -> str:
        return f"networks of {self.item_id}"


class ItemAdapter(models.Model):
    """An adapter of a protected machine, and what its replica's is connected to and why."""

    id = models.BigAutoField(primary_key=True)
    item = models.ForeignKey(ProtectedItem, on_delete=models.CASCADE, related_name="adapters")
    # Hyper-V's id, equal on both copies.
    device_id = models.CharField(max_length=64)
    slot = models.PositiveIntegerField(default=0)
    mac_address = models.CharField(max_length=32, default="")
    # The machine's: VMM's ids and names; empty while it is connected to nothing.
    source_network_id = models.CharField(max_length=128, default="")
    source_network = models.CharField(max_length=255, default="")
    source_subnet = models.CharField(max_length=255, default="")
    static_address = models.BooleanField(default=False)
    source_address = models.CharField(max_length=64, default="")
    # The replica's: VMM's id of the adapter, and the network it is to be on; empty for none.
    replica_adapter_id = models.CharField(max_length=128, default="")
    target_network_id = models.CharField(max_length=128, default="")
    target_network = models.CharField(max_length=255, default="")
    target_subnet_id = models.CharField(max_length=128, default="")
    target_subnet = models.CharField(max_length=255, default="")
    # It has been seen so.
    connected = models.BooleanField(default=False)
    reason = models.TextField(default="")
    # What people should mend; empty when nothing.
    problem = models.TextField(default="")
    # The address kept for the replica out of a static pool; empty for none.
    pool_id = models.CharField(max_length=128, default="")
    pool = models.CharField(max_length=255, default="")
    address = models.CharField(max_length=64, default="")
    # VMM has said that it keeps it.
    reserved = models.BooleanField(default=False)
    # It is written as the failover address; else VMM hands it to the guest.
    injected = models.BooleanField(default=False)
    subnet_mask = models.CharField(max_length=64, default="")
    default_gateway = models.CharField(max_length=64, default="")
    dns_servers = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "device_id"], name="item_adapter_unique"),
        ]
        indexes = [
            models.Index(fields=["pool_id"], condition=~models.Q(pool_id=""), name="adapter_pool")
        ]

    def __str__(self) -> str:
        return f"{self.source_network or 'nothing'} -> {self.target_network or 'nothing'}"
