"""Which replication states the coordinator has not been told yet."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from opensiterecovery.provider.v1 import replication_pb2

REPORT_BYTES: Final = 1024 * 1024

_Side = tuple[str, str]


class ToldStates:
    """Remembers what was told of each side (machine and host), to tell only what is new."""

    def __init__(self) -> None:
        self._told: dict[_Side, bytes] = {}

    def forget(self) -> None:
        """A new session: the coordinator may know nothing."""
        self._told.clear()

    def news(
        self, states: Iterable[replication_pb2.ReplicationState]
    ) -> list[replication_pb2.ReplicationState]:
        """Those that differ from what was told."""
        return [state for state in states if self._told.get(_side(state)) != _content(state)]

    def told(self, states: Iterable[replication_pb2.ReplicationState]) -> None:
        """They are on their way."""
        for state in states:
            self._told[_side(state)] = _content(state)


def reports(
    states: list[replication_pb2.ReplicationState],
    observed_at: datetime,
    *,
    complete: bool,
    most_bytes: int = REPORT_BYTES,
) -> Iterator[replication_pb2.ReplicationReport]:
    """Puts states into messages of bounded size.

    Args:
        states: In any order; none gives a message only when the report is complete.
        observed_at: When they were read.
        complete: The states are all there is. Said only if they fit into one message: of several,
            none holds everything.
        most_bytes: Of the states in one message; a larger state stands alone.
    """
    batches: list[list[replication_pb2.ReplicationState]] = [[]]
    size_bytes = 0
    for state in states:
        state_bytes = state.ByteSize()
        if batches[-1] and size_bytes + state_bytes > most_bytes:
            batches.append([])
            size_bytes = 0
        batches[-1].append(state)
        size_bytes += state_bytes
    for batch in batches:
        if batch or complete:
            report = replication_pb2.ReplicationReport(
                complete=complete and len(batches) == 1, states=batch
            )
            report.observed_at.FromDatetime(observed_at)
            yield report


def _side(state: replication_pb2.ReplicationState) -> _Side:
    return (state.vm_id, state.host)


def _content(state: replication_pb2.ReplicationState) -> bytes:
    return state.SerializeToString(deterministic=True)
