"""Machines that an earlier run failed over and did not come to start."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from coordinator.jobs.queries import jobs_that_stopped_before
from coordinator.jobs.services import JobTarget
from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec
from coordinator.protection.models import ProtectedItem
from coordinator.protection.services import item_lock
from coordinator.protection.states import COMMIT_PENDING_STATES
from coordinator.recovery import planned_failover, unplanned_failover
from coordinator.recovery.gates import Gate
from coordinator.recovery.machines import snapshot
from coordinator.recovery.prepared import PreparedOperation

# ASR had no such job.
SCENARIO = "StartFailedOverMachine"
FRIENDLY_NAME = "Start the failed-over virtual machine"
START = "start"
_FAILOVERS = (planned_failover.SCENARIO, unplanned_failover.SCENARIO, SCENARIO)


def unstarted_items(items: Collection[ProtectedItem]) -> frozenset[UUID]:
    """Items that have failed over in a job that ended before it had started the machine."""
    pending = [item.id for item in items if item.state in COMMIT_PENDING_STATES]
    stopped = jobs_that_stopped_before(START, _FAILOVERS, [str(item_id) for item_id in pending])
    return frozenset(item_id for item_id in pending if str(item_id) in stopped)


def prepare_start(item: ProtectedItem, now: datetime) -> PreparedOperation:
    """Starts a failed-over machine where it is, when its group's turn comes.

    Raises:
        RefusedError: HostNotPaired or ProviderNotRegistered.
    """
    machine = snapshot(item, now)
    step = StepSpec(
        key=START,
        task=planned_failover.START,
        kind=StepKind.COMMAND,
        action="start_virtual_machine",
        time_limit_seconds=900,
        gate=Gate.BOOT,
        expected_seconds=30,
    )
    return PreparedOperation(
        scenario=SCENARIO,
        friendly_name=FRIENDLY_NAME,
        vault_id=item.vault_id,
        target=JobTarget("ProtectionEntity", str(item.id), item.friendly_name),
        graph=Graph(
            (TaskSpec(planned_failover.START, "Start the replica virtual machine"),),
            (machine.on(machine.active, step),),
        ),
        locks=(item_lock(item.id),),
        arguments={"item_id": str(item.id)},
        enter=_as_it_is,
    )


def _as_it_is() -> None:
    """The machine's state stays: it has failed over, and waits for its commit."""
