"""Verbs on a replication as it runs: pause, resume, resynchronize, repair, change disks."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import begun_job, refuse_if_busy
from coordinator.jobs.steps import Graph
from coordinator.protection.inventory import provider_of
from coordinator.protection.item_jobs import ItemJob, begin_item_job
from coordinator.protection.models import ProtectedItem
from coordinator.protection.operations import Operation
from coordinator.protection.replication import planner
from coordinator.protection.replication.disks import chosen_disks
from coordinator.protection.replication.evaluation import picture_of
from coordinator.protection.replication.windows import Window
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.sides import fabric_of_side, host_of_side
from coordinator.protection.states import ActiveLocation
from coordinator.protection.transitions import item_lock, lock_item, refuse_unless_allowed

log = structlog.get_logger(__name__)

# As far ahead as Hyper-V itself schedules.
LONGEST_SCHEDULE = timedelta(days=7)
SCHEDULE_TASK = "protection.begin_scheduled_resynchronizations"
SCHEDULE_PERIOD = timedelta(seconds=15)


@dataclass(frozen=True)
class _Running:
    """One operation: what allows it, which job it is, what the job does."""

    operation: Operation
    scenario: tuple[str, str]
    plan: Callable[[planner.RunningSnapshot], Graph]


def pause_replication(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Begins the job that pauses an item's replication; changes are tracked meanwhile.

    Raises:
        RefusedError: 532 while a job runs on the item; OperationNotAllowed (409) with what would
            allow it; ProviderNotRegistered.

    Idempotent: By the origin's client request id.

    Source: SPEC RE-5.
    """
    work = _Running(Operation.PAUSE_REPLICATION, planner.PAUSE, planner.plan_pause)
    return _begin(item, work, origin, now)


def resume_replication(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Begins the job that lets an item's replication go on, on whichever side it was stopped.

    Raises:
        RefusedError: As `pause_replication`.

    Idempotent: By the origin's client request id.

    Source: SPEC RE-5.
    """
    work = _Running(Operation.RESUME_REPLICATION, planner.RESUME, planner.plan_resume)
    return _begin(item, work, origin, now)


def repair_replication(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Begins the job that resumes or resynchronizes an item, whichever it needs.

    Raises:
        RefusedError: As `pause_replication`.

    Idempotent: By the origin's client request id.

    Source: SPEC RE-5; ASR's RepairReplication.
    """
    work = _Running(Operation.REPAIR_REPLICATION, planner.REPAIR, planner.plan_repair)
    return _begin(item, work, origin, now)


def resynchronize(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Begins the job that compares both copies of a machine and sends what differs.

    Recovery points made before are lost.

    Raises:
        RefusedError: As `pause_replication`.

    Idempotent: By the origin's client request id.

    Source: SPEC RE-5.
    """
    work = _Running(Operation.RESYNCHRONIZE, planner.RESYNCHRONIZE, planner.plan_resynchronization)
    job = _begin(item, work, origin, now)
    # Now makes later needless.
    ProtectedItem.objects.filter(id=item.id).update(resynchronize_at=None, resynchronize_by="")
    return job


def schedule_resynchronization(
    item: ProtectedItem, at: datetime | None, origin: RequestOrigin, now: datetime
) -> None:
    """Keeps when both copies are to be compared; until then replication goes on as it is.

    Kept here and begun by `begin_scheduled`, not by Hyper-V's ResynchronizeStartTime: that would
    need a replication that runs to be paused until then, and nobody would see it on the item. It
    takes effect after every restart of a coordinator; one that is away at the time begins late.

    Args:
        item: The item.
        at: At most seven days ahead; None: not at all.
        origin: Who asks.
        now: Time of the request.

    Raises:
        RefusedError: ResynchronizationTimeNotPossible (400), OperationNotAllowed (409).

    Source: SPEC RE-5.
    """
    fresh = lock_item(item.id)
    if at is not None:
        _refuse_time(at, now)
        refuse_unless_allowed(fresh, Operation.RESYNCHRONIZE, picture_of(fresh))
    fresh.resynchronize_at = at
    fresh.resynchronize_by = "" if at is None else origin.started_by[:255]
    fresh.save(update_fields=["resynchronize_at", "resynchronize_by"])


def begin_scheduled(now: datetime) -> None:
    """Begins the resynchronizations whose time has come.

    An item that a job works on keeps its turn; one whose state no longer allows it loses it.
    """
    # Their rows are held one after the other, in the order in which everybody holds several.
    due = ProtectedItem.objects.filter(resynchronize_at__lte=now).order_by("id")
    for item in due:
        origin = RequestOrigin(
            started_by=item.resynchronize_by,
            client_request_id=f"scheduled {item.resynchronize_at:%Y-%m-%dT%H:%M:%S}",
        )
        try:
            with transaction.atomic():
                resynchronize(item, origin, now)
        except RefusedError as error:
            code = error.failure.code
            log.warning("resynchronization.put_off", item_id=str(item.id), code=code)
            if code == "OperationNotAllowed":
                schedule_resynchronization(item, None, origin, now)


def change_automatic_resynchronization(
    item: ProtectedItem, window: Window | None, origin: RequestOrigin, now: datetime
) -> Job:
    """Begins the job that has Hyper-V resynchronize by itself when it must, or no longer.

    Args:
        item: The item.
        window: The time of day, local to the machine's host, within which it may; None: never.
        origin: Who asks.
        now: Time of the request.

    Raises:
        RefusedError: As `pause_replication`.

    Idempotent: By the origin's client request id.

    Source: SPEC RE-5.
    """
    chosen = window or Window()

    def plan(snapshot: planner.RunningSnapshot) -> Graph:
        return planner.plan_automatic(
            snapshot,
            enabled=window is not None,
            start_seconds=chosen.start_seconds,
            end_seconds=chosen.end_seconds,
        )

    work = _Running(Operation.CHANGE_RESYNCHRONIZATION, planner.CHANGE_AUTOMATIC, plan)
    return _begin(item, work, origin, now)


def change_disks(
    item: ProtectedItem,
    origin: RequestOrigin,
    now: datetime,
    *,
    add: Collection[str] = (),
    remove: Collection[str] = (),
) -> Job:
    """Begins the job that adds disks of a machine to replication, or takes some out.

    Args:
        item: The item.
        origin: Who asks.
        now: Time of the request.
        add: Paths of disks on the machine's host, in any case.
        remove: Likewise; they are left out on purpose from now on.

    Raises:
        RefusedError: DiskNotFound (400), NoDiskLeft (400), and as `pause_replication`.

    Idempotent: By the origin's client request id.

    Source: SPEC RE-5.
    """
    begun = begun_job(
        item.vault_id, planner.CHANGE_DISKS[0], str(item.id), origin.client_request_id
    )
    if begun is not None:
        return begun
    side = item.side(item.active_location)
    present = [] if side is None else list(side.wire().disks)
    refuse_if_busy(item_lock(item.id))
    refuse_unless_allowed(item, Operation.CHANGE_DISKS, picture_of(item))
    wanted = chosen_disks({disk.path: disk.replicated for disk in present}, add=add, remove=remove)
    work = _Running(
        Operation.CHANGE_DISKS,
        planner.CHANGE_DISKS,
        lambda snapshot: planner.plan_disks(snapshot, wanted),
    )
    return _begin(item, work, origin, now)


def _begin(item: ProtectedItem, work: _Running, origin: RequestOrigin, now: datetime) -> Job:
    scenario, friendly_name = work.scenario
    begun = begun_job(item.vault_id, scenario, str(item.id), origin.client_request_id)
    if begun is not None:
        return begun
    refuse_if_busy(item_lock(item.id))
    parts = ("pairing__primary_fabric", "pairing__recovery_fabric")
    fresh = ProtectedItem.objects.select_related(*parts).get(id=item.id)
    snapshot = _snapshot(fresh)
    refuse_unless_allowed(fresh, work.operation, snapshot.picture)
    job = ItemJob(scenario, friendly_name, work.plan(snapshot))
    begun = begin_item_job(fresh, job, origin, now)
    _refuse_if_moved_on(fresh)
    return begun


def _refuse_if_moved_on(seen: ProtectedItem) -> None:
    """Now that no other job can begin on the item: what was decided is of the state it is in."""
    item = lock_item(seen.id)
    if (item.state, item.active_location) != (seen.state, seen.active_location):
        raise refuse(
            "OperationNotAllowed",
            f"{seen.friendly_name} changed while the operation was asked for.",
            causes=[f"Its state was {seen.state} and is {item.state}."],
            action="Look at the item's state, then try again.",
            status=409,
        )


def _snapshot(item: ProtectedItem) -> planner.RunningSnapshot:
    active = ActiveLocation(item.active_location)
    return planner.RunningSnapshot(_side(item, active), _side(item, active.other), picture_of(item))


def _side(item: ProtectedItem, location: ActiveLocation) -> planner.RunningSide:
    provider = provider_of(fabric_of_side(item.pairing, location))
    return planner.RunningSide(str(provider.id), item.vm_id, host_of_side(item, location))


def _refuse_time(at: datetime, now: datetime) -> None:
    if not now < at <= now + LONGEST_SCHEDULE:
        raise refuse(
            "ResynchronizationTimeNotPossible",
            f"The machine cannot be resynchronized at {at.isoformat()}.",
            causes=["The time has passed, or is more than seven days ahead."],
            action="Give a time within the next seven days, or none to begin now.",
            field="startTime",
        )
