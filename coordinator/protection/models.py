"""Tables of the protection domain."""

from __future__ import annotations

import uuid

from django.db import models

from coordinator.fabrics.models import Cloud, Fabric, Host
from coordinator.vaults.models import Vault


class Policy(models.Model):
    """A replication policy (SPEC PO-1)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="policies")
    name = models.CharField(max_length=64)
    # "HyperVReplica2012" or "HyperVReplica2012R2".
    instance_type = models.CharField(max_length=32)
    # "Kerberos" or "Certificate".
    authentication_type = models.CharField(max_length=16)
    replication_port = models.PositiveIntegerField()
    replication_frequency_seconds = models.PositiveIntegerField()
    recovery_points = models.PositiveIntegerField()
    application_consistent_hours = models.PositiveIntegerField()
    compression = models.BooleanField()
    # "OverNetwork" or "Offline".
    initial_replication_method = models.CharField(max_length=16)
    # "HH:MM:SS"; empty for now.
    online_replication_start_time = models.CharField(max_length=8, default="")
    offline_export_path = models.CharField(max_length=1024, default="")
    offline_import_path = models.CharField(max_length=1024, default="")
    delete_replica = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vault", "name"], name="policy_name_unique")]

    def __str__(self) -> str:
        return self.name


class Pairing(models.Model):
    """A protection container mapping: two clouds and the policy between them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="pairings")
    name = models.CharField(max_length=64)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="pairings")
    primary_fabric = models.ForeignKey(Fabric, on_delete=models.PROTECT, related_name="+")
    recovery_fabric = models.ForeignKey(Fabric, on_delete=models.PROTECT, related_name="+")
    primary_cloud = models.ForeignKey(
        Cloud, on_delete=models.PROTECT, related_name="pairings_as_primary"
    )
    recovery_cloud = models.ForeignKey(
        Cloud, on_delete=models.PROTECT, related_name="pairings_as_recovery"
    )
    # A value of protection.states.PairingState.
    state = models.CharField(max_length=32)
    created_at = models.DateTimeField()
    errors = models.JSONField(default=list)

    class Meta:
        constraints = [
            # A cloud is in exactly one pair (PA-2); that it is not both source and target is
            # checked under a lock of its row. Resource ids have the primary cloud in them, so
            # the name needs no constraint of its own.
            models.UniqueConstraint(fields=["primary_cloud"], name="pairing_primary_unique"),
            models.UniqueConstraint(fields=["recovery_cloud"], name="pairing_recovery_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class PairedHost(models.Model):
    """A host that a pairing configured for replication."""

    id = models.BigAutoField(primary_key=True)
    pairing = models.ForeignKey(Pairing, on_delete=models.CASCADE, related_name="hosts")
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="+")
    certificate_thumbprint = models.CharField(max_length=64, default="")
    certificate_not_after = models.DateTimeField(null=True)
    storage_location = models.CharField(max_length=1024)
    configured_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pairing", "host"], name="paired_host_unique")
        ]

    def __str__(self) -> str:
        return f"{self.host_id} in {self.pairing_id}"


class ProtectedItem(models.Model):
    """A virtual machine that replicates."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="protected_items")
    pairing = models.ForeignKey(Pairing, on_delete=models.PROTECT, related_name="items")
    # Name in resource ids, chosen by the client.
    name = models.CharField(max_length=128)
    friendly_name = models.CharField(max_length=255)
    # Hyper-V's id, equal on both sites; VMM's id at the primary site.
    vm_id = models.CharField(max_length=36)
    protectable_item_id = models.CharField(max_length=128)
    # A value of protection.states.ProtectionState.
    state = models.CharField(max_length=64)
    # "Primary" or "Recovery": the side the machine runs on; flips at failover.
    active_location = models.CharField(max_length=8, default="Primary")
    # Raised by failover only: whose copy may run (DESIGN, invariant 7).
    role_epoch = models.BigIntegerField(default=1)
    # FQDN in lower case; the recovery host is empty until placement.
    primary_host = models.CharField(max_length=255)
    recovery_host = models.CharField(max_length=255, default="")
    # Why that host: [{"host", "score", "reasons"}].
    placement = models.JSONField(default=list)
    # The wire's ReplicationState of each side as JSON, and when it was seen.
    primary_observed = models.JSONField(null=True)
    primary_observed_at = models.DateTimeField(null=True)
    recovery_observed = models.JSONField(null=True)
    recovery_observed_at = models.DateTimeField(null=True)
    replication_health = models.CharField(max_length=16, default="None")
    health_errors = models.JSONField(default=list)
    last_replicated_at = models.DateTimeField(null=True)
    last_failover_at = models.DateTimeField(null=True)
    # What disabling protection set out to do, for its repetition after a failure:
    # {"complete_failover", "delete_replica"}; null before.
    disabling = models.JSONField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Resource ids have the cloud in them.
            models.UniqueConstraint(fields=["pairing", "name"], name="item_name_unique"),
            models.UniqueConstraint(fields=["vault", "vm_id"], name="item_machine_unique"),
        ]
        indexes = [models.Index(fields=["vm_id"])]

    def __str__(self) -> str:
        return self.friendly_name


class RecoveryPoint(models.Model):
    """A point the replica can be taken to."""

    id = models.BigAutoField(primary_key=True)
    item = models.ForeignKey(ProtectedItem, on_delete=models.CASCADE, related_name="points")
    # Id of the VMSnapshot on the replica's host.
    point_id = models.CharField(max_length=64)
    time = models.DateTimeField()
    # "ApplicationConsistent" or "CrashConsistent".
    type = models.CharField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "point_id"], name="point_unique")]

    def __str__(self) -> str:
        return f"{self.type} {self.time:%Y-%m-%d %H:%M:%S}"
