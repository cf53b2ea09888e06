"""Which recovery point a failover goes to, and what to say when it is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from coordinator.failures import Failure
from coordinator.recovery.options import RecoveryTag

APPLICATION_CONSISTENT = "ApplicationConsistent"
CRASH_CONSISTENT = "CrashConsistent"
# By Hyper-V's SnapshotType; what is not there is crash-consistent.
KINDS = {"AppConsistentReplica": APPLICATION_CONSISTENT}
# So many points are named in one message.
MOST_NAMED = 12


@dataclass(frozen=True)
class Point:
    """A recovery point of a replica.

    Attributes:
        id: Hyper-V's.
        kind: ASR's recoveryPointType.
    """

    id: str
    time: datetime
    kind: str


def chosen_point(points: Sequence[Point], tag: RecoveryTag, point_id: str = "") -> Point | None:
    """The point that is meant; None: what the replica holds, or the point is not there.

    Args:
        points: Those of the replica, in any order.
        tag: Which, unless one is given.
        point_id: Of the given one; empty: by the tag.
    """
    if point_id:
        wanted = point_id.casefold()
        return next((point for point in points if point.id.casefold() == wanted), None)
    kind = {
        RecoveryTag.LATEST_APPLICATION_CONSISTENT: APPLICATION_CONSISTENT,
        RecoveryTag.LATEST_CRASH_CONSISTENT: CRASH_CONSISTENT,
    }.get(tag)
    fitting = [point for point in points if point.kind == kind]
    return max(fitting, key=lambda point: point.time, default=None)


def missing_point_failure(
    points: Sequence[Point], tag: RecoveryTag, point_id: str = ""
) -> Failure | None:
    """Why there is nothing to fail over to; None when there is.

    What the replica holds is always there, and is as consistent as after a crash.
    """
    needed = bool(point_id) or tag is RecoveryTag.LATEST_APPLICATION_CONSISTENT
    if not needed or chosen_point(points, tag, point_id) is not None:
        return None
    what = f"recovery point {point_id}" if point_id else "application-consistent recovery point"
    return Failure(
        "RecoveryPointNotFound",
        f"There is no {what}. {_existing(points)}",
        (
            "It was older than the policy keeps, and has been merged.",
            "A resynchronization, a commit or a reverse replication removed the points.",
            "The policy keeps no application-consistent points, or none could be made.",
        ),
        "Choose one of the points there are, or the latest.",
    )


def _existing(points: Sequence[Point]) -> str:
    if not points:
        return "There is only the latest."
    newest = sorted(points, key=lambda point: point.time, reverse=True)
    named = ", ".join(
        f"{point.time:%Y-%m-%d %H:%M:%S} UTC ({point.kind}, {point.id})"
        for point in newest[:MOST_NAMED]
    )
    more = len(newest) - MOST_NAMED
    return f"There are the latest and {named}" + (f" and {more} older ones." if more > 0 else ".")
