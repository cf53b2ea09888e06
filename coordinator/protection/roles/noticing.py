"""What reports of replication say about starting: the owner's choice, and hosts that went down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from opensiterecovery.provider.v1 import replication_pb2

from coordinator.protection.models import MachineRole
from coordinator.protection.roles.rules import (
    NOTHING,
    RUNNING,
    START,
    START_IF_RUNNING,
    Look,
    Stop,
    follow,
    owners_choice,
    start_due,
)
from coordinator.protection.roles.starting import have_started, seen_running

ACTIONS = frozenset({NOTHING, START_IF_RUNNING, START})
# A day: what is longer was not meant.
LONGEST_DELAY_SECONDS = 86400


class Seen(NamedTuple):
    """What a host said, and when it was looked at."""

    state: replication_pb2.ReplicationState
    at: datetime


@dataclass(frozen=True)
class ActiveCopy:
    """The copy on an item's active side, as it was seen before and as it is seen now."""

    item_id: UUID
    vault_id: UUID
    before: Seen | None
    now: Seen


def notice_copies(copies: Iterable[ActiveCopy], now: datetime) -> None:
    """Keeps what the owner chose, and has machines started whose host went down under them.

    Args:
        copies: Whose report differs from the one before.
        now: The time.
    """
    seen = {copy.item_id: copy for copy in copies}
    roles = MachineRole.objects.in_bulk(list(seen))
    due = {}
    stops = {}
    for item_id, copy in seen.items():
        role = roles.get(item_id)
        choice = _keep_choice(role, copy)
        known = Stop() if role is None else Stop(role.stopped_at, role.host_booted_at)
        before, stop = _follow(known, copy)
        if stop != known:
            stops[item_id] = stop
        at = start_due(before, _look(copy.now.state), *choice, now)
        if at is not None:
            due[item_id] = at
    _remember(stops)
    have_started(due, now)
    seen_running(_running(seen), now)


def _follow(known: Stop, copy: ActiveCopy) -> tuple[Look | None, Stop]:
    before = None if copy.before is None else _look(copy.before.state)
    before_at = None if copy.before is None else copy.before.at
    return follow(known, before, before_at, _look(copy.now.state), copy.now.at)


def _remember(stops: Mapping[UUID, Stop]) -> None:
    MachineRole.objects.bulk_create(
        [
            MachineRole(item_id=item_id, stopped_at=stop.seen_at, host_booted_at=stop.booted_at)
            for item_id, stop in sorted(stops.items())
        ],
        update_conflicts=True,
        unique_fields=["item"],
        update_fields=["stopped_at", "host_booted_at"],
    )


def _running(seen: Mapping[UUID, ActiveCopy]) -> dict[UUID, UUID]:
    return {
        item_id: copy.vault_id
        for item_id, copy in seen.items()
        if copy.now.state.vm_state in RUNNING
    }


def _keep_choice(role: MachineRole | None, copy: ActiveCopy) -> tuple[str, int]:
    known = ("", 0) if role is None else (role.start_action, role.start_delay_seconds)
    action = copy.now.state.automatic_start_action
    told = (
        action if action in ACTIONS else "",
        min(max(0, copy.now.state.automatic_start_delay.seconds), LONGEST_DELAY_SECONDS),
    )
    choice = owners_choice(known, told)
    if choice != known:
        MachineRole.objects.update_or_create(
            item_id=copy.item_id,
            defaults={"start_action": choice[0], "start_delay_seconds": choice[1]},
        )
    return choice


def _look(state: replication_pb2.ReplicationState) -> Look:
    booted = state.HasField("host_booted_at")
    return Look(
        vm_state=state.vm_state,
        booted_at=state.host_booted_at.ToDatetime(tzinfo=UTC) if booted else None,
    )
