"""What nobody cleaned up: tests that last too long, and networks that no test uses any more."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from coordinator.events.services import EventDraft, raise_events
from coordinator.events.states import EventType, Severity
from coordinator.fabrics.queries import provider_for_fabric
from coordinator.failures import Failure, RefusedError
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job
from coordinator.recovery.models import Drill, DrillNetwork
from coordinator.recovery.test_failover.drills import leftover_key, made_network
from coordinator.recovery.test_failover.network_steps import (
    REMOVAL_NAME,
    REMOVAL_SCENARIO,
    plan_removal,
)
from coordinator.recovery.test_failover.states import DrillOutcome

WATCH_TASK = "recovery.watch_drills"
WATCH_PERIOD = timedelta(minutes=1)
# ASR ended such a test by force; whoever tests may have a reason to go on.
LEFT_AFTER = timedelta(days=14)
REMOVAL_PAUSE = timedelta(hours=1)
AT_ONCE = 500
STARTED_BY = "Open Site Recovery"


def watch_drills(now: datetime) -> None:
    """Raises alerts about tests of over two weeks; removes networks that are left over.

    Source: SPEC FO-1.
    """
    _forget_removed_items(now)
    _alert(now)
    _remove_networks(now)


def _forget_removed_items(now: datetime) -> None:
    """A machine that is no longer of the vault has no test that anybody could clean up."""
    Drill.objects.filter(item=None, ended_at=None).update(ended_at=now, outcome=DrillOutcome.FAILED)


def _alert(now: datetime) -> None:
    left = Drill.objects.filter(ended_at=None, started_at__lte=now - LEFT_AFTER).order_by(
        "started_at"
    )
    raise_events((_draft(drill, now) for drill in left[:AT_ONCE]), now)


def _draft(drill: Drill, now: datetime) -> EventDraft:
    days = (now - drill.started_at).days
    machine = drill.test_vm_name or "its test virtual machine"
    return EventDraft(
        vault_id=drill.vault_id,
        type=EventType.VM_HEALTH,
        severity=Severity.WARNING,
        failure=Failure(
            "TestFailoverNotCleanedUp",
            f"The test failover of {drill.item_name} of {drill.started_at:%Y-%m-%d} has not been "
            f"cleaned up for {days} days: {machine} on {drill.host} is still there.",
            (
                "The test is over and nobody cleaned up.",
                "A clean-up failed.",
            ),
            "Clean up the test failover. Until then the machine cannot fail over, and the disks "
            "of the test grow.",
        ),
        affected_type="ProtectionEntity",
        affected_id=str(drill.item_id),
        affected_name=drill.item_name,
        key=leftover_key(drill.id),
    )


def _remove_networks(now: datetime) -> None:
    """Begins to remove networks that every test in them has been cleaned up of, one by one."""
    used = Drill.objects.filter(made_network=OuterRef("pk"), ended_at=None)
    left = DrillNetwork.objects.filter(~Exists(used), removed_at=None, removal_after__lte=now)
    rows = left.select_for_update(of=("self",), skip_locked=True).select_related("fabric")
    for row in rows.order_by("removal_after")[:AT_ONCE]:
        row.removal_after = now + REMOVAL_PAUSE
        row.save(update_fields=["removal_after"])
        _begin_removal(row, now)


def _begin_removal(row: DrillNetwork, now: datetime) -> None:
    provider = provider_for_fabric(row.fabric_id)
    if provider is None:
        return
    try:
        begin_job(
            BeginJob(
                vault_id=row.vault_id,
                scenario=REMOVAL_SCENARIO,
                friendly_name=REMOVAL_NAME,
                target=JobTarget("Network", str(row.id), row.name),
                graph=plan_removal(made_network(row, str(provider.id))),
                locks=(f"test-network:{row.id}",),
                queue=QueueName.REPLICATION,
                started_by=STARTED_BY,
            ),
            now,
        )
    except RefusedError:
        # One that an earlier look began still runs, or the provider is too old: later again.
        return
