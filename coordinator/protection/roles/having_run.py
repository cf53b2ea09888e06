"""A machine that a command started runs, whether or not its host has been looked at since."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

import structlog

from coordinator.jobs.queries import command_results
from coordinator.jobs.registry import FinishedJob
from coordinator.jobs.states import StepState
from coordinator.protection.models import MachineRole, ReplicationSide
from coordinator.protection.roles.rules import BOOTED_ANEW, RUNNING, Look, start_due
from coordinator.protection.roles.starting import have_started
from coordinator.protection.transitions import lock_item

log = structlog.get_logger(__name__)

RUNS = "Running"


def note_started_by(job: FinishedJob, step_keys: Collection[str]) -> None:
    """Keeps that a machine runs when the job that ends has started it.

    Args:
        job: Its arguments name the item.
        step_keys: Those of its steps that start the machine, if they are reached.
    """
    done = [key for key in step_keys if job.steps.get(key) is StepState.SUCCEEDED]
    times = [
        result.finished_at.ToDatetime(tzinfo=UTC)
        for result in (command_results(job.job_id, done) if done else ())
        if result.virtual_machine.state in RUNNING and result.HasField("finished_at")
    ]
    if times:
        note_started(str(job.arguments["item_id"]), max(times), job.now)


def note_started(item_id: UUID | str, at: datetime, now: datetime) -> None:
    """Keeps that a machine ran at a moment, as its agent saw it when it had started it.

    Hosts are looked at every few seconds. One that goes down before it was looked at again has to
    be known to have run the machine, or the machine would stay off when it is back.

    Args:
        item_id: The machine's item; where it runs now is where it was started.
        at: When it was seen running, by the agent's clock, as the times of looks are.
        now: The time.

    Idempotent. Source: SPEC FO-7; decision 0013.
    """
    item = lock_item(item_id)
    at = min(at, now)
    side = (
        ReplicationSide.objects.select_for_update()
        .filter(item=item, location=item.active_location)
        .first()
    )
    if side is None:
        return
    state = side.wire()
    # A host that boots from then on has gone down under it.
    ran = Look(RUNS, at - BOOTED_ANEW)
    if side.observed_at <= at:
        state.vm_state = RUNS
        state.host_booted_at.FromDatetime(at - BOOTED_ANEW)
        side.observed = state.SerializeToString()
        side.observed_at = at
        # So that the next look counts as news, whatever it says.
        side.signature = b""
        side.save(update_fields=["observed", "observed_at", "signature"])
        return
    booted = state.HasField("host_booted_at")
    seen = Look(state.vm_state, state.host_booted_at.ToDatetime(tzinfo=UTC) if booted else None)
    role = MachineRole.objects.filter(item=item).first()
    choice = ("", 0) if role is None else (role.start_action, role.start_delay_seconds)
    due = start_due(ran, seen, *choice, now)
    if due is not None:
        log.info("machine.went_down_before_its_look", item_id=str(item.id))
        have_started({item.id: due}, now)
