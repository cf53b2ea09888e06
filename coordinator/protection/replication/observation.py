"""Taking in what providers report about replication."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog
from google.protobuf import json_format
from opensiterecovery.provider.v1 import replication_pb2

from coordinator.fabrics.models import Fabric
from coordinator.protection.enabling.finalizing import finalize_when_idle
from coordinator.protection.models import ProtectedItem, RecoveryPoint
from coordinator.protection.replication.health import SideHealth, health_errors, replication_health
from coordinator.protection.states import ActiveLocation
from coordinator.stored_texts import without_nul

log = structlog.get_logger(__name__)

OBSERVED_COLUMNS = [
    "primary_host",
    "recovery_host",
    "primary_observed",
    "primary_observed_at",
    "recovery_observed",
    "recovery_observed_at",
    "replication_health",
    "health_errors",
    "last_replicated_at",
]

HOST_LENGTH = 255
POINT_ID_LENGTH = 64
CRASH_CONSISTENT = "CrashConsistent"
# By Hyper-V's SnapshotType; what is not there is crash-consistent.
POINT_TYPES = {"AppConsistentReplica": "ApplicationConsistent"}


def ingest_replication(
    fabric_id: UUID,
    states: Iterable[replication_pb2.ReplicationState],
    observed_at: datetime,
    now: datetime,
) -> None:
    """Keeps what the hosts of a fabric say about protected machines.

    An older report than the one kept is left out; a machine that is no protected item too, and
    a state that cannot be read.

    Args:
        fabric_id: The fabric of the provider that reports.
        states: One side of a relationship each.
        observed_at: When the provider looked, by its clock. Later than now counts as now: after a
            clock that was fast is put right, reports must not be older than those before.
        now: Time of the change.

    Idempotent. Source: SPEC RE-4.
    """
    seen = [(_vm_id(state), state) for state in states]
    if not seen:
        return
    observed_at = min(observed_at, now)
    vault_id = Fabric.objects.values_list("vault_id", flat=True).get(id=fabric_id)
    items = {
        item.vm_id: item
        # In the order of their ids: two reports at once never wait for each other crosswise.
        for item in ProtectedItem.objects.select_for_update(of=("self",), no_key=True)
        .select_related("pairing")
        .filter(vault_id=vault_id, vm_id__in={vm_id for vm_id, _ in seen})
        .order_by("id")
    }
    changed: dict[UUID, ProtectedItem] = {}
    points: dict[UUID, Sequence[replication_pb2.RecoveryPoint]] = {}
    for vm_id, state in seen:
        item = items.get(vm_id)
        location = None if item is None else _location(item, fabric_id, state)
        if item is None or location is None or not _keep(item, location, state, observed_at):
            continue
        changed[item.id] = item
        if location is not ActiveLocation(item.active_location) and state.mode == "Replica":
            points[item.id] = [point for point in state.recovery_points if _can_be_kept(point.id)]
    _keep_points(points)
    for item in changed.values():
        _evaluate(item)
    ProtectedItem.objects.bulk_update(changed.values(), OBSERVED_COLUMNS, batch_size=200)
    for item in changed.values():
        finalize_when_idle(item, now)


def _vm_id(state: replication_pb2.ReplicationState) -> str:
    return str(without_nul(state.vm_id)).lower()


def observed_state(
    item: ProtectedItem, location: ActiveLocation
) -> replication_pb2.ReplicationState | None:
    """What one side's host last said; None before it said anything."""
    primary = location is ActiveLocation.PRIMARY
    stored = item.primary_observed if primary else item.recovery_observed
    if stored is None:
        return None
    return json_format.ParseDict(
        stored, replication_pb2.ReplicationState(), ignore_unknown_fields=True
    )


def _location(
    item: ProtectedItem, fabric_id: UUID, state: replication_pb2.ReplicationState
) -> ActiveLocation | None:
    """The side that a report is of; None when it cannot be told."""
    pairing = item.pairing
    if pairing.primary_fabric_id != pairing.recovery_fabric_id:
        if fabric_id == pairing.primary_fabric_id:
            return ActiveLocation.PRIMARY
        return ActiveLocation.RECOVERY if fabric_id == pairing.recovery_fabric_id else None
    # One server for both clouds: told by the host, and by the mode of a machine that has moved.
    by_host = {
        item.recovery_host: ActiveLocation.RECOVERY,
        item.primary_host: ActiveLocation.PRIMARY,
    }
    if state.host.lower() in by_host:
        return by_host[state.host.lower()]
    active = ActiveLocation(item.active_location)
    return {"Primary": active, "Replica": active.other}.get(state.mode)


def _keep(
    item: ProtectedItem,
    location: ActiveLocation,
    state: replication_pb2.ReplicationState,
    observed_at: datetime,
) -> bool:
    """Sets what was seen on the item; False when it is unreadable or older than what is there."""
    try:
        seen = without_nul(
            json_format.MessageToDict(
                state, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
            )
        )
    except json_format.Error as error:
        log.warning("replication.unreadable", item_id=str(item.id), reason=str(error))
        return False
    # Points have a table of their own.
    seen.pop("recovery_points", None)
    host = seen["host"].lower()[:HOST_LENGTH]
    if location is ActiveLocation.PRIMARY:
        if item.primary_observed_at is not None and item.primary_observed_at > observed_at:
            return False
        item.primary_observed, item.primary_observed_at = seen, observed_at
        item.primary_host = host or item.primary_host
    else:
        if item.recovery_observed_at is not None and item.recovery_observed_at > observed_at:
            return False
        item.recovery_observed, item.recovery_observed_at = seen, observed_at
        # Before placement there is nothing of this item on that side.
        item.recovery_host = (item.recovery_host and host) or item.recovery_host
    return True


def _keep_points(reported: Mapping[UUID, Sequence[replication_pb2.RecoveryPoint]]) -> None:
    """Makes the points of each item those its replica's host has."""
    known: dict[UUID, dict[str, int]] = {item_id: {} for item_id in reported}
    rows = RecoveryPoint.objects.filter(item_id__in=list(reported))
    for key, item_id, point_id in rows.values_list("id", "item_id", "point_id"):
        known[item_id][point_id] = key
    gone = [
        key
        for item_id, points in reported.items()
        for point_id, key in known[item_id].items()
        if point_id not in {point.id for point in points}
    ]
    if gone:
        RecoveryPoint.objects.filter(id__in=gone).delete()
    RecoveryPoint.objects.bulk_create(
        [
            RecoveryPoint(
                item_id=item_id,
                point_id=point.id,
                time=point.created_at.ToDatetime(tzinfo=UTC),
                type=POINT_TYPES.get(point.type, CRASH_CONSISTENT),
            )
            for item_id, points in reported.items()
            for point in points
            if point.id not in known[item_id]
        ],
        ignore_conflicts=True,
    )


def _can_be_kept(point_id: str) -> bool:
    return len(point_id) <= POINT_ID_LENGTH and "\0" not in point_id


def _evaluate(item: ProtectedItem) -> None:
    """Health and last replication, from what both sides said last."""
    active = ActiveLocation(item.active_location)
    sides = []
    times = []
    for location in ActiveLocation:
        state = observed_state(item, location)
        if state is None or state.mode in {"", "None"}:
            continue
        sides.append(
            SideHealth(
                primary=location is active,
                state=state.state,
                health=state.health,
                successful=state.successful_replications,
                missed=state.missed_replications,
                details=tuple(state.health_details),
            )
        )
        if state.HasField("last_replication_time"):
            times.append(state.last_replication_time.ToDatetime(tzinfo=UTC))
    seen_at = max(
        (at for at in (item.primary_observed_at, item.recovery_observed_at) if at is not None),
        default=item.created_at,
    )
    item.replication_health = replication_health(tuple(sides))
    item.health_errors = health_errors(tuple(sides), seen_at)
    item.last_replicated_at = max(times, default=item.last_replicated_at)
