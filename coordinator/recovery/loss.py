"""What a failover recovered, and what of the source it left behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coordinator.recovery.recovery_points import Point

# As clients of the API read them, in the details of the job and of the item.
NAMES = {
    "recovery_point_id": "recoveryPointId",
    "recovery_point_time": "recoveryPointTime",
    "recovery_point_type": "recoveryPointType",
    "recovered_until": "recoveredUntil",
    "last_known_change_at": "lastKnownChangeTime",
    "lost_at_least_seconds": "lostAtLeastSeconds",
    "lost_at_most_seconds": "lostAtMostSeconds",
}


@dataclass(frozen=True, kw_only=True)
class SourceKnowledge:
    """What is known of the source when its replica was failed over.

    Attributes:
        last_replicated_at: The newest moment of it that any side named as replicated.
        last_seen_running_at: When it was last known to run: what it wrote until then existed.
        stopped: It was seen off before the replica was failed over.
        prepared: Everything it had was sent.
    """

    last_replicated_at: datetime | None = None
    last_seen_running_at: datetime | None = None
    stopped: bool = False
    prepared: bool = False


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What was recovered and what was not.

    Attributes:
        recovered_until: Changes of the machine up to this moment were recovered; None: unknown.
        point: The recovery point; None: all that the replica held.
        last_known_change_at: The newest moment at which the source is known to have existed with
            changes; None: unknown.
        at_least_seconds: Of changes that are known to be lost; 0 with everything recovered.
        at_most_seconds: Of changes that may be lost: no change is later than the failover itself.
    """

    recovered_until: datetime | None
    point: Point | None
    last_known_change_at: datetime | None
    at_least_seconds: float | None
    at_most_seconds: float | None

    @property
    def none(self) -> bool:
        return self.at_most_seconds == 0

    def as_json(self) -> dict[str, object]:
        return {
            "recovered_until": _text(self.recovered_until),
            "recovery_point_id": self.point.id if self.point else "",
            "recovery_point_time": _text(self.point.time if self.point else self.recovered_until),
            "recovery_point_type": self.point.kind if self.point else "Latest",
            "last_known_change_at": _text(self.last_known_change_at),
            "lost_at_least_seconds": self.at_least_seconds,
            "lost_at_most_seconds": self.at_most_seconds,
        }


def record_result(loss: Loss) -> dict[str, object]:
    """What the step that records a failover gives: the facts, and as details of its task."""
    facts = loss.as_json()
    details = {NAMES[key]: None if value == "" else value for key, value in facts.items()}
    return {**facts, "details": {"instanceType": "FailoverTaskDetails", **details}}


def loss_of(
    *,
    point: Point | None,
    replicated_until: datetime | None,
    source: SourceKnowledge,
    now: datetime,
) -> Loss:
    """What a failover recovered and lost.

    Args:
        point: Where the replica was taken to; None: what it held.
        replicated_until: The newest moment of the source that the replica held.
        source: What is known of the source.
        now: When the replica was failed over: no change of the source that anybody was answered
            is later, or it ran beside its own replica.
    """
    if source.prepared and point is None:
        return Loss(
            recovered_until=replicated_until,
            point=None,
            last_known_change_at=replicated_until,
            at_least_seconds=0,
            at_most_seconds=0,
        )
    recovered = point.time if point is not None else replicated_until
    known = [
        moment
        for moment in (source.last_replicated_at, replicated_until, source.last_seen_running_at)
        if moment is not None
    ]
    newest = max(known, default=None)
    ends = newest if source.prepared and newest is not None else now
    return Loss(
        recovered_until=recovered,
        point=point,
        last_known_change_at=newest,
        at_least_seconds=_seconds(recovered, newest),
        at_most_seconds=_seconds(recovered, ends),
    )


def loss_sentence(name: str, loss: Loss) -> str:
    """The loss for people."""
    if loss.none:
        return f"{name}: nothing was lost."
    if loss.recovered_until is None or loss.at_most_seconds is None:
        return (
            f"{name} was recovered; up to which moment its replica held changes is not known, as "
            "neither side told."
        )
    until = f"{loss.recovered_until:%Y-%m-%d %H:%M:%S} UTC"
    known = ""
    if loss.at_least_seconds is not None and loss.last_known_change_at is not None:
        known = (
            f" The source was last heard of at {loss.last_known_change_at:%H:%M:%S} UTC: changes "
            f"of at least {loss.at_least_seconds:.0f} seconds are lost, if it wrote any."
        )
    return (
        f"{name} was recovered as it was at {until}; changes of the {loss.at_most_seconds:.0f} "
        f"seconds from then to the failover are lost at most.{known}"
    )


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    return max(0.0, round((end - start).total_seconds(), 3))


def _text(moment: datetime | None) -> str:
    return moment.isoformat() if moment is not None else ""
