"""Values of provider's results as record functions get them: JSON as protobuf writes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from coordinator.recovery.recovery_points import CRASH_CONSISTENT, KINDS, Point


def moment(value: object) -> datetime | None:
    """A timestamp; None where there was none.

    Protobuf writes up to nine digits of a second; Python's clock has six.
    """
    if not isinstance(value, str) or not value:
        return None
    whole, dot, rest = value.removesuffix("Z").partition(".")
    text = f"{whole}.{rest[:6]:0<6}" if dot else whole
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def point(value: object) -> Point | None:
    """The wire's RecoveryPoint; None where there was none, or it has no time."""
    if not isinstance(value, Mapping):
        return None
    time = moment(value.get("created_at"))
    if time is None:
        return None
    kind = KINDS.get(str(value.get("type", "")), CRASH_CONSISTENT)
    return Point(str(value.get("id", "")), time, kind)


def points(value: object) -> tuple[Point, ...]:
    """The wire's recovery points."""
    members = value if isinstance(value, list) else []
    return tuple(found for member in members if (found := point(member)) is not None)
