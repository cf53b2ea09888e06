"""Taking in what providers report about replication."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from uuid import UUID

import structlog
from django.db.models import Q
from opensiterecovery.provider.v1 import replication_pb2

from coordinator.fabrics.models import Fabric
from coordinator.protection.copy_line.watching import copies_reported
from coordinator.protection.enabling.finalizing import TO_FINALIZE, finalize_when_idle
from coordinator.protection.models import ReplicationSide
from coordinator.protection.replication.evaluation import lock_items, side_health, sum_up
from coordinator.protection.replication.health import side_conditions
from coordinator.protection.replication.points import digest_points, keep_points
from coordinator.protection.replication.rpo import span_number
from coordinator.protection.replication.side_rows import (
    KnownItem,
    SideRow,
    read_known,
    write_sides,
)
from coordinator.protection.roles.noticing import ActiveCopy, Seen, notice_copies
from coordinator.protection.states import ActiveLocation

log = structlog.get_logger(__name__)

NAME_LENGTH = 32
# A side takes some hundred bytes; what is far larger is no honest provider's.
MOST_STATE_BYTES = 64 * 1024
# Modes of a machine that takes part in no replication.
ABSENT = frozenset({"", "None"})


@dataclass(frozen=True)
class _Seen:
    """One side of an item, as reported now."""

    item: KnownItem
    row: SideRow
    state: replication_pb2.ReplicationState
    # None when they are as they were.
    points: list[replication_pb2.RecoveryPoint] | None

    @property
    def changed(self) -> bool:
        """What the item's health, hosts or state depend on is not as it was."""
        before = self.item.sides.get(self.row.location)
        return before is None or before.signature != self.row.signature

    @property
    def copied(self) -> bool:
        """This may have been the end of a first copy; or its finalizing is to be tried again."""
        return self.item.state in TO_FINALIZE and self.row.state == "Replicating"


def ingest_replication(
    fabric_id: UUID,
    states: Iterable[replication_pb2.ReplicationState],
    observed_at: datetime,
    now: datetime,
) -> None:
    """Keeps what the hosts of a fabric say about protected machines.

    An older report than the one kept is left out; a machine that is no protected item too, and
    a state that cannot be read. An item's row is held only when something has changed that it
    shows; most reports say that the last cycle went well.

    Args:
        fabric_id: The fabric of the provider that reports.
        states: One side of a relationship each; in any order.
        observed_at: When the provider looked, by its clock. Later than now counts as now: after a
            clock that was fast is put right, reports must not be older than those before.
        now: Time of the change.

    Idempotent. Source: SPEC RE-4.
    """
    observed_at = min(observed_at, now)
    told: dict[str, list[replication_pb2.ReplicationState]] = {}
    for state in states:
        told.setdefault(state.vm_id.lower(), []).append(state)
    if not told:
        return
    vault_id = Fabric.objects.values_list("vault_id", flat=True).get(id=fabric_id)
    seen = [
        one
        for vm_id, item in read_known(vault_id, told).items()
        for one in _sides_of(item, fabric_id, told[vm_id], observed_at)
    ]
    _keep(seen, now)


def report_absent(
    fabric_id: UUID, seen: Collection[str], observed_at: datetime, now: datetime
) -> None:
    """Keeps that a fabric's hosts do not have machines that they should have.

    Args:
        fabric_id: The fabric of the provider that reports.
        seen: Hyper-V ids of all machines that a complete report named.
        observed_at: When the provider looked, by its clock.
        now: Time of the change.

    Idempotent. Source: SPEC RE-4.
    """
    sides = ReplicationSide.objects.exclude(item__vm_id__in=[vm_id.lower() for vm_id in seen])
    here = Q(location=ActiveLocation.PRIMARY, item__pairing__primary_fabric=fabric_id) | Q(
        location=ActiveLocation.RECOVERY, item__pairing__recovery_fabric=fabric_id
    )
    missing = sides.filter(here, observed_at__lt=min(observed_at, now))
    gone = [
        replication_pb2.ReplicationState(
            vm_id=side.item.vm_id, host=side.wire().host, mode="None", state="Disabled"
        )
        for side in missing.exclude(mode__in=["", "None"]).select_related("item")
    ]
    if gone:
        log.warning("replication.absent", fabric_id=str(fabric_id), sides=len(gone))
    ingest_replication(fabric_id, gone, observed_at, now)


def _keep(seen: Sequence[_Seen], now: datetime) -> None:
    # The item's row before its sides' rows, as everybody does who holds both; an item that is gone
    # by now is left out.
    touched = {one.item.id for one in seen if one.changed or one.copied}
    locked = {item.id: item for item in lock_items(touched)} if touched else {}
    present = [one for one in seen if one.item.id in locked or one.item.id not in touched]
    before = _before({one.item.id for one in present if one.changed})
    write_sides([one.row for one in present])
    points = {one.item.id: one.points for one in present if one.points is not None}
    if points:
        keep_points(points)
    changed = {one.item.id for one in present if one.changed}
    if changed:
        sum_up([locked[item_id] for item_id in sorted(changed)], now)
        copies_reported(changed, now)
        notice_copies(
            [
                ActiveCopy(
                    one.item.id,
                    locked[one.item.id].vault_id,
                    before.get((one.item.id, one.row.location)),
                    Seen(one.state, one.row.observed_at),
                )
                for one in present
                if one.changed and one.row.location == one.item.active_location
            ],
            now,
        )
    for one in present:
        if one.copied:
            finalize_when_idle(locked[one.item.id], now)


def _before(item_ids: Collection[UUID]) -> dict[tuple[UUID, str], Seen]:
    sides = ReplicationSide.objects.filter(item__in=item_ids) if item_ids else ()
    return {(side.item_id, side.location): Seen(side.wire(), side.observed_at) for side in sides}


def _sides_of(
    item: KnownItem,
    fabric_id: UUID,
    states: Sequence[replication_pb2.ReplicationState],
    observed_at: datetime,
) -> list[_Seen]:
    """What a report says of an item: of each side, the copy that takes part in replication."""
    chosen: dict[ActiveLocation, replication_pb2.ReplicationState] = {}
    for state in states:
        location = _location(item, fabric_id, state)
        if location is None or _is_left_behind(item, location, state):
            continue
        before = chosen.get(location)
        if before is None or _rank(state) >= _rank(before):
            chosen[location] = state
    found = (_see(item, location, state, observed_at) for location, state in chosen.items())
    return [one for one in found if one is not None]


def _rank(state: replication_pb2.ReplicationState) -> tuple[bool, bool]:
    return state.mode not in ABSENT, bool(state.vm_state)


def _is_left_behind(
    item: KnownItem, location: ActiveLocation, state: replication_pb2.ReplicationState
) -> bool:
    """What does not replicate, and not on the item's host: an old copy, or the machine moved."""
    before = item.sides.get(location)
    host = item.primary_host if location is ActiveLocation.PRIMARY else item.recovery_host
    return (
        state.mode in ABSENT
        and before is not None
        and before.mode not in ABSENT
        and state.host.lower() != host
    )


def _location(
    item: KnownItem, fabric_id: UUID, state: replication_pb2.ReplicationState
) -> ActiveLocation | None:
    """The side that a report is of; None when it cannot be told."""
    if item.primary_fabric_id != item.recovery_fabric_id:
        if fabric_id == item.primary_fabric_id:
            return ActiveLocation.PRIMARY
        return ActiveLocation.RECOVERY if fabric_id == item.recovery_fabric_id else None
    # One server for both clouds: told by the host, and by the mode of a machine that has moved.
    by_host = {
        item.recovery_host: ActiveLocation.RECOVERY,
        item.primary_host: ActiveLocation.PRIMARY,
    }
    if state.host.lower() in by_host:
        return by_host[state.host.lower()]
    active = ActiveLocation(item.active_location)
    return {"Primary": active, "Replica": active.other}.get(state.mode)


def _see(
    item: KnownItem,
    location: ActiveLocation,
    state: replication_pb2.ReplicationState,
    observed_at: datetime,
) -> _Seen | None:
    """What is to be kept of a side; None when it is unreadable or older than what is there."""
    before = item.sides.get(location)
    if before is not None and before.observed_at > observed_at:
        return None
    sending = location == item.active_location
    # The message itself stays as it is: storing it may have to be tried a second time.
    kept = replication_pb2.ReplicationState()
    kept.CopyFrom(state)
    kept.ClearField("recovery_points")
    if kept.ByteSize() > MOST_STATE_BYTES:
        log.warning("replication.too_large", item_id=str(item.id), bytes=kept.ByteSize())
        return None
    digest = b"" if before is None else before.points_digest
    told_points = None
    if not sending and state.mode == "Replica":
        digest = digest_points(state.recovery_points)
        if before is None or digest != before.points_digest:
            told_points = list(state.recovery_points)
    replicated = state.HasField("last_replication_time")
    row = SideRow(
        item_id=item.id,
        location=location,
        observed_at=observed_at,
        mode=_name(state.mode),
        state=_name(state.state),
        observed=kept.SerializeToString(),
        last_replicated_at=(
            state.last_replication_time.ToDatetime(tzinfo=UTC) if replicated else None
        ),
        signature=_signature(item, state, sending=sending),
        points_digest=digest,
        rpo_span=span_number(observed_at),
    )
    return _Seen(item, row, kept, told_points)


def _signature(item: KnownItem, state: replication_pb2.ReplicationState, *, sending: bool) -> bytes:
    """Differs when something differs that an item shows or that its health follows from."""
    side = side_health(state, primary=sending)
    parts = (
        item.state,
        str(sending),
        state.mode,
        state.state,
        state.health,
        state.host,
        state.vm_state,
        state.automatic_start_action,
        str(state.automatic_start_delay.seconds),
        str(state.host_booted_at.seconds),
        *(condition.code for condition in side_conditions(side, replicates=True)),
        *side.details,
        *side.unreplicated_disks,
    )
    return blake2b("\0".join(parts).encode(), digest_size=8).digest()


def _name(text: str) -> str:
    return text[:NAME_LENGTH]
