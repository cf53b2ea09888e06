"""Tables of paired clouds and their hosts."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Lower

from coordinator.fabrics.models import Cloud, Fabric, Host
from coordinator.protection.models.policies import Policy
from coordinator.vaults.models import Vault


class Pairing(models.Model):
    """A protection container mapping: two clouds and a policy between hosts of one generation."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="pairings")
    name = models.CharField(max_length=64)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="pairings")
    # The policy's: the generation of Windows that the hosts it covers run (PO-2).
    instance_type = models.CharField(max_length=32)
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
    # Of the last job that configured or removed it.
    errors = models.JSONField(default=list)
    # Why hosts that were added to its clouds since are not configured.
    host_errors = models.JSONField(default=list)
    # What its hosts were configured to receive by; an edited policy may say otherwise.
    configured_port = models.PositiveIntegerField(null=True)
    configured_authentication = models.CharField(max_length=16, default="")

    class Meta:
        constraints = [
            # Two clouds have one pairing for each generation. That a cloud is paired with one
            # other cloud only (PA-2), as source or as target, is checked under a lock of its row.
            models.UniqueConstraint(
                fields=["primary_cloud", "instance_type"], name="pairing_primary_unique"
            ),
            models.UniqueConstraint(
                fields=["recovery_cloud", "instance_type"], name="pairing_recovery_unique"
            ),
            # Resource ids have the primary cloud in them.
            models.UniqueConstraint("primary_cloud", Lower("name"), name="pairing_name_unique"),
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
    # "Primary" or "Recovery": on which side of the pairing it is.
    location = models.CharField(max_length=8, default="")
    # Name that others replicate to and from: the host's, or its cluster's replica broker's.
    connection_point = models.CharField(max_length=255, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pairing", "host"], name="paired_host_unique")
        ]

    def __str__(self) -> str:
        return f"{self.host_id} in {self.pairing_id}"


class HostCertificate(models.Model):
    """A replication certificate that was issued for a host, and may be in its store.

    Which one the host uses is in its PairedHost rows; the others are to be removed from it, once
    superseded and no longer named by any machine's replication.
    """

    id = models.BigAutoField(primary_key=True)
    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="+")
    thumbprint = models.CharField(max_length=64)
    issued_at = models.DateTimeField()
    not_after = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["host", "thumbprint"], name="host_certificate_unique")
        ]

    def __str__(self) -> str:
        return f"{self.thumbprint} of {self.host_id}"


class RetryPause(models.Model):
    """After failures, work that begins by itself waits longer each time."""

    # What the work is about, for example "pairing-hosts:<uuid>".
    key = models.CharField(max_length=128, primary_key=True)
    failures = models.PositiveIntegerField()
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.key} until {self.until:%Y-%m-%d %H:%M:%S}"
