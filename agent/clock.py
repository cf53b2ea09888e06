"""The time, passed in as a function so that tests own it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

Clock: TypeAlias = Callable[[], datetime]


def utc_now() -> datetime:
    """The system's time, aware of its zone."""
    return datetime.now(UTC)


def to_timestamp(moment: datetime) -> Timestamp:
    """The moment as the protocol carries it."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
