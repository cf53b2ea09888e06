"""Replication bandwidth limits in answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from typing_extensions import TypedDict

from coordinator.api.paths import BANDWIDTH_LIMIT, VaultId
from coordinator.api.shapes.envelope import Envelope, Time, resource, written_time
from coordinator.protection.models import BandwidthLimit
from coordinator.protection.queries import LimitStanding


class LimitWindow(TypedDict):
    """A time of some days in which a limit of its own holds."""

    days: list[str]
    start: str
    end: str
    bitsPerSecond: int


class LimitedHost(TypedDict):
    """How far the limit has come on a host."""

    host: str
    bitsPerSecond: int | None
    state: Literal["Pending", "Applied"]


class BandwidthLimitProperties(TypedDict):
    fabricFriendlyName: str
    bitsPerSecond: int | None
    timeZone: str
    windows: list[LimitWindow]
    state: Literal["Pending", "Applied"]
    currentBitsPerSecond: int | None
    nextChangeTime: Time | None
    hosts: list[LimitedHost]


class BandwidthLimitResource(Envelope):
    """A limit of a server's replication traffic. Beyond ASR's model."""

    properties: BandwidthLimitProperties


def bandwidth_limit_id(ids: VaultId, fabric_name: str, name: str) -> str:
    return ids.child(BANDWIDTH_LIMIT, fabric_name=fabric_name, limit_name=name)


def bandwidth_limit_resource(
    ids: VaultId, limit: BandwidthLimit, standing: LimitStanding
) -> BandwidthLimitResource:
    """A bandwidth limit, what it means now, and how far that has come; with its server."""
    windows: list[Mapping[str, Any]] = limit.windows
    pending = any(host.differs for host in standing.hosts)
    return resource(
        bandwidth_limit_id(ids, limit.fabric.name, limit.name),
        {
            "fabricFriendlyName": limit.fabric.friendly_name,
            "bitsPerSecond": limit.bits_per_second,
            "timeZone": limit.time_zone,
            "windows": [
                {
                    "days": window["days"],
                    "start": window["start"],
                    "end": window["end"],
                    "bitsPerSecond": window["bits_per_second"],
                }
                for window in windows
            ],
            "state": "Pending" if pending else "Applied",
            "currentBitsPerSecond": standing.bits_per_second,
            "nextChangeTime": written_time(standing.next_change),
            "hosts": [
                {
                    "host": each.host.name,
                    "bitsPerSecond": min(each.applied.values(), default=None),
                    "state": "Pending" if each.differs else "Applied",
                }
                for each in standing.hosts
            ],
        },
    )
