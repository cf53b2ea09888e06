"""Table of replication policies."""

from __future__ import annotations

import uuid

from django.db import models

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
    # Raised with each change; items say which one their replication follows.
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vault", "name"], name="policy_name_unique")]

    def __str__(self) -> str:
        return self.name
