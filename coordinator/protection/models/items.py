"""Tables of protected items."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Upper

from coordinator.protection.models.pairings import Pairing
from coordinator.vaults.models import Vault

if TYPE_CHECKING:
    from coordinator.protection.models.replication import ReplicationSide


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
    # Where its disks were put and why: {"default_location", "disks": [DiskChoice as JSON],
    # "disk_paths": as read after they were moved}; empty before placement.
    storage = models.JSONField(default=dict)
    # What both sides say, summed up when that changes or when time makes a difference.
    replication_health = models.CharField(max_length=16, default="None")
    health_errors = models.JSONField(default=list)
    # What the inventory says is wrong with it, as health errors.
    fabric_errors = models.JSONField(default=list)
    # Paths of disks that are left out of replication on purpose.
    excluded_disks = models.JSONField(default=list)
    # When to compare both copies anew; null when nobody asked for it.
    resynchronize_at = models.DateTimeField(null=True, default=None)
    resynchronize_by = models.CharField(max_length=255, default="")
    # How often in a row finalizing failed, and not before when it is tried again.
    finalizing_failures = models.PositiveSmallIntegerField(default=0)
    finalizing_after = models.DateTimeField(null=True, default=None)
    # Revision of the policy that the replication was set up by, or changed to.
    policy_revision = models.PositiveIntegerField(default=1)
    last_failover_at = models.DateTimeField(null=True)
    # A value of protection.states.FailoverType while the machine is failed over and not yet
    # protected again; else empty.
    failover_type = models.CharField(max_length=16, default="")
    # The failed-over copy and the one it left differ by nothing but what was written since.
    sides_in_step = models.BooleanField(default=False)
    # What the last failover recovered and what it left behind; null before the first.
    failover = models.JSONField(null=True)
    # A value of protection.states.DrillState: what has become of its test failover.
    test_failover_state = models.CharField(max_length=32, default="None")
    # When the last test ran that was cleaned up well; null before the first (SPEC FO-1).
    last_test_failover_at = models.DateTimeField(null=True, default=None)
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
        indexes = [
            models.Index(fields=["vm_id"]),
            # Lists are by friendly name, page by page; ids name items in any case.
            models.Index(fields=["vault", "friendly_name", "id"], name="item_in_list"),
            models.Index("vault", Upper("name"), name="item_in_any_case"),
        ]

    def __str__(self) -> str:
        return self.friendly_name

    def side(self, location: str) -> ReplicationSide | None:
        """What the host at "Primary" or "Recovery" said last; None before it said anything.

        Reads both sides at once, and not at all where they were read before.
        """
        return next((side for side in self.all_sides() if side.location == location), None)

    def all_sides(self) -> Iterable[ReplicationSide]:
        """What both hosts said last; not read again where that was done for many items at once."""
        # A plain list: a manager and a query for each item cost more than its rows.
        known: Sequence[ReplicationSide] | None = getattr(self, "known_sides", None)
        return self.sides.all() if known is None else known

    @property
    def primary_observed(self) -> dict[str, object] | None:
        """The wire's ReplicationState of the primary site as JSON."""
        side = self.side("Primary")
        return None if side is None else side.as_json()

    @property
    def recovery_observed(self) -> dict[str, object] | None:
        """The wire's ReplicationState of the recovery site as JSON."""
        side = self.side("Recovery")
        return None if side is None else side.as_json()

    @property
    def last_replicated_at(self) -> datetime | None:
        """The newest moment of the machine that the other site has.

        Both sides name the same logs, and one of the two providers may be away.
        """
        times = (side.last_replicated_at for side in self.all_sides())
        return max((time for time in times if time is not None), default=None)


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
