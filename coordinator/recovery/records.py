"""Record functions and finishers of the failover family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from coordinator.failures import Failure
from coordinator.jobs.registry import FinishedJob, RecordCall, StepFailedError
from coordinator.jobs.states import JobState
from coordinator.protection.services import record_committed, record_event, record_failed_over
from coordinator.protection.states import ItemEvent, ProtectionState
from coordinator.recovery import rules


def check_planned_failover(call: RecordCall) -> Mapping[str, object]:
    """Refuses a machine whose two sides are not in step."""
    _fail_on(
        rules.planned_failover_failure(
            _side(call, "source_mode", "source_state"), _side(call, "target_mode", "target_state")
        )
    )
    return {}


def failover_begins(call: RecordCall) -> Mapping[str, object]:
    """From here on the replica's host may have failed over, whatever else happens."""
    record_event(_item_id(call.arguments), ItemEvent.FAILOVER_BEGAN)
    return {}


def failed_over(call: RecordCall) -> Mapping[str, object]:
    """The machine is on the other side now."""
    record_failed_over(_item_id(call.arguments), call.now)
    return {}


def planned_failover_finished(job: FinishedJob) -> None:
    """After a failure: protected as before if the replica was not touched, else unknown."""
    if job.state is JobState.SUCCEEDED:
        return
    item_id = _item_id(job.arguments)
    record_event(
        item_id, ItemEvent.PLANNED_FAILOVER_STOPPED, only_in=[ProtectionState.PLANNED_FAILOVER]
    )
    record_event(
        item_id,
        ItemEvent.PLANNED_FAILOVER_FAILED,
        only_in=[ProtectionState.PLANNED_FAILOVER_COMPLETING],
    )


def check_commit(call: RecordCall) -> Mapping[str, object]:
    """Refuses a machine that is not failed over."""
    _fail_on(rules.commit_failure(_side(call, "mode", "state")))
    return {}


def committed(call: RecordCall) -> Mapping[str, object]:
    """The failover is final."""
    record_committed(_item_id(call.arguments))
    return {}


def commit_finished(job: FinishedJob) -> None:
    """After a failure the commit is still pending."""
    if job.state is not JobState.SUCCEEDED:
        record_event(
            _item_id(job.arguments), ItemEvent.COMMIT_FAILED, only_in=[ProtectionState.COMMITTING]
        )


def check_reversal(call: RecordCall) -> Mapping[str, object]:
    """Refuses a machine that is not failed over, and a host that would not receive it."""
    was_committed = bool(call.arguments["committed"])
    _fail_on(rules.reversal_failure(_side(call, "mode", "state"), committed=was_committed))
    _fail_on(
        rules.receiver_failure(
            str(call.inputs["host"]),
            cast("int", call.inputs["port"]),
            enabled=bool(call.inputs["host_enabled"]),
            listening_port=cast("int", call.inputs["host_port"]),
        )
    )
    return {}


def reversal_begins(call: RecordCall) -> Mapping[str, object]:
    """The implicit commit is done; from here on the direction may have been reversed."""
    record_event(_item_id(call.arguments), ItemEvent.REVERSING_BEGAN)
    return {}


def reversed_replication(call: RecordCall) -> Mapping[str, object]:
    """The machine is protected again, towards the other side."""
    record_event(_item_id(call.arguments), ItemEvent.REVERSED)
    return {}


def reversal_finished(job: FinishedJob) -> None:
    """After a failure: the commit may still be pending, or the reversal may be repeated."""
    if job.state is JobState.SUCCEEDED:
        return
    item_id = _item_id(job.arguments)
    record_event(item_id, ItemEvent.COMMIT_FAILED, only_in=[ProtectionState.COMMITTING])
    record_event(item_id, ItemEvent.REVERSING_FAILED, only_in=[ProtectionState.REVERSING])


def _item_id(arguments: Mapping[str, object]) -> str:
    return str(arguments["item_id"])


def _side(call: RecordCall, mode: str, state: str) -> tuple[str, str]:
    return str(call.inputs[mode]), str(call.inputs[state])


def _fail_on(failure: Failure | None) -> None:
    if failure is not None:
        raise StepFailedError(failure)
