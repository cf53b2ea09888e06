"""The recovery point objective of an item: how far its replica is behind (SPEC RE-4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from coordinator.protection.states import ProtectionState

# Before the first copy is complete there is nothing to recover; after a failover nothing
# replicates until the direction is reversed.
MEASURED = frozenset(
    {
        ProtectionState.INITIAL_REPLICATION_COMPLETED,
        ProtectionState.PROTECTED,
        ProtectionState.PLANNED_FAILOVER,
        ProtectionState.PLANNED_FAILOVER_COMPLETING,
        ProtectionState.PLANNED_FAILOVER_FAILED,
        ProtectionState.UNPLANNED_FAILOVER,
        ProtectionState.UNPLANNED_FAILOVER_COMPLETING,
        ProtectionState.UNPLANNED_FAILOVER_FAILED,
    }
)

SPAN = timedelta(minutes=5)
HOUR = timedelta(hours=1)
# Spans of five minutes are kept for a day, besides the hour being written; hours for 30 days.
SPANS_KEPT = timedelta(hours=25)
HOURS_KEPT = timedelta(days=31)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rpo_seconds(
    state: ProtectionState, last_replicated_at: datetime | None, now: datetime
) -> int | None:
    """What would be lost, in seconds of changes, if the machine's side failed now.

    Args:
        state: The item's.
        last_replicated_at: The newest moment of the machine that the other side has.
        now: The time.

    Returns:
        Whole seconds, never negative (clocks of hosts differ); None when there is no replica to
        recover to, or the machine has been failed over and replicates nowhere.
    """
    if state not in MEASURED or last_replicated_at is None:
        return None
    return max(0, int((now - last_replicated_at).total_seconds()))


def span_number(moment: datetime) -> int:
    """The span of five minutes a moment is in, counted since 1970."""
    return (moment - _EPOCH) // SPAN


def span_start(number: int) -> datetime:
    """When a span begins."""
    return _EPOCH + number * SPAN


def hour_of(moment: datetime) -> datetime:
    """When its hour began, UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(moment: datetime) -> datetime:
    """When its day began, UTC."""
    return hour_of(moment).replace(hour=0)
