"""Replication as it runs, in an item's provider-specific details."""

from __future__ import annotations

import ntpath
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from opensiterecovery.provider.v1 import replication_pb2
from typing_extensions import TypedDict

from coordinator.api.shapes.envelope import Time, written_time
from coordinator.api.shapes.protectable_items import BYTES_PER_MEGABYTE
from coordinator.protection.models import ProtectedItem
from coordinator.protection.rules import rpo_seconds
from coordinator.protection.states import ProtectionState


class ReplicatedDisk(TypedDict):
    maxSizeMB: int | None
    vhdId: str
    vhdName: str
    vhdType: str
    replicated: bool
    leftOut: bool


class AutomaticResynchronization(TypedDict):
    """Within which times of the day Hyper-V may compare both copies by itself."""

    enabled: bool
    startTime: str
    endTime: str


class ReplicationStatistics(TypedDict):
    """Hyper-V's counters."""

    monitoringStartTime: Time | None
    successfulCycles: int
    missedCycles: int
    errors: int
    pendingBytes: int
    averageBytes: int
    averageLatencyInSeconds: float


class RunningReplication(TypedDict):
    """How replication runs."""

    rpoInSeconds: int | None
    lastRpoCalculatedTime: Time
    lastObservedTime: Time | None
    vMDiskDetails: list[ReplicatedDisk]
    resynchronizationTime: Time | None
    resynchronizationProgressPercentage: int | None
    automaticResynchronization: AutomaticResynchronization | None
    statistics: ReplicationStatistics


class RpoPoint(TypedDict):
    time: Time
    rpoInSeconds: int | None


RpoHistory = TypedDict(
    "RpoHistory",
    {"from": Time, "to": Time, "resolutionInSeconds": int, "value": list[RpoPoint]},
)


def running_details(
    item: ProtectedItem, now: datetime, sizes_bytes: Mapping[str, int]
) -> RunningReplication:
    """What ASR's details of other replication providers have too, and what is ours.

    RPO is named as ASR names it for Azure machines; paths serve as ids of disks, for that is what
    Hyper-V takes.

    Args:
        item: The item.
        now: The time.
        sizes_bytes: How large disks may become, by the name of their files in lower case.
    """
    sender = item.side(item.active_location)
    state = replication_pb2.ReplicationState() if sender is None else sender.wire()
    return {
        "rpoInSeconds": rpo_seconds(ProtectionState(item.state), item.last_replicated_at, now),
        "lastRpoCalculatedTime": written_time(now),
        "lastObservedTime": None if sender is None else written_time(sender.observed_at),
        "vMDiskDetails": [_disk(disk, item, sizes_bytes) for disk in state.disks],
        "resynchronizationTime": written_time(item.resynchronize_at),
        "resynchronizationProgressPercentage": (
            state.copy_percent
            if state.state == "Resynchronizing" and state.HasField("copy_percent")
            else None
        ),
        "automaticResynchronization": _automatic(state),
        "statistics": _statistics(state),
    }


def _disk(
    disk: replication_pb2.ReplicationDisk, item: ProtectedItem, sizes_bytes: Mapping[str, int]
) -> ReplicatedDisk:
    size = sizes_bytes.get(ntpath.basename(disk.path).lower())
    return {
        "maxSizeMB": None if size is None else size // BYTES_PER_MEGABYTE,
        "vhdId": disk.path,
        "vhdName": ntpath.basename(disk.path),
        "vhdType": "DataDisk",
        "replicated": disk.replicated,
        "leftOut": disk.path in item.excluded_disks,
    }


def _automatic(state: replication_pb2.ReplicationState) -> AutomaticResynchronization | None:
    """Times of day of the machine's host; None while they are not known."""
    if not state.HasField("auto_resynchronize"):
        return None
    return {
        "enabled": state.auto_resynchronize,
        "startTime": _time_of_day(state.auto_resynchronize_start.ToTimedelta()),
        "endTime": _time_of_day(state.auto_resynchronize_end.ToTimedelta()),
    }


def _time_of_day(since_midnight: timedelta) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + since_midnight:%H:%M:%S}"


def _statistics(state: replication_pb2.ReplicationState) -> ReplicationStatistics:
    """Hyper-V's counters, of the monitoring interval of the machine's host that runs now."""
    latency = state.average_replication_latency
    return {
        "monitoringStartTime": (
            written_time(state.monitoring_start_time.ToDatetime(tzinfo=UTC))
            if state.HasField("monitoring_start_time")
            else None
        ),
        "successfulCycles": state.successful_replications,
        "missedCycles": state.missed_replications,
        "errors": state.replication_errors,
        "pendingBytes": state.pending_replication_bytes,
        "averageBytes": state.average_replication_bytes,
        "averageLatencyInSeconds": latency.seconds + latency.nanos / 1e9,
    }
