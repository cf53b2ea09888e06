"""Bringing a machine back into the operation of a failed job that is restarted."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.registry import FinishedJob, Restarter
from coordinator.jobs.states import StepState
from coordinator.protection.models import ProtectedItem
from coordinator.protection.services import lock_item, record_event
from coordinator.protection.states import ItemEvent, ProtectionState, WrongTransitionError
from coordinator.recovery import (
    abandon_failover,
    cancel_failover,
    change_recovery_point,
    commit,
    planned_failover,
    reverse_replication,
    unplanned_failover,
)


def _again(event: Callable[[FinishedJob], ItemEvent], record: str) -> Restarter:
    """A restarter that begins the operation anew.

    Args:
        event: How the operation begins, given the job as it ended.
        record: Key of the step that says that the machine is where the operation takes it; once
            it has succeeded there is nothing to begin, only what comes after it is left.
    """

    def restart(job: FinishedJob) -> None:
        """Raises RefusedError, RestartNotPossible (409): the machine is not as the job left it."""
        try:
            item = lock_item(str(job.arguments["item_id"]))
        except ProtectedItem.DoesNotExist:
            raise _gone(job) from None
        if job.steps.get(record) is StepState.SUCCEEDED:
            return
        # What it would tell providers now, they would take for something of the past.
        if job.arguments.get("role_epoch", item.role_epoch) != item.role_epoch:
            raise _changed(item)
        try:
            record_event(item.id, event(job))
        except WrongTransitionError:
            raise _changed(item) from None

    return restart


def _reversal(job: FinishedJob) -> ItemEvent:
    """The implicit commit comes first, unless it is done."""
    done = job.steps.get("prepare/begin") is StepState.SUCCEEDED
    return (
        ItemEvent.REVERSING_BEGAN if done or job.arguments["committed"] else ItemEvent.COMMIT_BEGAN
    )


def _gone(job: FinishedJob) -> RefusedError:
    return refuse(
        "RestartNotPossible",
        f"The machine of the job {job.job_id} is not protected any more.",
        causes=["Its protection has been disabled since the job failed."],
        action="Protect the machine again.",
        status=409,
    )


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
    planned_failover.SCENARIO: _again(
        lambda _: ItemEvent.PLANNED_FAILOVER_BEGAN, "failover/record"
    ),
    unplanned_failover.SCENARIO: _again(
        lambda _: ItemEvent.UNPLANNED_FAILOVER_BEGAN, "failover/record"
    ),
    change_recovery_point.SCENARIO: _again(lambda _: ItemEvent.POINT_CHANGE_BEGAN, "change/record"),
    cancel_failover.SCENARIO: _again(lambda _: ItemEvent.CANCELLING_BEGAN, "cancel/record"),
    abandon_failover.SCENARIO: _again(lambda _: ItemEvent.CANCELLING_BEGAN, "abandon/record"),
    commit.SCENARIO: _again(lambda _: ItemEvent.COMMIT_BEGAN, "commit/record"),
    reverse_replication.SCENARIO: _again(_reversal, "update/record"),
}
