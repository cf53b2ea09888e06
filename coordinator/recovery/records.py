"""Record functions and finishers of the failover family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from coordinator.failures import Failure
from coordinator.jobs.registry import FinishedJob, RecordCall, StepFailedError
from coordinator.jobs.states import JobState
from coordinator.protection.services import (
    by_kind,
    lock_item,
    record_committed,
    record_event,
    record_failed_over,
    record_reversed,
)
from coordinator.protection.states import ItemEvent, ProtectionState
from coordinator.recovery import rules
from coordinator.recovery.left_behind import left_text, undone_well
from coordinator.recovery.loss import SourceKnowledge, loss_of, record_result
from coordinator.recovery.wire_values import moment


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
    """The machine is on the other side now, with everything it had."""
    replicated = moment(call.inputs.get("last_replication_time"))
    loss = loss_of(
        point=None,
        replicated_until=replicated,
        source=SourceKnowledge(prepared=True, stopped=True),
        now=call.now,
    )
    record_failed_over(_item_id(call.arguments), call.now, facts=loss.as_json())
    return record_result(loss)


def planned_failover_finished(job: FinishedJob) -> str | None:
    """After a failure: protected as before if the replica was not touched, else unknown."""
    if job.state is JobState.SUCCEEDED:
        return None
    item_id = _item_id(job.arguments)
    untouched = undone_well(job)
    event = ItemEvent.PLANNED_FAILOVER_STOPPED if untouched else ItemEvent.PLANNED_FAILOVER_FAILED
    record_event(item_id, event, only_in=[ProtectionState.PLANNED_FAILOVER])
    item = record_event(
        item_id,
        ItemEvent.PLANNED_FAILOVER_FAILED,
        only_in=[ProtectionState.PLANNED_FAILOVER_COMPLETING],
    )
    return left_text(job, item)


def check_commit(call: RecordCall) -> Mapping[str, object]:
    """Refuses a machine that is not failed over."""
    _fail_on(rules.commit_failure(_side(call, "mode", "state")))
    return {}


def committed(call: RecordCall) -> Mapping[str, object]:
    """The failover is final."""
    record_committed(_item_id(call.arguments))
    return {}


def commit_finished(job: FinishedJob) -> str | None:
    """After a failure the commit is still pending."""
    if job.state is JobState.SUCCEEDED:
        return None
    _commit_failed(_item_id(job.arguments))
    return "The failover is not committed; the machine runs where it was failed over to."


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
    """The machine is protected again, towards the other side, or will be once both are compared."""
    compare = bool(call.inputs["compare"])
    record_reversed(
        _item_id(call.arguments), ItemEvent.REVERSED_TO_COPY if compare else ItemEvent.REVERSED
    )
    return {}


def reversal_finished(job: FinishedJob) -> str | None:
    """After a failure: the commit may still be pending, or the reversal may be repeated."""
    if job.state is JobState.SUCCEEDED:
        return None
    item_id = _item_id(job.arguments)
    _commit_failed(item_id)
    record_event(item_id, ItemEvent.REVERSING_FAILED, only_in=[ProtectionState.REVERSING])
    return (
        "The machine runs where it was failed over to, and is not protected until it is reverse "
        "replicated."
    )


def _commit_failed(item_id: str) -> None:
    item = lock_item(item_id)
    event = by_kind(item, ItemEvent.COMMIT_FAILED, ItemEvent.UNPLANNED_COMMIT_FAILED)
    record_event(item_id, event, only_in=[ProtectionState.COMMITTING])


def _item_id(arguments: Mapping[str, object]) -> str:
    return str(arguments["item_id"])


def _side(call: RecordCall, mode: str, state: str) -> tuple[str, str]:
    return str(call.inputs[mode]), str(call.inputs[state])


def _fail_on(failure: Failure | None) -> None:
    if failure is not None:
        raise StepFailedError(failure)
