"""Tables of test failovers."""

from __future__ import annotations

import uuid

from django.db import models

from coordinator.fabrics.models import Fabric
from coordinator.protection.models import ProtectedItem
from coordinator.vaults.models import Vault


class DrillNetwork(models.Model):
    """A VM network that was made for tests, and is removed after the last of them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="+")
    fabric = models.ForeignKey(Fabric, on_delete=models.CASCADE, related_name="+")
    # Its name in VMM, and the description by which it is known as ours.
    name = models.CharField(max_length=128)
    description = models.CharField(max_length=128)
    isolation = models.CharField(max_length=64)
    # VMM's id, empty until it is made; and what it was made of: the wire's CreatedSubnet as JSON.
    vm_network_id = models.CharField(max_length=128, default="")
    subnets = models.JSONField(default=list)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    # Not before that it is removed by itself, when no test uses it and no clean-up has removed it.
    removal_after = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(
                fields=["removal_after"],
                name="drill_network_left",
                condition=models.Q(removed_at=None),
            )
        ]

    def __str__(self) -> str:
        return self.name


class Drill(models.Model):
    """One test failover of a machine, from its beginning to its clean-up."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="drills")
    # Kept when the machine's protection ends.
    item = models.ForeignKey(
        ProtectedItem, on_delete=models.SET_NULL, null=True, related_name="drills"
    )
    item_name = models.CharField(max_length=255)
    # Of the machine; in a plan's run the plan's job is this one's root.
    job_id = models.UUIDField(null=True)
    # "Primary" or "Recovery": the side it is tested on.
    location = models.CharField(max_length=8)
    host = models.CharField(max_length=255)
    # A value of test_failover.options.NetworkChoice; VMM's id and name of the VM network.
    network_type = models.CharField(max_length=32)
    network_id = models.CharField(max_length=128, default="")
    network = models.CharField(max_length=255, default="")
    made_network = models.ForeignKey(
        DrillNetwork, on_delete=models.SET_NULL, null=True, related_name="drills"
    )
    # By adapter: what was chosen for it, and VMM's id of the test virtual machine's.
    adapters = models.JSONField(default=list)
    test_vm_id = models.CharField(max_length=36, default="")
    test_vm_name = models.CharField(max_length=255, default="")
    recovery_point_id = models.CharField(max_length=64, default="")
    recovery_point_time = models.DateTimeField(null=True)
    # "ApplicationConsistent" or "CrashConsistent".
    recovery_point_type = models.CharField(max_length=32, default="")
    # A value of test_failover.states.DrillOutcome.
    outcome = models.CharField(max_length=16)
    # What whoever cleaned up wrote.
    notes = models.TextField(default="")
    started_at = models.DateTimeField()
    # When the test virtual machine had been started.
    active_at = models.DateTimeField(null=True)
    # When nothing was left of it.
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item"], name="drill_open_once", condition=models.Q(ended_at=None)
            )
        ]
        indexes = [
            models.Index(fields=["vault", "-started_at"], name="drill_newest"),
            models.Index(fields=["job_id"], name="drill_job"),
            models.Index(
                fields=["started_at"], name="drill_open", condition=models.Q(ended_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"test of {self.item_name}, {self.started_at:%Y-%m-%d}"
