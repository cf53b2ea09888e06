"""Tables of replication bandwidth limits."""

from __future__ import annotations

import uuid

from django.db import models

from coordinator.fabrics.models import Fabric, Host
from coordinator.vaults.models import Vault


class BandwidthLimit(models.Model):
    """How much the hosts of a server may send for replication, by schedule (SPEC CA-2)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="+")
    fabric = models.OneToOneField(Fabric, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=128)
    # IANA name of the zone that the windows' times are in.
    time_zone = models.CharField(max_length=64)
    # Outside the windows, of each host; null for no limit.
    bits_per_second = models.BigIntegerField(null=True)
    # [{"days": ["Monday", ...], "start": "HH:MM", "end": "HH:MM", "bits_per_second"}]
    windows = models.JSONField(default=list)
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class HostBandwidth(models.Model):
    """What a host was last made to keep to; a host without limits has no row."""

    id = models.BigAutoField(primary_key=True)
    host = models.OneToOneField(Host, on_delete=models.CASCADE, related_name="+")
    # Bits a second by destination port, as text: what was asked for, not how the host rounds it.
    limits = models.JSONField()
    applied_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"bandwidth of {self.host_id}"
