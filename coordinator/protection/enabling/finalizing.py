"""Noticing that a first copy is complete, and the jobs that finalize protection."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.queries import running_job_for
from coordinator.jobs.services import QueueName, enqueue, refuse_if_busy
from coordinator.pauses import growing_pause
from coordinator.protection.enabling.finalizing_planner import (
    PRIMARY_FRIENDLY_NAME,
    PRIMARY_SCENARIO,
    RECOVERY_FRIENDLY_NAME,
    RECOVERY_SCENARIO,
    FinalizingSnapshot,
    plan_primary_completion,
    plan_recovery_completion,
)
from coordinator.protection.item_jobs import ItemJob, begin_item_job
from coordinator.protection.models import ProtectedItem
from coordinator.protection.networks.attaching import plan_replica
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.sides import side_of_item
from coordinator.protection.states import ActiveLocation, ProtectionState
from coordinator.protection.transitions import item_lock, lock_item

log = structlog.get_logger(__name__)

FINALIZE_TASK = "protection.finalize"
ORIGIN = RequestOrigin(started_by="Site Recovery")
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)
TO_FINALIZE = frozenset(
    {ProtectionState.INITIAL_REPLICATION, ProtectionState.INITIAL_REPLICATION_COMPLETED}
)


def finalize_when_copied(item: ProtectedItem, now: datetime) -> None:
    """Asks for the finalizing of an item once both its sides have been seen replicating.

    Asking twice is harmless, and every further report of the item asks again while it is due.
    """
    if _is_due(item, now) and _copied(item):
        enqueue(FINALIZE_TASK, QueueName.REPLICATION, str(item.id), now=now)


def finalize_when_idle(item: ProtectedItem, now: datetime) -> None:
    """As `finalize_when_copied`, but not while a job works on the item: its finisher asks."""
    if _is_due(item, now) and _copied(item) and running_job_for(item_lock(item.id)) is None:
        finalize_when_copied(item, now)


def finalize(now: datetime, item_id: str) -> None:
    """Begins the next finalizing job of an item: PrimaryIrCompletion, then SecondaryIrCompletion.

    Does nothing for an item that needs none, or that a job works on.

    Idempotent. Source: SPEC RE-2.
    """
    item = (
        ProtectedItem.objects.select_related(
            "pairing__policy", "pairing__primary_fabric", "pairing__recovery_fabric"
        )
        .filter(id=UUID(item_id))
        .first()
    )
    if item is None or not _is_due(item, now):
        return
    try:
        refuse_if_busy(item_lock(item.id))
        with transaction.atomic():
            begin_item_job(item, _job(item), ORIGIN, now)
            _refuse_if_moved_on(item)
    except RefusedError as error:
        # Busy: the finisher of that job asks again. Anything else: the item's next report does.
        log.info("finalizing.put_off", item_id=item_id, code=error.failure.code)


def note_outcome(item: ProtectedItem, now: datetime, *, well: bool) -> None:
    """After a failure finalizing is tried again, each time after a longer pause.

    Args:
        item: Locked.
        now: When the job ended.
        well: It succeeded.
    """
    failures = 0 if well else item.finalizing_failures + 1
    item.finalizing_failures = failures
    item.finalizing_after = None if well else now + pause_after(failures)
    item.save(update_fields=["finalizing_failures", "finalizing_after"])


def pause_after(failures: int) -> timedelta:
    """How long finalizing waits after so many failures in a row: 10 seconds, doubled to an hour."""
    return growing_pause(failures, FIRST_PAUSE, LONGEST_PAUSE)


def _is_due(item: ProtectedItem, now: datetime) -> bool:
    return ProtectionState(item.state) in TO_FINALIZE and (
        item.finalizing_after is None or item.finalizing_after <= now
    )


def _refuse_if_moved_on(seen: ProtectedItem) -> None:
    """Now that no other job can begin on the item: what was decided is of the state it is in.

    Raises:
        RefusedError: A job has come and gone since the item was read.
    """
    item = lock_item(seen.id)
    if item.state != seen.state:
        raise refuse(
            "OperationNotAllowed",
            f"{item.friendly_name} was {seen.state} and is {item.state} now.",
            causes=["Another job ended while this one was about to begin."],
            action="Nothing has to be done: the next report of the item decides anew.",
            status=409,
        )


def _job(item: ProtectedItem) -> ItemJob:
    active = ActiveLocation(item.active_location)
    if item.state == ProtectionState.INITIAL_REPLICATION:
        graph = plan_primary_completion(_snapshot(item, active))
        return ItemJob(PRIMARY_SCENARIO, PRIMARY_FRIENDLY_NAME, graph)
    # The original, as the replica of the copy that took its place, keeps the networks it had.
    networks = plan_replica(item) if active is ActiveLocation.PRIMARY else None
    graph = plan_recovery_completion(_snapshot(item, active.other), networks)
    return ItemJob(RECOVERY_SCENARIO, RECOVERY_FRIENDLY_NAME, graph)


def _snapshot(item: ProtectedItem, location: ActiveLocation) -> FinalizingSnapshot:
    side = side_of_item(item, location)
    return FinalizingSnapshot(side.provider_id, item.vm_id, side.host)


def _copied(item: ProtectedItem) -> bool:
    """Whether the next of its sides is known to have its copy whole.

    Once the primary's has been recorded, whatever befalls the primary keeps nobody from failing
    over to the replica.
    """
    seen = {side.location: (side.mode, side.state) for side in item.sides.all()}
    active = ActiveLocation(item.active_location)
    replica = seen.get(active.other) == ("Replica", "Replicating")
    if item.state == ProtectionState.INITIAL_REPLICATION_COMPLETED:
        return replica
    return replica and seen.get(active) == ("Primary", "Replicating")
