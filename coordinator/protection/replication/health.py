"""What the two sides of a replication say about an item's health, in ASR's words (SPEC RE-8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from coordinator.protection.replication import conditions
from coordinator.protection.replication.conditions import Condition


class Health(StrEnum):
    """ASR's replicationHealth."""

    NONE = "None"
    NORMAL = "Normal"
    WARNING = "Warning"
    CRITICAL = "Critical"


SEVERITY = (Health.NONE, Health.NORMAL, Health.WARNING, Health.CRITICAL)
# Hyper-V's NotApplicable, and words of newer versions, say nothing about health.
HYPERV_HEALTH = {health.value: health for health in Health}
LEVELS = {"Warning": Health.WARNING, "Error": Health.CRITICAL}

MISSED_SHARE = 0.2
FAR_BEHIND = timedelta(hours=1)
# Hyper-V words its limit for a replication every five minutes; slower ones may take as long.
LATENCY_LIMIT_SECONDS = 300.0
FAILED_OVER = frozenset({"FailedOverWaitingCompletion", "FailedOver"})
COPYING = frozenset(
    {
        "ReadyForInitialReplication",
        "InitialReplicationInProgress",
        "WaitingForInitialReplication",
    }
)


@dataclass(frozen=True, kw_only=True)
class SideHealth:
    """One side as its host sees it; names are Hyper-V's.

    Attributes:
        primary: This side is where the machine's bytes come from.
        present: The host has the machine at all.
        mode: "None" when it takes part in no replication.
        successful: Cycles since the host's monitoring interval began.
        missed: Of those, the ones that took longer than the interval between them.
        details: Hyper-V's own words.
        unreplicated_disks: Paths of disks that do not replicate and were not left out on purpose.
    """

    primary: bool
    state: str
    health: str
    mode: str = "Primary"
    present: bool = True
    successful: int = 0
    missed: int = 0
    latency_seconds: float = 0.0
    frequency_seconds: int = 0
    details: tuple[str, ...] = ()
    unreplicated_disks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ItemHealth:
    """An item's health and, worst first, the conditions that make it so."""

    health: Health
    errors: list[dict[str, object]] = field(default_factory=list)


def evaluate(
    sides: Sequence[SideHealth],
    *,
    replicates: bool,
    last_replicated_at: datetime | None,
    now: datetime,
) -> ItemHealth:
    """Sums up what both sides say.

    Args:
        sides: Those seen so far, in any order.
        replicates: By the item's state there must be a replication; then its absence is an error,
            and being far behind a warning.
        last_replicated_at: The newest moment of the machine that the other side has.
        now: The time, which the errors bear.

    Returns:
        The worse of what Hyper-V says of each side and of what is found here; NONE before any
        side was seen.
    """
    found: list[tuple[Condition, SideHealth | None]] = [
        (condition, side)
        for side in sides
        for condition in side_conditions(side, replicates=replicates)
    ]
    if replicates and last_replicated_at is not None and now - last_replicated_at > FAR_BEHIND:
        newest = next((side for side in sides if side.primary), None)
        found.append((conditions.far_behind(last_replicated_at), newest))
    levels = [HYPERV_HEALTH.get(side.health, Health.NONE) for side in sides]
    levels += [LEVELS[condition.level] for condition, _ in found]
    found.sort(key=lambda pair: SEVERITY.index(LEVELS[pair[0].level]), reverse=True)
    return ItemHealth(
        health=max(levels, key=SEVERITY.index, default=Health.NONE),
        errors=[_as_error(condition, side, now) for condition, side in found],
    )


def side_conditions(side: SideHealth, *, replicates: bool) -> tuple[Condition, ...]:
    """What is not as it should be on one side, apart from what depends on the time."""
    if side.mode in {"", "None"}:
        return _absent(side) if replicates else ()
    found = (*_state_conditions(side), *_figure_conditions(side))
    if not found and side.health in {"Warning", "Critical"} and side.state not in COPYING:
        return (conditions.told_by_hyperv(critical=side.health == "Critical"),)
    return found


def _absent(side: SideHealth) -> tuple[Condition, ...]:
    return (conditions.REPLICATION_REMOVED if side.present else conditions.COPY_MISSING,)


def _state_conditions(side: SideHealth) -> Iterator[Condition]:
    stopped = conditions.stopped_by_state(side.state, primary=side.primary)
    if stopped is not None:
        yield stopped
    elif side.primary and side.state == "PreparedForFailover":
        yield conditions.PREPARED
    elif side.state in FAILED_OVER:
        yield conditions.FAILED_OVER


def _figure_conditions(side: SideHealth) -> Iterator[Condition]:
    cycles = side.successful + side.missed
    if cycles and side.missed / cycles > MISSED_SHARE:
        yield conditions.missed(side.missed, cycles)
    if side.latency_seconds > max(LATENCY_LIMIT_SECONDS, side.frequency_seconds):
        yield conditions.slow(side.latency_seconds)
    if side.unreplicated_disks:
        yield conditions.not_replicated(side.unreplicated_disks)


def _as_error(
    condition: Condition, side: SideHealth | None, seen_at: datetime
) -> dict[str, object]:
    on_primary = side is None or side.primary
    details = () if side is None else side.details
    return {
        "errorSource": f"ReplicationUnitProviderError{'OnPrimary' if on_primary else 'OnReplica'}",
        "errorType": "ReplicationHealth",
        "errorLevel": condition.level,
        "errorCategory": "Replication",
        "errorCode": condition.code,
        "summaryMessage": condition.summary,
        "errorMessage": " ".join((condition.summary, *details)),
        "possibleCauses": condition.cause,
        "recommendedAction": condition.action,
        "creationTimeUtc": seen_at.isoformat(),
    }
