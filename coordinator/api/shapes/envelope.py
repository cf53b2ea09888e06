"""The envelope every resource comes in, and how values are written inside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from coordinator.api.paths import resource_type

Resource: TypeAlias = dict[str, object]

# What ASR writes for a task that has not started or not ended.
NEVER = "0001-01-01T00:00:00"


def resource(
    resource_id: str, properties: Mapping[str, object], location: str | None = None
) -> Resource:
    """A resource as ARM gives it out: id, name, type, location, properties."""
    return {
        "id": resource_id,
        "name": resource_id.rpartition("/")[2],
        "type": resource_type(resource_id),
        "location": location,
        "properties": dict(properties),
    }


def written_time(time: datetime | None) -> str | None:
    """A time as ISO 8601 in UTC; None stays None."""
    if time is None:
        return None
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def written_lines(sentences: Iterable[str]) -> str:
    """Several sentences as the one text ASR has room for."""
    return "\n".join(sentences)
