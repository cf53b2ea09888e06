"""Table of first copies that are carried."""

from __future__ import annotations

from django.db import models

from coordinator.protection.models.items import ProtectedItem


class OfflineCopy(models.Model):
    """An offline first copy of an item, from the begin of its export until it is imported."""

    item = models.OneToOneField(
        ProtectedItem, on_delete=models.CASCADE, primary_key=True, related_name="offline_copy"
    )
    export_path = models.CharField(max_length=1024)
    import_path = models.CharField(max_length=1024)
    # How often the export was begun.
    exports = models.PositiveSmallIntegerField(default=1)
    # The folder <VMName>_<VMGUID> at the export path as last seen, and whether it has settled.
    exported_folder = models.CharField(max_length=512, default="")
    exported_files = models.PositiveIntegerField(default=0)
    exported_bytes = models.BigIntegerField(default=0)
    exported_settled = models.BooleanField(default=False)
    # The same at the import path.
    arrived_folder = models.CharField(max_length=512, default="")
    arrived_files = models.PositiveIntegerField(default=0)
    arrived_bytes = models.BigIntegerField(default=0)
    arrived_settled = models.BooleanField(default=False)
    # Why the last import or export job failed; null when none did, or something has changed since.
    problem = models.JSONField(null=True)
    began_at = models.DateTimeField()
    imported_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"offline copy of {self.item_id}"
