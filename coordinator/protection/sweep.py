"""What is in the middle of an operation whose job is gone: each goes where a failure leads.

Jobs end with the states of what they are about set in the same transaction, so this finds something
only after rows were taken away by hand, or a backup was brought back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import structlog
from django.db.models import QuerySet

from coordinator.failures import Failure
from coordinator.jobs.queries import running_job_for, running_jobs_for
from coordinator.protection.copy_line.records import copy_begun
from coordinator.protection.models import NetworkMapping, Pairing, ProtectedItem
from coordinator.protection.networks.mapping import PAIRING as MAPPING
from coordinator.protection.networks.records import PAIRED as MAPPED
from coordinator.protection.networks.services import mapping_lock
from coordinator.protection.pairing.keys import pairing_lock
from coordinator.protection.states import ItemEvent, PairingState, ProtectionState
from coordinator.protection.transitions import by_kind, change_state, is_failed_over, item_lock

log = structlog.get_logger(__name__)
Row = TypeVar("Row", Pairing, NetworkMapping)

SWEEP_TASK = "protection.sweep_items"
SWEEP_PAIRINGS_TASK = "protection.sweep_pairings"
SWEEP_PERIOD = timedelta(minutes=1)

_S = ProtectionState
_E = ItemEvent
# What each state of an operation becomes when nobody works on it any more: what its failure makes
# of it, from where the same request takes it up.
LEFT_BEHIND: Mapping[ProtectionState, ItemEvent] = {
    _S.ENABLING: _E.ENABLING_FAILED,
    _S.READY_TO_COPY: _E.ENABLING_FAILED,
    # Nobody knows what of it was done at the source.
    _S.PLANNED_FAILOVER: _E.PLANNED_FAILOVER_FAILED,
    _S.PLANNED_FAILOVER_COMPLETING: _E.PLANNED_FAILOVER_FAILED,
    _S.UNPLANNED_FAILOVER: _E.UNPLANNED_FAILOVER_FAILED,
    _S.UNPLANNED_FAILOVER_COMPLETING: _E.UNPLANNED_FAILOVER_FAILED,
    _S.CHANGING_POINT: _E.POINT_CHANGE_FAILED,
    _S.CANCELLING: _E.CANCELLING_FAILED,
    _S.COMMITTING: _E.COMMIT_FAILED,
    _S.REVERSING: _E.REVERSING_FAILED,
    _S.DISABLING: _E.DISABLING_FAILED,
}
# The same of pairings: from there asking again, or removing, takes it up.
PAIRINGS_LEFT_BEHIND: Mapping[PairingState, PairingState] = {
    PairingState.PAIRING: PairingState.PAIRING_FAILED,
    PairingState.UNPAIRING: PairingState.UNPAIRING_FAILED,
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
    if event is _E.CANCELLING_FAILED and not is_failed_over(item):
        event = _E.UNDECIDED_CANCELLING_FAILED
    change_state(item, event)
    item.save(update_fields=["state"])
    # Its place in line, or at its hosts, is not kept for nobody.
    copy_begun(item.id, now)


def sweep_pairings(now: datetime) -> None:
    """Moves on pairings and network mappings that are being made or removed by no job. Idempotent.

    Source: SPEC JB-3.
    """
    del now
    for pairing_id in _ids_left_behind(
        Pairing.objects.filter(state__in=[str(state) for state in PAIRINGS_LEFT_BEHIND]),
        pairing_lock,
    ):
        _fail_pairing(pairing_id)
    for mapping_id in _ids_left_behind(
        NetworkMapping.objects.filter(state=MAPPING), lambda mapping: mapping_lock(mapping.id)
    ):
        _finish_mapping(mapping_id)


def _ids_left_behind(rows: QuerySet[Row], lock_of: Callable[[Row], str]) -> list[UUID]:
    """Ids of those that no job works on, in the order in which everybody holds several."""
    waiting = {lock_of(row): row.pk for row in rows}
    return sorted(waiting[key] for key in waiting.keys() - running_jobs_for(list(waiting)).keys())


def _fail_pairing(pairing_id: UUID) -> None:
    """Looks again, now that no job can begin on the pairing or end with it."""
    pairing = Pairing.objects.select_for_update(no_key=True).filter(id=pairing_id).first()
    after = None if pairing is None else PAIRINGS_LEFT_BEHIND.get(PairingState(pairing.state))
    if pairing is None or after is None or running_job_for(pairing_lock(pairing)) is not None:
        return
    log.warning("pairing.left_behind", pairing_id=str(pairing_id), state=pairing.state)
    pairing.state = after
    pairing.errors = [_job_missing(pairing.name).as_json()]
    pairing.save(update_fields=["state", "errors"])


def _finish_mapping(mapping_id: UUID) -> None:
    """The mapping itself is its row; replicas that are to be connected have marks of their own."""
    found = NetworkMapping.objects.select_for_update(no_key=True).filter(id=mapping_id).first()
    if found is None or found.state != MAPPING or running_job_for(mapping_lock(found.id)):
        return
    log.warning("network.left_behind", mapping_id=str(mapping_id))
    found.state = MAPPED
    found.save(update_fields=["state"])


def _job_missing(name: str) -> Failure:
    return Failure(
        "JobMissing",
        f"The job that worked on the pairing {name} is gone; hosts may be configured in part.",
        ("Rows of the database were deleted, or a backup was brought back.",),
        "Associate the policy with the clouds again, or remove the pairing: both take it up.",
    )
