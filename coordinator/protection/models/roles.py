"""Tables of roles: what is kept of a machine so that only one of its copies runs."""

from __future__ import annotations

from django.db import models

from coordinator.protection.models.items import ProtectedItem


class MachineRole(models.Model):
    """Beside the item's role epoch and active location, which say whose copy may run."""

    item = models.OneToOneField(
        ProtectedItem, primary_key=True, on_delete=models.CASCADE, related_name="machine_role"
    )
    # Name of the StartAction that the machine's owner chose, and the delay; empty while unknown.
    # On the hosts it is Nothing for as long as the machine is protected.
    start_action = models.CharField(max_length=16, default="")
    start_delay_seconds = models.PositiveIntegerField(default=0)
    # When the active copy is to be started, because its host went down; null: it is not.
    start_due_at = models.DateTimeField(null=True, db_index=True)
    # How often in a row that failed.
    start_failures = models.PositiveSmallIntegerField(default=0)
    # Its preparation for a planned failover is to be taken back first: that failover was cancelled
    # while its site was away.
    take_back_first = models.BooleanField(default=False)
    # When the active copy was first seen not to run, and when its host had started, while that host
    # does not say so; null: it runs, or its host has started anew since and that has been heeded.
    stopped_at = models.DateTimeField(null=True)
    host_booted_at = models.DateTimeField(null=True)
    # The copy that its provider holds: {"location", "epoch", "adapters"}; null for none.
    held = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"role of {self.item_id}"
