"""Whether what a provider says of a side can be kept and shown."""

from __future__ import annotations

from typing import Final

from opensiterecovery.provider.v1 import replication_pb2

# A side takes some hundred bytes; what is far larger is no honest provider's.
MOST_STATE_BYTES: Final = 64 * 1024
# What protobuf's JSON, and PostgreSQL, can write: from the year 1 to 9999; 10,000 years.
FIRST_SECOND: Final = -62_135_596_800
LAST_SECOND: Final = 253_402_300_799
MOST_SECONDS: Final = 315_576_000_000
NANOSECONDS: Final = 1_000_000_000

MOMENTS: Final = (
    "last_replication_time",
    "last_applied_log_time",
    "monitoring_start_time",
    "initial_replication_start_time",
    "resynchronize_start_time",
    "last_application_consistent_time",
)
DURATIONS: Final = (
    "average_replication_latency",
    "auto_resynchronize_start",
    "auto_resynchronize_end",
)


def why_unreadable(state: replication_pb2.ReplicationState) -> str:
    """What is wrong with a state; empty when nothing is."""
    if state.ByteSize() > MOST_STATE_BYTES:
        return "too large"
    for name in MOMENTS:
        moment = getattr(state, name)
        if not is_moment(moment.seconds, moment.nanos):
            return name
    for name in DURATIONS:
        duration = getattr(state, name)
        if abs(duration.seconds) > MOST_SECONDS or abs(duration.nanos) >= NANOSECONDS:
            return name
        if duration.seconds * duration.nanos < 0:
            return name
    return ""


def is_moment(seconds: int, nanos: int) -> bool:
    """Whether a Timestamp is one."""
    return FIRST_SECOND <= seconds <= LAST_SECOND and 0 <= nanos < NANOSECONDS
