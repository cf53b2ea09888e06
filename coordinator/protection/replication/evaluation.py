"""Summing up what both sides of an item said: its health, its hosts, its picture."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Max
from opensiterecovery.provider.v1 import replication_pb2

from coordinator.jobs.services import QueueName, enqueue
from coordinator.protection.models import ProtectedItem
from coordinator.protection.replication.health import FAR_BEHIND, ItemHealth, SideHealth, evaluate
from coordinator.protection.replication.health_events import tell_health
from coordinator.protection.replication.picture import Picture
from coordinator.protection.replication.rpo import MEASURED
from coordinator.protection.states import ActiveLocation, ProtectionState

HOST_LENGTH = 255
# In these the item's two sides must take part in a replication.
REPLICATING = MEASURED - {
    ProtectionState.PLANNED_FAILOVER_COMPLETING,
    ProtectionState.PLANNED_FAILOVER_FAILED,
    ProtectionState.UNPLANNED_FAILOVER_COMPLETING,
    ProtectionState.UNPLANNED_FAILOVER_FAILED,
} | {ProtectionState.READY_TO_COPY, ProtectionState.INITIAL_REPLICATION}
CLOCK_TASK = "protection.look_at_the_clock"
CLOCK_PERIOD = timedelta(minutes=1)
# So many items are held in one transaction: after an outage of an hour all of them are behind at
# once, and reports and failovers of theirs wait for it.
AT_ONCE = 500
_BEHIND = [{"errorCode": "ReplicaBehind"}]
WRITE = """
UPDATE protection_protecteditem AS item
SET primary_host = new.primary_host,
    recovery_host = new.recovery_host,
    replication_health = new.health,
    health_errors = new.errors::jsonb
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS new (id, primary_host, recovery_host, health, errors)
WHERE item.id = new.id
"""


def lock_items(item_ids: Collection[UUID]) -> list[ProtectedItem]:
    """Holds items' rows until the transaction ends, in one order for everybody."""
    rows = ProtectedItem.objects.select_for_update(no_key=True).filter(id__in=item_ids)
    return list(rows.order_by("id"))


def sum_up(items: Sequence[ProtectedItem], now: datetime) -> None:
    """Makes items' health and hosts what their sides say.

    Args:
        items: Locked; what their sides are is read here.
        now: The time.
    """
    found = ProtectedItem.objects.filter(id__in=[item.id for item in items])
    sides = {item.id: item for item in found.prefetch_related("sides")}
    before = {item.id: item.replication_health for item in items}
    for item in items:
        if item.id not in sides:
            continue
        seen = sides[item.id]
        for location in ActiveLocation:
            _follow(item, location, seen)
        health = item_health(seen, now)
        item.replication_health, item.health_errors = health.health, health.errors
    with connection.cursor() as cursor:
        cursor.execute(
            WRITE,
            [
                [item.id for item in items],
                [item.primary_host for item in items],
                [item.recovery_host for item in items],
                [str(item.replication_health) for item in items],
                [json.dumps(item.health_errors) for item in items],
            ],
        )
    tell_health(items, before, now)


def item_health(item: ProtectedItem, now: datetime) -> ItemHealth:
    """What an item's sides say of its health; reads them where they are not prefetched."""
    active = ActiveLocation(item.active_location)
    return evaluate(
        [
            side_health(
                side.wire(),
                primary=side.location == active,
                left_out=item.excluded_disks,
            )
            for side in item.sides.all()
        ],
        replicates=ProtectionState(item.state) in REPLICATING,
        last_replicated_at=item.last_replicated_at,
        now=now,
    )


def side_health(
    state: replication_pb2.ReplicationState, *, primary: bool, left_out: Collection[str] = ()
) -> SideHealth:
    """What a provider said of a side, as the rules of health take it."""
    return SideHealth(
        primary=primary,
        mode=state.mode,
        present=bool(state.vm_state),
        state=state.state,
        health=state.health,
        successful=state.successful_replications,
        missed=state.missed_replications,
        latency_seconds=state.average_replication_latency.seconds,
        frequency_seconds=state.frequency_seconds,
        details=tuple(state.health_details),
        unreplicated_disks=tuple(
            disk.path for disk in state.disks if not disk.replicated and disk.path not in left_out
        ),
    )


def picture_of(item: ProtectedItem) -> Picture:
    """How an item's two sides stand; reads them where they are not prefetched."""
    active = ActiveLocation(item.active_location)
    states = {
        side.location: side.state for side in item.all_sides() if side.mode not in {"", "None"}
    }
    return Picture(states.get(active, ""), states.get(active.other, ""))


def look_at_the_clock(now: datetime, after: str = "", at_once: int = AT_ONCE) -> None:
    """Sums up items again whose health time alone has changed: far behind, though nobody reports.

    Called from time to time; goes on in another transaction when there are many.

    Args:
        now: The time.
        after: Id of the last item that was looked at before; empty for the first time.
        at_once: So many items at most.

    Source: SPEC RE-8.
    """
    limit = now - FAR_BEHIND
    items = ProtectedItem.objects.filter(state__in=[str(state) for state in REPLICATING])
    if after:
        items = items.filter(id__gt=UUID(after))
    measured = items.annotate(newest=Max("sides__last_replicated_at"))
    behind = measured.filter(newest__lt=limit).exclude(health_errors__contains=_BEHIND)
    # One that caught up and whose sides are otherwise as they were.
    caught_up = measured.filter(newest__gte=limit, health_errors__contains=_BEHIND)
    item_ids = sorted(
        [*behind.values_list("id", flat=True), *caught_up.values_list("id", flat=True)]
    )
    due = item_ids[:at_once]
    if due:
        sum_up(lock_items(due), now)
    if len(item_ids) > len(due):
        enqueue(CLOCK_TASK, QueueName.INVENTORY, str(due[-1]), now=now)


def _follow(item: ProtectedItem, location: ActiveLocation, seen: ProtectedItem) -> None:
    """The machine or its replica may have moved to another host."""
    side = seen.side(location)
    if side is None or side.mode == "None":
        return
    host = side.wire().host.lower()[:HOST_LENGTH]
    if location is ActiveLocation.PRIMARY:
        item.primary_host = host or item.primary_host
    else:
        # Before placement there is nothing of this item on that side.
        item.recovery_host = (item.recovery_host and host) or item.recovery_host
