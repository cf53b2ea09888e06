"""Record functions and finishers of unplanned failover, change of point, cancelling, abandoning."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from coordinator.failures import Failure
from coordinator.jobs.registry import FinishedJob, RecordCall, StepFailedError
from coordinator.jobs.states import JobState, StepState
from coordinator.protection.models import ProtectedItem
from coordinator.protection.services import (
    by_kind,
    is_failed_over,
    lock_item,
    record_event,
    record_failed_over,
    record_failover_abandoned,
    record_failover_cancelled,
    record_point_changed,
    want_started,
)
from coordinator.protection.states import FailoverType, ItemEvent, ProtectionState
from coordinator.recovery import rules
from coordinator.recovery.left_behind import began, left_text, undone_well
from coordinator.recovery.loss import Loss, SourceKnowledge, loss_of, loss_sentence, record_result
from coordinator.recovery.options import RecoveryTag
from coordinator.recovery.recovery_points import missing_point_failure
from coordinator.recovery.wire_values import moment, point, points


def check_unplanned_failover(call: RecordCall) -> Mapping[str, object]:
    """Refuses a replica that cannot be failed over, and a recovery point that is gone."""
    target = (str(call.inputs["target_mode"]), str(call.inputs["target_state"]))
    _fail_on(
        rules.unplanned_failover_failure(
            target,
            str(call.inputs["target_vm_state"]),
            repeated=bool(call.inputs["repeated"]),
        )
    )
    _fail_on(_missing_point(call))
    return {"source_vm_state": str(call.inputs["source_vm_state"] or "")}


def unplanned_failover_begins(call: RecordCall) -> Mapping[str, object]:
    """From here on the replica's host may have failed over; a source seen running stops it all."""
    _fail_on(rules.running_source_failure(str(call.inputs["source_vm_state"] or "")))
    record_event(_item_id(call.arguments), ItemEvent.FAILOVER_BEGAN)
    return {}


def failed_over_unplanned(call: RecordCall) -> Mapping[str, object]:
    """The replica is the machine now; what that lost is worked out from all that is known."""
    item = lock_item(_item_id(call.arguments))
    prepared = call.inputs["source_prepared"] == "PreparedForFailover"
    target = point(call.inputs["failed_over_to"])
    loss = loss_of(
        point=target,
        replicated_until=moment(call.inputs["last_replication_time"]) or item.last_replicated_at,
        source=_source(item, call, prepared=prepared),
        now=call.now,
    )
    in_step = prepared and target is None
    record_failed_over(
        item.id, call.now, FailoverType.UNPLANNED, in_step=in_step, facts=loss.as_json()
    )
    return record_result(loss)


def unplanned_failover_finished(job: FinishedJob) -> str | None:
    """Says the loss; after a failure protected as before if nothing was touched, else unknown."""
    item_id = _item_id(job.arguments)
    item = lock_item(item_id)
    if job.state is JobState.SUCCEEDED:
        return loss_sentence(item.friendly_name, _known_loss(item))
    event = (
        ItemEvent.UNPLANNED_FAILOVER_STOPPED
        if undone_well(job)
        else ItemEvent.UNPLANNED_FAILOVER_FAILED
    )
    record_event(item_id, event, only_in=[ProtectionState.UNPLANNED_FAILOVER])
    item = record_event(
        item_id,
        ItemEvent.UNPLANNED_FAILOVER_FAILED,
        only_in=[ProtectionState.UNPLANNED_FAILOVER_COMPLETING],
    )
    return left_text(job, item)


def check_point_change(call: RecordCall) -> Mapping[str, object]:
    """Refuses a copy whose failover is committed, and a recovery point that is gone."""
    side = (str(call.inputs["mode"]), str(call.inputs["state"]))
    _fail_on(rules.cancellation_failure(side))
    _fail_on(_missing_point(call))
    return {}


def point_changed(call: RecordCall) -> Mapping[str, object]:
    """The machine is at another point; the source keeps what it had."""
    item = lock_item(_item_id(call.arguments))
    loss = loss_of(
        point=point(call.inputs["failed_over_to"]),
        replicated_until=moment(call.inputs["last_replication_time"]) or item.last_replicated_at,
        source=SourceKnowledge(last_replicated_at=_last_known_change(item)),
        now=item.last_failover_at or call.now,
    )
    record_point_changed(item.id, item.last_failover_at or call.now, loss.as_json())
    return record_result(loss)


def point_change_finished(job: FinishedJob) -> str | None:
    """After a failure: failed over as before if nothing was discarded, else to be done again."""
    item = lock_item(_item_id(job.arguments))
    if job.state is JobState.SUCCEEDED:
        return loss_sentence(item.friendly_name, _known_loss(item))
    if item.state != ProtectionState.CHANGING_POINT:
        return f"{item.friendly_name} is at the other recovery point, but was not started."
    if began(job, "change/discard") or job.arguments.get("failed_before"):
        record_event(item.id, ItemEvent.POINT_CHANGE_FAILED)
        return (
            f"{item.friendly_name} is off, and at which recovery point it is is not certain. "
            "Change the recovery point again, or cancel the failover."
        )
    event = by_kind(item, ItemEvent.PLANNED_POINT_CHANGE_STOPPED, ItemEvent.POINT_CHANGE_STOPPED)
    record_event(item.id, event)
    return f"{item.friendly_name} was not touched: it is failed over as before."


def check_cancellation(call: RecordCall) -> Mapping[str, object]:
    """Refuses a copy whose failover is committed."""
    _fail_on(rules.cancellation_failure((str(call.inputs["mode"]), str(call.inputs["state"]))))
    return {}


def failover_cancelled(call: RecordCall) -> Mapping[str, object]:
    """The source is the machine again."""
    item = record_failover_cancelled(_item_id(call.arguments))
    want_started(item.id, call.now)
    return {}


def cancellation_finished(job: FinishedJob) -> str | None:
    """Says where the machine is; after a failure what was not touched is as before."""
    item = lock_item(_item_id(job.arguments))
    if item.state == ProtectionState.CANCELLING:
        return _cancellation_failed(job, item)
    side = item.active_location.lower()
    if job.steps.get("source/start") is not None and not job.failures:
        return f"{item.friendly_name} runs on the {side} side again, and replicates as before."
    return (
        f"{item.friendly_name} belongs to the {side} side again, but could not be started there: "
        "it runs on neither side. It is started when that side can be reached; or fail over again."
    )


def failover_abandoned(call: RecordCall) -> Mapping[str, object]:
    """The source is the machine again; a failed-over copy seen running stops it all."""
    _fail_on(rules.running_copy_failure(str(call.inputs["copy_vm_state"] or "")))
    item = record_failover_abandoned(_item_id(call.arguments))
    want_started(item.id, call.now)
    return {}


def abandoning_finished(job: FinishedJob) -> str | None:
    """Says where the machine is, and what is left to do about the other copy."""
    item = lock_item(_item_id(job.arguments))
    if item.state == ProtectionState.CANCELLING:
        runs = any(failure.code == rules.COPY_STILL_RUNNING for failure in job.failures)
        return _left_failed_over(job, item, touched=began(job, "copy/turn-off") and not runs)
    side = item.active_location.lower()
    where = (
        f"{item.friendly_name} runs on the {side} side again"
        if job.steps.get("source/start") is StepState.SUCCEEDED
        else f"{item.friendly_name} belongs to the {side} side again, and is started when that "
        "side can be reached"
    )
    return (
        f"{where}. It replicates nowhere: its failed-over copy is held when its site is back; "
        "cancel the failover then."
    )


def _cancellation_failed(job: FinishedJob, item: ProtectedItem) -> str:
    if job.arguments.get("abandoned"):
        record_event(item.id, ItemEvent.FAILOVER_ABANDONED)
        return _abandoned(item)
    if is_failed_over(item):
        return _left_failed_over(job, item, touched=began(job, "cancel/replica"))
    record_event(item.id, ItemEvent.UNDECIDED_CANCELLING_FAILED)
    return _undecided(job, item)


def _left_failed_over(job: FinishedJob, item: ProtectedItem, *, touched: bool) -> str:
    """The failed-over copy is still the machine, and as it was unless something touched it."""
    if not touched and not job.arguments.get("failed_before"):
        event = by_kind(item, ItemEvent.PLANNED_CANCELLING_STOPPED, ItemEvent.CANCELLING_STOPPED)
        record_event(item.id, event)
        return f"{item.friendly_name} was not touched: it is failed over as before."
    record_event(item.id, ItemEvent.CANCELLING_FAILED)
    return (
        f"Whether the failed-over copy of {item.friendly_name} is off is not certain. Cancel the "
        "failover again: it takes up where it stopped; or change the recovery point, which brings "
        "that copy up again."
    )


def _abandoned(item: ProtectedItem) -> str:
    """Of a failover that was abandoned before: the copy stays held, wherever it broke off."""
    side = item.active_location.lower()
    return (
        f"{item.friendly_name} belongs to the {side} side as before. Cancel the failover again "
        "once the other side can be reached: it takes up where it stopped."
    )


def _undecided(job: FinishedJob, item: ProtectedItem) -> str:
    """Of a failover that never changed sides, whose replica nobody has started."""
    side = item.active_location.lower()
    runs = job.steps.get("source/start") is StepState.SUCCEEDED
    where = f"{item.friendly_name} runs on the {side} side again. " if runs else ""
    return (
        f"{where}Whether its replica is failed over is not certain. Cancel the failover again once "
        "the other side can be reached; or fail over, which takes up where it stopped."
    )


def _source(item: ProtectedItem, call: RecordCall, *, prepared: bool) -> SourceKnowledge:
    side = item.side(item.active_location)
    seen_running = None
    last = None
    if side is not None:
        last = side.last_replicated_at
        seen_running = side.observed_at if side.wire().vm_state in rules.RUNNING else None
    return SourceKnowledge(
        last_replicated_at=_newest(moment(call.inputs["source_last_replication_time"]), last),
        last_seen_running_at=seen_running,
        prepared=prepared,
    )


def _newest(*moments: datetime | None) -> datetime | None:
    return max((each for each in moments if each is not None), default=None)


def _last_known_change(item: ProtectedItem) -> datetime | None:
    return _read(item, "last_known_change_at")


def _read(item: ProtectedItem, name: str) -> datetime | None:
    text = (item.failover or {}).get(name)
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _known_loss(item: ProtectedItem) -> Loss:
    facts = item.failover or {}
    return Loss(
        recovered_until=_read(item, "recovered_until"),
        point=None,
        last_known_change_at=_read(item, "last_known_change_at"),
        at_least_seconds=facts.get("lost_at_least_seconds"),
        at_most_seconds=facts.get("lost_at_most_seconds"),
    )


def _missing_point(call: RecordCall) -> Failure | None:
    return missing_point_failure(
        points(call.inputs["recovery_points"]),
        RecoveryTag(str(call.inputs["recovery_tag"])),
        str(call.inputs["recovery_point_id"]),
    )


def _item_id(arguments: Mapping[str, object]) -> str:
    return str(arguments["item_id"])


def _fail_on(failure: Failure | None) -> None:
    if failure is not None:
        raise StepFailedError(failure)
