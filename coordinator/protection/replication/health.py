"""What the two sides of a replication say about an item's health, in ASR's words (SPEC RE-8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Health(StrEnum):
    """ASR's replicationHealth."""

    NONE = "None"
    NORMAL = "Normal"
    WARNING = "Warning"
    CRITICAL = "Critical"


SEVERITY = (Health.NONE, Health.NORMAL, Health.WARNING, Health.CRITICAL)
# Hyper-V's NotApplicable, and words of newer versions, say nothing about health.
HYPERV_HEALTH = {health.value: health for health in Health}

MISSED_SHARE = 0.2
NOT_WORKING = frozenset(
    {"Error", "WaitingForStartResynchronize", "ResynchronizeSuspended", "UpdateError"}
)
FAILED_OVER = frozenset({"FailedOverWaitingCompletion", "FailedOver"})


@dataclass(frozen=True, kw_only=True)
class SideHealth:
    """One side as its host sees it; names are Hyper-V's.

    Attributes:
        primary: This side is where the machine's bytes come from.
    """

    primary: bool
    state: str
    health: str
    successful: int = 0
    missed: int = 0
    details: tuple[str, ...] = ()


def replication_health(sides: tuple[SideHealth, ...]) -> Health:
    """The worse of what both sides say; None before either was seen."""
    told = [HYPERV_HEALTH.get(side.health, Health.NONE) for side in sides]
    return max(told, key=SEVERITY.index, default=Health.NONE)


def health_errors(sides: tuple[SideHealth, ...], seen_at: datetime) -> list[dict[str, object]]:
    """ASR's healthErrors: one for each condition of each side, in ASR's codes where it had one."""
    return [
        _as_error(condition, side, seen_at) for side in sides for condition in _conditions(side)
    ]


@dataclass(frozen=True)
class _Condition:
    code: str
    level: str
    summary: str
    cause: str
    action: str


_NOT_WORKING = _Condition(
    "67501",
    "Error",
    "Replication is not working.",
    "Hyper-V could not send or apply changes, or needs a resynchronisation.",
    "Look at the replication health of the machine in Hyper-V Manager, remove the cause and "
    "resume or resynchronise.",
)
_PAUSED = _Condition(
    "67502",
    "Warning",
    "Replication is paused.",
    "Somebody paused it in Hyper-V Manager.",
    "Resume replication of the machine in Hyper-V Manager.",
)
_FAILED_OVER = _Condition(
    "67506",
    "Warning",
    "The machine is failed over and replicates nowhere.",
    "Its direction has not been reversed yet.",
    "Commit the failover, then reverse replicate.",
)
# Not one of ASR's codes: there the machine's page just kept saying Protected.
_PREPARED = _Condition(
    "PreparedForFailover",
    "Warning",
    "The machine is shut down and prepared for a planned failover; nothing replicates.",
    "A planned failover is in progress, or stopped before the replica took over.",
    "Run the planned failover again: it takes up where it stopped.",
)
_MISSED = _Condition(
    "67518",
    "Warning",
    "More than 20 percent of the replication cycles were missed.",
    "The network or the storage of the replica is too slow for the rate of change.",
    "Give replication more bandwidth, or choose a lower copy frequency.",
)


def _conditions(side: SideHealth) -> list[_Condition]:
    found = []
    if side.state in NOT_WORKING:
        found.append(_NOT_WORKING)
    if side.state == "Suspended":
        found.append(_PAUSED)
    if side.primary and side.state == "PreparedForFailover":
        found.append(_PREPARED)
    if side.state in FAILED_OVER:
        found.append(_FAILED_OVER)
    cycles = side.successful + side.missed
    if cycles and side.missed / cycles > MISSED_SHARE:
        found.append(_MISSED)
    return found


def _as_error(condition: _Condition, side: SideHealth, seen_at: datetime) -> dict[str, object]:
    where = "OnPrimary" if side.primary else "OnReplica"
    return {
        "errorSource": f"ReplicationUnitProviderError{where}",
        "errorType": "ReplicationHealth",
        "errorLevel": condition.level,
        "errorCategory": "Replication",
        "errorCode": condition.code,
        "summaryMessage": condition.summary,
        "errorMessage": " ".join((condition.summary, *side.details)),
        "possibleCauses": condition.cause,
        "recommendedAction": condition.action,
        "creationTimeUtc": seen_at.isoformat(),
    }
