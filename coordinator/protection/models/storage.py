"""Table of storage mappings."""

from __future__ import annotations

import uuid

from django.db import models

from coordinator.fabrics.models import Fabric
from coordinator.vaults.models import Vault


class StorageMapping(models.Model):
    """A storage classification of one server and the one of another it is copied to (SPEC ST-1).

    Classifications are known by VMM's ids: renaming one does not end its mapping.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="storage_mappings")
    name = models.CharField(max_length=128)
    source_fabric = models.ForeignKey(Fabric, on_delete=models.CASCADE, related_name="+")
    source_external_id = models.CharField(max_length=128)
    target_fabric = models.ForeignKey(Fabric, on_delete=models.CASCADE, related_name="+")
    target_external_id = models.CharField(max_length=128)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Resource ids have the source classification in them.
            models.UniqueConstraint(
                fields=["source_fabric", "source_external_id", "name"],
                name="storage_mapping_name_unique",
            ),
            models.UniqueConstraint(
                fields=["source_fabric", "source_external_id", "target_fabric"],
                name="storage_mapping_unique",
            ),
        ]

    def __str__(self) -> str:
        return self.name
