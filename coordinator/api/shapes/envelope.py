"""The envelope every resource comes in, and how values are written inside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeAlias, TypeVar, overload

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from coordinator.api.paths import resource_type

P = TypeVar("P")

# A resource of any kind, for those who only pass it on.
Resource: TypeAlias = Mapping[str, object]

# What stands in a type here is for the document of the API; answers are plain dictionaries.
Time: TypeAlias = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
ArmId: TypeAlias = Annotated[str, WithJsonSchema({"type": "string", "format": "arm-id"})]

# What ASR writes for a task that has not started or not ended.
NEVER = "0001-01-01T00:00:00"


class Envelope(TypedDict):
    """What every resource of Azure Resource Manager has."""

    id: ArmId
    name: str
    type: str
    location: str | None


class ResourceOf(Envelope, Generic[P]):
    """A resource with such properties."""

    properties: P


def resource(resource_id: str, properties: P, location: str | None = None) -> ResourceOf[P]:
    """A resource as ARM gives it out: id, name, type, location, properties."""
    return {
        "id": resource_id,
        "name": resource_id.rpartition("/")[2],
        "type": resource_type(resource_id),
        "location": location,
        "properties": properties,
    }


@overload
def written_time(time: datetime) -> str: ...


@overload
def written_time(time: datetime | None) -> str | None: ...


def written_time(time: datetime | None) -> str | None:
    """A time as ISO 8601 in UTC; None stays None."""
    if time is None:
        return None
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def written_lines(sentences: Iterable[str]) -> str:
    """Several sentences as the one text ASR has room for."""
    return "\n".join(sentences)
