"""RPO over time: kept in spans of five minutes for a day and in hours for 30 days (SPEC RE-4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from coordinator.protection.models import ProtectedItem, RpoHistory
from coordinator.protection.replication.rpo import (
    HOUR,
    HOURS_KEPT,
    MEASURED,
    SPAN,
    SPANS_KEPT,
    day_of,
    hour_of,
    rpo_seconds,
    span_number,
    span_start,
)
from coordinator.protection.states import ProtectionState

KEEP_TASK = "protection.keep_rpo"
# Shorter than a span, so that none is left out when a worker is a little late.
KEEP_PERIOD = timedelta(minutes=4)
PRUNE_TASK = "protection.prune_rpo"
PRUNE_PERIOD = timedelta(hours=6)

# The worst RPO of a span: the longest time between two moments the replica reached in it, or how
# far behind it was at the end. Both sides say it; where one is away, the other is right. One
# statement for all items of all vaults, which adds a value to a row of each.
KEEP = """
INSERT INTO protection_rpohistory AS history (item_id, span_seconds, start, peaks)
SELECT side.item_id, %(span_seconds)s, %(start)s,
       array_fill(NULL::integer, ARRAY[%(slot)s - 1])
       || GREATEST(0, MIN(GREATEST(
              CASE side.rpo_span
                  WHEN %(span)s THEN side.rpo_peak_seconds
                  WHEN %(span)s + 1 THEN side.rpo_before_seconds
              END,
              CASE WHEN side.last_replicated_at < %(ends)s
                  THEN EXTRACT(EPOCH FROM %(ends)s - side.last_replicated_at)::integer
              END
          )))
FROM protection_replicationside AS side
JOIN protection_protecteditem AS item ON item.id = side.item_id
WHERE item.state = ANY(%(states)s) AND side.last_replicated_at IS NOT NULL
GROUP BY side.item_id
HAVING MIN(GREATEST(
    CASE side.rpo_span
        WHEN %(span)s THEN side.rpo_peak_seconds
        WHEN %(span)s + 1 THEN side.rpo_before_seconds
    END,
    CASE WHEN side.last_replicated_at < %(ends)s
        THEN EXTRACT(EPOCH FROM %(ends)s - side.last_replicated_at)::integer
    END
)) IS NOT NULL
ON CONFLICT (item_id, span_seconds, start) DO UPDATE
SET peaks[%(slot)s] = GREATEST(history.peaks[%(slot)s], EXCLUDED.peaks[%(slot)s])
"""


@dataclass(frozen=True)
class RpoPoint:
    """The worst RPO from `time` on, for the length of a span; None: unknown, or no replica."""

    time: datetime
    seconds: int | None


@dataclass(frozen=True)
class RpoCourse:
    """How RPO went.

    Attributes:
        span: What each point stands for.
        points: In the order of time; spans of which nothing is known are left out.
    """

    span: timedelta
    points: tuple[RpoPoint, ...]


def keep_rpo(now: datetime) -> None:
    """Keeps the span of five minutes that ended last, of every item.

    Idempotent: the worse of two values of a span stays.
    """
    span = span_number(now) - 1
    start = span_start(span)
    values: dict[str, Any] = {
        "span": span,
        "ends": start + SPAN,
        "states": [str(state) for state in MEASURED],
    }
    with connection.cursor() as cursor:
        for row_start, length in ((hour_of(start), SPAN), (day_of(start), HOUR)):
            slot = (start - row_start) // length + 1
            cursor.execute(
                KEEP,
                {
                    **values,
                    "span_seconds": length // timedelta(seconds=1),
                    "start": row_start,
                    "slot": slot,
                },
            )


def prune_rpo(now: datetime) -> None:
    """Forgets what is older than is kept."""
    for length, kept in ((SPAN, SPANS_KEPT), (HOUR, HOURS_KEPT)):
        RpoHistory.objects.filter(
            span_seconds=length // timedelta(seconds=1), start__lt=now - kept
        ).delete()


def rpo_course(item: ProtectedItem, begin: datetime, end: datetime, now: datetime) -> RpoCourse:
    """How an item's RPO went.

    Args:
        item: The item.
        begin: From when.
        end: Until when, later than `begin`.
        now: The time; what is young enough is told in spans of five minutes, else in hours.

    Returns:
        What is kept of that time, and RPO now if now is within it.
    """
    length = SPAN if begin >= now - timedelta(days=1) else HOUR
    row_length = HOUR if length == SPAN else timedelta(days=1)
    rows = RpoHistory.objects.filter(
        item=item,
        span_seconds=length // timedelta(seconds=1),
        start__gt=begin - row_length,
        start__lte=end,
    ).order_by("start")
    points = [
        RpoPoint(row.start + index * length, seconds)
        for row in rows
        for index, seconds in enumerate(row.peaks)
        if seconds is not None and begin <= row.start + index * length <= end
    ]
    if begin <= now <= end:
        current = rpo_seconds(ProtectionState(item.state), item.last_replicated_at, now)
        if current is not None:
            points.append(RpoPoint(now, current))
    return RpoCourse(length, tuple(points))
