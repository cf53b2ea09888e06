"""Bringing a machine back into a test whose job failed and is restarted."""

from __future__ import annotations

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.registry import FinishedJob
from coordinator.protection.models import ProtectedItem
from coordinator.protection.services import lock_item, record_drill_state
from coordinator.protection.states import DrillState, ProtectionState
from coordinator.recovery.models import Drill
from coordinator.recovery.test_failover.drills import item_id
from coordinator.recovery.test_failover.states import DrillOutcome


def restart_test_failover(job: FinishedJob) -> None:
    """The test that the job began goes on.

    Raises:
        RefusedError: RestartNotPossible (409): the machine is not as the job left it.
    """
    item = _item(job)
    drill = Drill.objects.filter(item=item, job_id=job.job_id).order_by("-started_at").first()
    fit = item.test_failover_state in {DrillState.NONE, DrillState.FAILED}
    if drill is None or not fit or item.state != ProtectionState.PROTECTED:
        raise _changed(item)
    drill.outcome, drill.ended_at = DrillOutcome.IN_PROGRESS, None
    drill.save(update_fields=["outcome", "ended_at"])
    record_drill_state(item.id, DrillState.IN_PROGRESS)


def restart_clean_up(job: FinishedJob) -> None:
    """The clean-up goes on.

    Raises:
        RefusedError: RestartNotPossible (409): it has been cleaned up since.
    """
    item = _item(job)
    if item.test_failover_state != DrillState.CLEAN_UP_FAILED:
        raise _changed(item)
    record_drill_state(item.id, DrillState.CLEANING_UP)


def _item(job: FinishedJob) -> ProtectedItem:
    try:
        return lock_item(item_id(job.arguments))
    except ProtectedItem.DoesNotExist:
        raise refuse(
            "RestartNotPossible",
            f"The machine of the job {job.job_id} is not protected any more.",
            causes=["Its protection has been disabled since the job failed."],
            action="Protect the machine again.",
            status=409,
        ) from None


def _changed(item: ProtectedItem) -> RefusedError:
    return refuse(
        "RestartNotPossible",
        f"{item.friendly_name} is not as the job left it: its state is {item.state}, that of its "
        f"test failover {item.test_failover_state}.",
        causes=["Something else was done with the machine since the job failed."],
        action="Begin the operation anew instead of restarting the job.",
        status=409,
    )
