"""Moving a protected item from state to state, under its row's lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

import structlog

from coordinator.failures import refuse
from coordinator.protection.models import ProtectedItem
from coordinator.protection.operations import Operation, why_not
from coordinator.protection.replication.picture import Picture
from coordinator.protection.states import (
    COMMIT_PENDING_STATES,
    ActiveLocation,
    DrillState,
    FailoverType,
    ItemEvent,
    ProtectionState,
    next_state,
)

log = structlog.get_logger(__name__)

BATCH = 500
FAILOVER_FIELDS = (
    "state",
    "active_location",
    "role_epoch",
    "last_failover_at",
    "failover_type",
    "sides_in_step",
    "failover",
)


def item_lock(item_id: UUID) -> str:
    """Key of the lock that the one operation of an item holds."""
    return f"item:{item_id}"


def lock_item(item_id: UUID | str) -> ProtectedItem:
    """Reads the item and holds its row until the transaction ends.

    Raises:
        ProtectedItem.DoesNotExist: It is gone.
    """
    return ProtectedItem.objects.select_for_update(no_key=True).get(id=item_id)


def record_event(
    item_id: UUID | str, event: ItemEvent, *, only_in: Iterable[ProtectionState] = ()
) -> ProtectedItem:
    """Moves an item on.

    Args:
        item_id: The item.
        event: What happened.
        only_in: States in which the event means something; in another state nothing is done.
            Empty: it must mean something.

    Returns:
        The item, locked, as it is now.

    Raises:
        WrongTransitionError: The event has no meaning in the item's state.
    """
    item = lock_item(item_id)
    states = frozenset(only_in)
    if states and ProtectionState(item.state) not in states:
        return item
    change_state(item, event)
    item.save(update_fields=["state"])
    return item


def record_events(
    happened: Mapping[UUID, tuple[ProtectionState, ItemEvent]],
) -> Mapping[UUID, ProtectedItem]:
    """Moves many items on in two statements, those that are still in the state given.

    Args:
        happened: By item the only state in which its event means something, and the event.

    Returns:
        The items, locked, as they are now; one that is gone has no entry.

    Raises:
        WrongTransitionError: An event has no meaning in its state.
    """
    rows = ProtectedItem.objects.select_for_update(no_key=True).filter(id__in=happened)
    items = {item.id: item for item in rows.order_by("id")}
    moved = [item for item in items.values() if item.state == happened[item.id][0]]
    for item in moved:
        change_state(item, happened[item.id][1])
    ProtectedItem.objects.bulk_update(moved, ["state"], batch_size=BATCH)
    return items


def change_state(item: ProtectedItem, event: ItemEvent) -> None:
    """Sets the state that follows; the caller holds the lock and saves.

    Raises:
        WrongTransitionError: The event has no meaning in the item's state.
    """
    before = ProtectionState(item.state)
    item.state = next_state(before, event)
    log.info(
        "item.state_changed",
        vault_id=str(item.vault_id),
        item_id=str(item.id),
        event_name=str(event),
        before=str(before),
        after=str(item.state),
    )


def record_failed_over(
    item_id: UUID | str,
    now: datetime,
    failover_type: FailoverType = FailoverType.PLANNED,
    *,
    in_step: bool = True,
    facts: Mapping[str, object] | None = None,
) -> ProtectedItem:
    """The machine now runs on the other side: location, epoch and state change together.

    Args:
        item_id: The item.
        now: When.
        failover_type: How.
        in_step: The copy it left had nothing more.
        facts: What was recovered and what was left behind, JSON.

    Returns:
        The item, locked, as it is now.

    Source: DESIGN invariant 7: only failover raises the role epoch.
    """
    item = lock_item(item_id)
    change_state(item, ItemEvent.FAILED_OVER)
    item.active_location = ActiveLocation(item.active_location).other
    item.role_epoch += 1
    item.last_failover_at = now
    item.failover_type = failover_type
    item.sides_in_step = in_step
    item.failover = dict(facts or {})
    item.save(update_fields=FAILOVER_FIELDS)
    return item


def record_point_changed(
    item_id: UUID | str, now: datetime, facts: Mapping[str, object]
) -> ProtectedItem:
    """The failed-over copy is at another point: what it left has more than it.

    The role epoch stays: the same copy is the machine.
    """
    item = lock_item(item_id)
    change_state(item, ItemEvent.POINT_CHANGED)
    item.last_failover_at = now
    item.failover_type = FailoverType.UNPLANNED
    item.sides_in_step = False
    item.failover = dict(facts)
    item.save(update_fields=FAILOVER_FIELDS)
    return item


def record_failover_cancelled(item_id: UUID | str) -> ProtectedItem:
    """The copy that was left is the machine again; the other one is its replica.

    One whose failover never got so far as to change sides keeps its side. The epoch is raised in
    any case: whoever was told the other copy's role must learn of it.
    """
    return _brought_back(item_id, ItemEvent.FAILOVER_CANCELLED)


def record_failover_abandoned(item_id: UUID | str) -> ProtectedItem:
    """The copy that was left is the machine again; the other one is failed over as it was."""
    return _brought_back(item_id, ItemEvent.FAILOVER_ABANDONED)


def _brought_back(item_id: UUID | str, event: ItemEvent) -> ProtectedItem:
    item = lock_item(item_id)
    failed_over = is_failed_over(item)
    change_state(item, event)
    if failed_over:
        item.active_location = ActiveLocation(item.active_location).other
    item.role_epoch += 1
    item.failover_type = ""
    item.sides_in_step = False
    item.save(update_fields=FAILOVER_FIELDS)
    return item


def record_reversed(item_id: UUID | str, event: ItemEvent) -> ProtectedItem:
    """The direction of replication is reversed; the failover is history."""
    item = lock_item(item_id)
    change_state(item, event)
    item.failover_type = ""
    item.sides_in_step = False
    item.save(update_fields=FAILOVER_FIELDS)
    return item


def by_kind(item: ProtectedItem, planned: ItemEvent, unplanned: ItemEvent) -> ItemEvent:
    """The event that brings a failed-over item back to where its kind of failover left it."""
    return unplanned if item.failover_type == FailoverType.UNPLANNED else planned


def is_failed_over(item: ProtectedItem) -> bool:
    """Whether the active side is the one that a failover not yet reversed went to."""
    return bool(item.failover_type) or item.state in COMMIT_PENDING_STATES


def is_tested(item: ProtectedItem) -> bool:
    """Whether a test failover has made, or may have made, a test virtual machine."""
    return item.test_failover_state != DrillState.NONE


def record_committed(item_id: UUID | str) -> None:
    """The failover is final: the other recovery points are gone. Source: SPEC FO-4."""
    item = record_event(item_id, ItemEvent.COMMITTED)
    item.points.all().delete()


def refuse_unless_allowed(
    item: ProtectedItem, operation: Operation, picture: Picture | None = None
) -> None:
    """Refuses an operation that the item's state does not allow.

    Args:
        item: The item.
        operation: What is asked of it.
        picture: How its replication was seen, for operations that depend on that.

    Raises:
        RefusedError: OperationNotAllowed, status 409, with why and what would allow it.

    Source: SPEC FO-6.
    """
    state = ProtectionState(item.state)
    answer = why_not(operation, state, picture, testing=is_tested(item))
    if answer is not None:
        raise refuse(
            "OperationNotAllowed",
            f"{operation} of {item.friendly_name} is not allowed in the state {state} "
            f"({state.description}).",
            causes=[answer.reason],
            action=answer.remedy,
            status=409,
        )
