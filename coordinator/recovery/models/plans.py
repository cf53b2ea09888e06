"""Tables of recovery plans."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Lower

from coordinator.fabrics.models import Fabric
from coordinator.protection.models import ProtectedItem
from coordinator.vaults.models import Vault


class RecoveryPlan(models.Model):
    """A recovery plan (SPEC RP-1); its machines are rows of their own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vault = models.ForeignKey(Vault, on_delete=models.CASCADE, related_name="recovery_plans")
    # Name in resource ids, and for people.
    name = models.CharField(max_length=128)
    primary_fabric = models.ForeignKey(Fabric, on_delete=models.CASCADE, related_name="+")
    recovery_fabric = models.ForeignKey(Fabric, on_delete=models.CASCADE, related_name="+")
    # ASR's failoverDeploymentModel, kept for the client; means nothing between two sites.
    failover_deployment_model = models.CharField(max_length=32, default="NotApplicable")
    # Phase by phase as in PlanRecord.phases: {"type", "start_actions", "end_actions"}.
    groups = models.JSONField(default=list)
    # Raised with each save.
    revision = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    # When the last run of each type began.
    last_test_failover_at = models.DateTimeField(null=True)
    last_planned_failover_at = models.DateTimeField(null=True)
    last_unplanned_failover_at = models.DateTimeField(null=True)
    # When a test failover was last cleaned up well: a drill counts only then (SPEC FO-1).
    last_drill_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("vault", Lower("name"), name="plan_name_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class PlanMember(models.Model):
    """A machine in a group of a plan."""

    id = models.BigAutoField(primary_key=True)
    plan = models.ForeignKey(RecoveryPlan, on_delete=models.CASCADE, related_name="members")
    # Number of the Boot group, from 1, and the place in it.
    group = models.PositiveSmallIntegerField()
    position = models.PositiveIntegerField()
    # Null once the machine is protected no more: the row stays to be shown, runs leave it out.
    item = models.ForeignKey(
        ProtectedItem, null=True, on_delete=models.SET_NULL, related_name="plan_members"
    )
    # The machine's name and Hyper-V id, for when the item is gone.
    name = models.CharField(max_length=255)
    vm_id = models.CharField(max_length=36)

    class Meta:
        ordering = ["group", "position"]
        constraints = [
            # A machine is in one group of a plan; it may be in several plans.
            models.UniqueConstraint(fields=["plan", "vm_id"], name="plan_member_unique"),
            models.UniqueConstraint(fields=["plan", "item"], name="plan_item_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.name} in group {self.group} of {self.plan_id}"


class PlanRevision(models.Model):
    """What a plan was at a save: who made it so, and the way back."""

    id = models.BigAutoField(primary_key=True)
    plan = models.ForeignKey(RecoveryPlan, on_delete=models.CASCADE, related_name="revisions")
    # The plan's revision that this made.
    number = models.PositiveIntegerField()
    # Phase by phase: {"type", "start_actions", "end_actions", "machines": [{"name", "vm_id"}]}.
    groups = models.JSONField()
    saved_by = models.CharField(max_length=200)
    saved_at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["plan", "number"], name="plan_revision_unique")
        ]

    def __str__(self) -> str:
        return f"revision {self.number} of {self.plan_id}"
