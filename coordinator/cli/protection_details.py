"""What `osr protect show` tells of a machine beside its table: errors, points, RPO over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from coordinator.cli.names import container_of
from coordinator.cli.session import Session, as_plain

BARS = "▁▂▃▄▅▆▇█"
CHART_COLUMNS = 48
CHART_SPAN = timedelta(days=1)


def rpo_text(seconds: int | None) -> str:
    """A span of time for people: "25 s", "4 min", "3 h 20 min"."""
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def chart(
    points: Sequence[tuple[datetime, int]], begin: datetime, end: datetime, columns: int
) -> str:
    """Bars of the worst value in each of equal spans; a dot where nothing is known.

    Args:
        points: Times and values, in any order; those outside are left out.
        begin: Where the first bar begins.
        end: Where the last bar ends, later than `begin`.
        columns: How many bars.
    """
    worst: list[int | None] = [None] * columns
    for time, value in points:
        if begin <= time <= end:
            index = min(columns - 1, int((time - begin) / (end - begin) * columns))
            worst[index] = max(worst[index] or 0, value)
    highest = max((value for value in worst if value is not None), default=0)
    if highest == 0:
        return "".join("·" if value is None else BARS[0] for value in worst)
    return "".join(
        "·" if value is None else BARS[min(len(BARS) - 1, value * len(BARS) // (highest + 1))]
        for value in worst
    )


RUNNING_DETAILS: Mapping[str, Callable[[Any], str]] = {
    "Replication": lambda item: str(item.properties.provider_specific_details.vm_protection_state),
    "RPO": lambda item: rpo_text(_details(item).get("rpoInSeconds")),
    "Missed cycles": lambda item: _missed(_details(item).get("statistics") or {}),
    "Automatic resync": lambda item: _automatic(_details(item).get("automaticResynchronization")),
    "Resync at": lambda item: str(_details(item).get("resynchronizationTime") or "-"),
    "Disks": lambda item: _disks(_details(item).get("vMDiskDetails") or []),
}


def tell_more(session: Session, item: Any) -> None:
    """Shows health errors, recovery points and RPO over the last day, to people only."""
    if session.as_json:
        return
    for error in item.properties.health_errors or []:
        session.tell(f"{error.error_level} {error.error_code}: {error.error_message}")
        session.tell(f"  Possible causes: {error.possible_causes}")
        session.tell(f"  Recommended action: {error.recommended_action}")
    _tell_points(session, item)
    _tell_course(session, item)


def _tell_points(session: Session, item: Any) -> None:
    clients = session.clients
    points: list[Any] = list(
        clients.site_recovery.recovery_points.list_by_replication_protected_items(
            *clients.scope, *container_of(item.id), item.name
        )
    )
    if not points:
        session.tell("No recovery points but the latest.")
    for point in points:
        properties = point.properties
        time = f"{properties.recovery_point_time:%Y-%m-%d %H:%M:%S}"
        session.tell(f"Recovery point {time} {properties.recovery_point_type}")


def _tell_course(session: Session, item: Any) -> None:
    server, cloud = container_of(item.id)
    course = session.clients.send(
        "GET",
        f"/replicationFabrics/{server}/replicationProtectionContainers/{cloud}"
        f"/replicationProtectedItems/{item.name}/rpoHistory",
    )
    points = [
        (datetime.fromisoformat(point["time"]), point["rpoInSeconds"]) for point in course["value"]
    ]
    if not points:
        return
    end = datetime.fromisoformat(course["to"]).astimezone(UTC)
    worst = max(value for _, value in points)
    bars = chart(points, end - CHART_SPAN, end, CHART_COLUMNS)
    session.tell(f"RPO in the last 24 hours, at worst {rpo_text(worst)}: {bars}")


def _details(item: Any) -> dict[str, Any]:
    found: dict[str, Any] = as_plain(item)["properties"]["providerSpecificDetails"]
    return found


def _missed(statistics: Mapping[str, Any]) -> str:
    missed, done = statistics.get("missedCycles") or 0, statistics.get("successfulCycles") or 0
    return f"{missed} of {missed + done}"


def _automatic(window: Mapping[str, Any] | None) -> str:
    if not window:
        return "-"
    return f"{window['startTime']}-{window['endTime']}" if window["enabled"] else "off"


def _disks(disks: Sequence[Mapping[str, Any]]) -> str:
    shown = []
    for disk in disks:
        note = (
            "" if disk["replicated"] else " (left out)" if disk["leftOut"] else " (not replicated)"
        )
        shown.append(f"{disk['vhdName']}{note}")
    return ", ".join(shown) or "-"
