"""Restarting failed failovers: the machine is brought back into the operation its job does."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.registry import FinishedJob, Restarter
from coordinator.jobs.states import StepState
from coordinator.protection.models import ProtectedItem
from coordinator.protection.services import lock_item, record_event
from coordinator.protection.states import ItemEvent, ProtectionState, next_state_or_none
from coordinator.recovery import planned_failover, unplanned_failover

FAILED_OVER = "failover/record"


def restarter(event: ItemEvent, over: ProtectionState) -> Restarter:
    """The restarter of a failover.

    Args:
        event: How the operation begins.
        over: The state of a machine that has failed over, and perhaps not been started.
    """

    def restart(job: FinishedJob) -> None:
        """Refuses when the machine is not as the job left it: what it would do is out of date.

        Raises:
            RefusedError: RestartNotPossible, status 409.
        """
        item = lock_item(str(job.arguments["item_id"]))
        began_at = job.arguments.get("role_epoch", item.role_epoch)
        if job.steps.get(FAILED_OVER) is StepState.SUCCEEDED:
            if item.state != over or item.role_epoch != int(str(began_at)) + 1:
                raise _changed(item)
            return
        state = ProtectionState(item.state)
        if item.role_epoch != began_at or next_state_or_none(state, event) is None:
            raise _changed(item)
        record_event(item.id, event)

    return restart


def _changed(item: ProtectedItem) -> RefusedError:
    state = ProtectionState(item.state)
    return refuse(
        "RestartNotPossible",
        f"{item.friendly_name} is not as the job left it: its state is {state} "
        f"({state.description}).",
        causes=["Something else was done with the machine since the job failed."],
        action="Begin the operation anew instead of restarting the job.",
        status=409,
    )


RESTARTERS: Mapping[str, Restarter] = {
    planned_failover.SCENARIO: restarter(
        ItemEvent.PLANNED_FAILOVER_BEGAN, ProtectionState.COMMIT_PENDING
    ),
    unplanned_failover.SCENARIO: restarter(
        ItemEvent.UNPLANNED_FAILOVER_BEGAN, ProtectionState.UNPLANNED_COMMIT_PENDING
    ),
}
