"""Items that are in the middle of an operation whose job is gone: each goes where a failure leads.

Jobs end with their items' states set in the same transaction, so this finds something only after
rows were taken away by hand, or a backup was brought back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from coordinator.jobs.queries import running_job_for, running_jobs_for
from coordinator.protection.copy_line.records import copy_begun
from coordinator.protection.models import ProtectedItem
from coordinator.protection.states import ItemEvent, ProtectionState
from coordinator.protection.transitions import by_kind, change_state, item_lock

log = structlog.get_logger(__name__)

SWEEP_TASK = "protection.sweep_items"
SWEEP_PERIOD = timedelta(minutes=1)

_S = ProtectionState
_E = ItemEvent
# What each state of an operation becomes when nobody works on it any more: what its failure makes
# of it, from where the same request takes it up.
LEFT_BEHIND: Mapping[ProtectionState, ItemEvent] = {
    _S.ENABLING: _E.ENABLING_FAILED,
    _S.READY_TO_COPY: _E.ENABLING_FAILED,
    _S.PLANNED_FAILOVER: _E.PLANNED_FAILOVER_STOPPED,
    _S.PLANNED_FAILOVER_COMPLETING: _E.PLANNED_FAILOVER_FAILED,
    _S.UNPLANNED_FAILOVER: _E.UNPLANNED_FAILOVER_STOPPED,
    _S.UNPLANNED_FAILOVER_COMPLETING: _E.UNPLANNED_FAILOVER_FAILED,
    _S.CHANGING_POINT: _E.POINT_CHANGE_FAILED,
    _S.CANCELLING: _E.CANCELLING_FAILED,
    _S.COMMITTING: _E.COMMIT_FAILED,
    _S.REVERSING: _E.REVERSING_FAILED,
    _S.DISABLING: _E.DISABLING_FAILED,
}


def sweep_items(now: datetime) -> None:
    """Moves on every item that is in the middle of something and has no job. Idempotent."""
    states = [str(state) for state in LEFT_BEHIND]
    item_ids = ProtectedItem.objects.filter(state__in=states).values_list("id", flat=True)
    waiting = {item_lock(item_id): item_id for item_id in item_ids}
    idle = waiting.keys() - running_jobs_for(list(waiting)).keys()
    # In the order in which everybody holds several.
    for item_id in sorted(waiting[key] for key in idle):
        _move_on(item_id, now)


def _move_on(item_id: UUID, now: datetime) -> None:
    """Looks again, now that no job can begin on the item or end with it, and moves it on."""
    item = ProtectedItem.objects.select_for_update(no_key=True).filter(id=item_id).first()
    event = None if item is None else LEFT_BEHIND.get(ProtectionState(item.state))
    if item is None or event is None or running_job_for(item_lock(item_id)) is not None:
        return
    log.warning("item.left_behind", item_id=str(item_id), state=item.state)
    if event is _E.COMMIT_FAILED:
        event = by_kind(item, event, _E.UNPLANNED_COMMIT_FAILED)
    change_state(item, event)
    item.save(update_fields=["state"])
    # Its place in line, or at its hosts, is not kept for nobody.
    copy_begun(item.id, now)
