"""Starting machines whose host went down under them; hosts themselves start none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from coordinator.events.services import EventDraft, clear_event, raise_event
from coordinator.events.states import EventType, Severity
from coordinator.fabrics.queries import is_connected, provider_for_fabric
from coordinator.failures import Failure, RefusedError
from coordinator.jobs.registry import FinishedJob
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job, enqueue
from coordinator.jobs.states import JobState
from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec, host_slot
from coordinator.pauses import growing_pause
from coordinator.protection.models import MachineRole, ProtectedItem
from coordinator.protection.roles.rules import Role, role_of
from coordinator.protection.sides import ItemSide, side_of_item
from coordinator.protection.states import ActiveLocation, ProtectionState
from coordinator.protection.transitions import item_lock

log = structlog.get_logger(__name__)

SCENARIO = "StartVirtualMachine"
STEP, TAKE_BACK = "start", "take-back"
# In these the active copy is a primary: of one that is failed over, taking back would give it up.
PRIMARY_STATES = frozenset({ProtectionState.PROTECTED, ProtectionState.FAILOVER_ABANDONED})
FRIENDLY_NAME = "Start the virtual machine after its host went down"
START_TASK = "protection.start_machines"
START_PERIOD = timedelta(seconds=10)
AT_ONCE = 500
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=10)
# So long a host that is booting may take until its management service answers.
ATTEMPTS = 5
# What is left to be done about a machine that runs.
_STARTED: Mapping[str, object] = {
    "start_due_at": None,
    "start_failures": 0,
    "take_back_first": False,
}


def plan_start(vm_id: str, epoch: int, side: ItemSide, *, take_back_first: bool = False) -> Graph:
    """Starts it: whoever turned the machine on in the meantime is left alone.

    Args:
        vm_id: Hyper-V's id.
        epoch: The item's role epoch.
        side: Where its active copy is.
        take_back_first: It may be prepared for a failover that was cancelled: Hyper-V does not
            start it as long as it is.
    """
    start = StepSpec(
        key=STEP,
        task="VmStart",
        kind=StepKind.COMMAND,
        action="start_virtual_machine",
        provider=side.provider_id,
        inputs={"vm": {"vm_id": vm_id, "host": side.host, "role_epoch": epoch}},
        time_limit_seconds=300,
        attempts=ATTEMPTS,
        slot=host_slot(side.host),
        expected_seconds=30,
    )
    take_back = replace(start, key=TAKE_BACK, action="cancel_failover", expected_seconds=5)
    return Graph(
        tasks=(TaskSpec("VmStart", "Start the virtual machine"),),
        steps=(take_back, replace(start, after=(TAKE_BACK,))) if take_back_first else (start,),
    )


def not_started_key(item_id: UUID | str) -> str:
    """Key of the event that says that a machine could not be started."""
    return f"not-started:{item_id}"


def have_started(due: Mapping[UUID, datetime], now: datetime) -> None:
    """Notes machines that are to be started, and has the first of them begun soon.

    Args:
        due: By item when it is to be started; not before now.
        now: The time.
    """
    for item_id, at in due.items():
        MachineRole.objects.update_or_create(
            item_id=item_id, defaults={"start_due_at": at, "start_failures": 0}
        )
        log.info("machine.start_due", item_id=str(item_id), at=at.isoformat())
    if any(at <= now for at in due.values()):
        enqueue(START_TASK, QueueName.FAILOVER, now=now)


def want_started(item_id: UUID | str, now: datetime) -> None:
    """A machine whose failover was cancelled is to be started, by now or later.

    For when the side it came back to is away; a start that the operation itself carries out is
    seen before this one is due.
    """
    item = UUID(str(item_id))
    have_started({item: now + FIRST_PAUSE}, now)
    MachineRole.objects.filter(item=item).update(take_back_first=True)


def seen_running(vault_ids: Mapping[UUID, UUID], now: datetime) -> None:
    """Machines that run need no starting.

    Args:
        vault_ids: The vault of each item.
        now: The time.
    """
    for role in MachineRole.objects.filter(item__in=list(vault_ids)).exclude(start_due_at=None):
        MachineRole.objects.filter(item=role.item_id).update(**_STARTED)
        clear_event(vault_ids[role.item_id], not_started_key(role.item_id), now)


def start_machines(now: datetime) -> None:
    """Begins a job for each machine that is due, may run, and whose provider is connected.

    As one operation of the item among others: while one runs that decides where the machine is,
    none begins, and the other way round. Idempotent.

    Source: SPEC FO-7; decision 0013.
    """
    due = MachineRole.objects.filter(start_due_at__lte=now).order_by("start_due_at", "item_id")
    connected: dict[UUID, bool] = {}
    for item_id, take_back_first in due.values_list("item_id", "take_back_first")[:AT_ONCE]:
        try:
            with transaction.atomic():
                _begin(item_id, connected, now, take_back_first=take_back_first)
        except RefusedError as error:
            # Another operation works on it, or its side is being taken apart: looked at again.
            log.info("machine.start_put_off", item_id=str(item_id), why=error.failure.code)


def start_finished(job: FinishedJob) -> str | None:
    """Tries again after a while when it failed, and says so; who else succeeded is seen."""
    item = ProtectedItem.objects.filter(id=str(job.arguments["item_id"])).first()
    if item is None:
        return None
    role = MachineRole.objects.select_for_update(no_key=True).filter(item=item).first()
    if role is None:
        return None
    if job.state is JobState.SUCCEEDED:
        MachineRole.objects.filter(item=item).update(**_STARTED)
        clear_event(item.vault_id, not_started_key(item.id), job.now)
        return f"{item.friendly_name} runs again."
    role.start_failures = min(role.start_failures + 1, 1000)
    role.start_due_at = job.now + growing_pause(role.start_failures, FIRST_PAUSE, LONGEST_PAUSE)
    role.save(update_fields=["start_due_at", "start_failures"])
    raise_event(_not_started(item, job.failures), job.now)
    return f"{item.friendly_name} is off; starting it is tried again from time to time."


def _begin(
    item_id: UUID, connected: dict[UUID, bool], now: datetime, *, take_back_first: bool
) -> None:
    item = ProtectedItem.objects.select_related(
        "pairing__primary_fabric", "pairing__recovery_fabric", "pairing__policy"
    ).get(id=item_id)
    active = ActiveLocation(item.active_location)
    if role_of(item.state, active, active, item.failover_type) is not Role.ACTIVE:
        return
    pairing = item.pairing
    fabric_id = (
        pairing.primary_fabric_id
        if active is ActiveLocation.PRIMARY
        else pairing.recovery_fabric_id
    )
    if fabric_id not in connected:
        provider = provider_for_fabric(fabric_id)
        lease_seconds = settings.CONFIGURATION.lease_seconds
        connected[fabric_id] = provider is not None and is_connected(provider, now, lease_seconds)
    if not connected[fabric_id]:
        return
    begin_job(
        BeginJob(
            vault_id=item.vault_id,
            scenario=SCENARIO,
            friendly_name=FRIENDLY_NAME,
            target=JobTarget("ProtectionEntity", str(item.id), item.friendly_name),
            graph=plan_start(
                item.vm_id,
                item.role_epoch,
                side_of_item(item, active),
                take_back_first=take_back_first and item.state in PRIMARY_STATES,
            ),
            locks=(item_lock(item.id),),
            queue=QueueName.FAILOVER,
            started_by="",
            arguments={"item_id": str(item.id)},
        ),
        now,
    )
    _still(item)


def _still(item: ProtectedItem) -> None:
    """Now that no other operation can begin: the item must be what the job was planned for.

    Raises:
        RefusedError: It changed in between; nothing is begun.
    """
    fresh = ProtectedItem.objects.get(id=item.id)
    seen = (item.state, item.role_epoch, item.active_location)
    if (fresh.state, fresh.role_epoch, fresh.active_location) != seen:
        failure = Failure("ItemChanged", f"{item.friendly_name} changed.", (), "Nothing.")
        raise RefusedError(failure, status=409)


def _not_started(item: ProtectedItem, failures: Sequence[Failure]) -> EventDraft:
    why = failures[0] if failures else Failure("VirtualMachineNotStarted", "The reason is unknown.")
    return EventDraft(
        vault_id=item.vault_id,
        type=EventType.VM_HEALTH,
        severity=Severity.CRITICAL,
        code="VirtualMachineNotStarted",
        failure=Failure(
            "VirtualMachineNotStarted",
            f"{item.friendly_name} ran before its host went down and could not be started again: "
            f"{why.message}",
            why.possible_causes or ("The host is not ready yet.",),
            why.recommended_action or "Look at the host; starting is tried again by itself.",
        ),
        affected_type="ProtectionEntity",
        affected_id=str(item.id),
        affected_name=item.friendly_name,
        key=not_started_key(item.id),
    )
