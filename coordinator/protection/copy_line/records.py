"""What the engine calls of the line: joining it, waiting in it, leaving it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from coordinator.failures import Failure
from coordinator.jobs.registry import ConditionState, RecordCall, StepFailedError, Waiting
from coordinator.protection.copy_line.line import join
from coordinator.protection.models import FirstCopy
from coordinator.protection.states import ItemEvent
from coordinator.protection.transitions import record_event

# Whoever gives a turn calls the job; this is for a call that was lost.
LOOK_AGAIN = timedelta(minutes=10)


def line_joined(call: RecordCall) -> Mapping[str, object]:
    """The relationship exists; the first copy waits for its time and its turn."""
    item = record_event(str(call.arguments["item_id"]), ItemEvent.RELATIONSHIP_MADE)
    start_time = str(call.arguments.get("start_time", ""))
    since = max(datetime.fromisoformat(start_time), call.now) if start_time else call.now
    join(item, call.job_id, str(call.arguments["request"]), since, call.now)
    return {}


def turn_given(call: RecordCall) -> ConditionState | Waiting:
    """Whether the item's first copy may begin."""
    copy = FirstCopy.objects.filter(item_id=UUID(str(call.arguments["item_id"]))).first()
    if copy is None or copy.ended_at is not None:
        raise StepFailedError(
            Failure(
                "FirstCopyNotInLine",
                "The first copy no longer waits for its turn.",
                ("The machine, or its place in line, was removed meanwhile.",),
                "Enable protection again.",
            )
        )
    if copy.granted_at is not None:
        return ConditionState.MET
    return Waiting(copy.waits_for or "Waits for its turn to copy", call.now + LOOK_AGAIN)


def copy_placed(call: RecordCall) -> Mapping[str, object]:
    """The host that has the machine now; it may have moved while it waited."""
    copy = FirstCopy.objects.select_related("item").get(
        item_id=UUID(str(call.arguments["item_id"]))
    )
    return {"host": copy.item.primary_host}


def copy_begun(item_id: UUID, now: datetime) -> None:
    """The host was told to copy: from now on its reports say whether it does.

    Also after a failure of that command, of which nobody knows what came of it; an item whose turn
    never came leaves the line.
    """
    copies = FirstCopy.objects.filter(item_id=item_id, ended_at=None)
    copies.filter(granted_at=None).update(ended_at=now)
    copies.filter(begun_at=None).update(begun_at=now)
