"""Where a protected machine's test failover stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

import structlog

from coordinator.protection.models import ProtectedItem
from coordinator.protection.states import DrillState
from coordinator.protection.transitions import lock_item

log = structlog.get_logger(__name__)


def record_drill_state(
    item_id: UUID | str, state: DrillState, *, only_in: Iterable[DrillState] = ()
) -> ProtectedItem:
    """Says where a machine's test failover stands.

    Args:
        item_id: The item.
        state: Where it stands now.
        only_in: States out of which that means something; out of another nothing is done.
            Empty: out of any.

    Returns:
        The item, locked, as it is now.
    """
    item = lock_item(item_id)
    wanted = frozenset(only_in)
    before = DrillState(item.test_failover_state)
    if (wanted and before not in wanted) or before is state:
        return item
    item.test_failover_state = state
    item.save(update_fields=["test_failover_state"])
    log.info(
        "item.drill_state_changed",
        vault_id=str(item.vault_id),
        item_id=str(item.id),
        before=str(before),
        after=str(state),
    )
    return item


def record_drill_states(
    item_ids: Collection[UUID], state: DrillState
) -> dict[UUID, tuple[DrillState, ProtectedItem]]:
    """Says of many machines at once where their test failover stands.

    Returns:
        By item where it stood before, and the item, locked; one that is gone has no entry.
    """
    if not item_ids:
        return {}
    rows = ProtectedItem.objects.select_for_update(no_key=True).filter(id__in=item_ids)
    items = list(rows.order_by("id"))
    ProtectedItem.objects.filter(id__in=item_ids).update(test_failover_state=state)
    log.info("items.drill_state_changed", items=len(items), after=str(state))
    return {item.id: (DrillState(item.test_failover_state), item) for item in items}


def record_drilled(item_id: UUID | str, tested_at: datetime) -> None:
    """A test ran and was cleaned up well: only now it counts. Source: SPEC FO-1."""
    item = lock_item(item_id)
    if item.last_test_failover_at is None or item.last_test_failover_at < tested_at:
        item.last_test_failover_at = tested_at
        item.save(update_fields=["last_test_failover_at"])
