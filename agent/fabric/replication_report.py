"""Which replication states the coordinator has still to be told, the newest of each side."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from opensiterecovery.provider.v1 import replication_pb2

REPORT_BYTES: Final = 512 * 1024
REPORT_STATES: Final = 500

FIGURES: Final = (
    "pending_replication_bytes",
    "average_replication_bytes",
    "average_replication_latency",
)
"""Fields that change at every look at a busy machine and make no difference by a little."""

FIGURES_AFTER: Final = timedelta(seconds=10)
FIGURES_AT_LAST: Final = timedelta(seconds=60)
OFF_FOR_GOOD: Final = timedelta(minutes=5)
"""A machine that has been off for so long is told of once more: whoever hears that knows that its
host was still there, so that it was not the host's going down that stopped it."""
_RUNNING: Final = frozenset({"Running", "Paused", "Starting", "Saving", "Pausing", "Resuming"})
_REPLICA_THAT_WAITS: Final = ("Replica", "Replicating")
_FACTOR: Final = 2
_LITTLE_BYTES: Final = 1024 * 1024

Side: TypeAlias = tuple[str, str]
"""A machine on a host: id and FQDN."""


@dataclass(frozen=True)
class _Told:
    """What the coordinator was told of a side, and when that was seen.

    Attributes:
        since: When its machine was first told to be in the state it is in.
    """

    state: replication_pb2.ReplicationState
    essence: bytes
    observed_at: datetime
    since: datetime


@dataclass(frozen=True)
class _News:
    """What it has still to be told."""

    state: replication_pb2.ReplicationState
    observed_at: datetime


class Untold:
    """Collects what looks find and gives it out in reports of bounded size.

    Of each side there is only the newest state: a coordinator that takes reports slowly gets fewer
    and never older ones. What it was told is forgotten with the session in which it was told.
    """

    def __init__(self) -> None:
        self._told: dict[Side, _Told] = {}
        self._news: dict[Side, _News] = {}
        self._complete = False

    def __bool__(self) -> bool:
        return bool(self._news) or self._complete

    def start_over(self) -> None:
        """A new session: the coordinator may know nothing."""
        self._told.clear()
        self._news.clear()
        self._complete = False

    def keep_only(self, vm_ids: Collection[str]) -> None:
        """Forgets all other machines: nobody wants to hear of them any more."""
        for sides in (self._told, self._news):
            for side in [side for side in sides if side[0] not in vm_ids]:
                del sides[side]

    def add(
        self,
        found: Mapping[str, Iterable[replication_pb2.ReplicationState]],
        observed_at: datetime,
        *,
        complete: bool = False,
    ) -> None:
        """Takes in a look.

        Args:
            found: By host that answered, all it has of the watched machines. A side that the host
                had before and has no longer is told as gone, once.
            observed_at: When the look was.
            complete: Every host answered and everything is to be told, changed or not.
        """
        present = {(state.vm_id, host): state for host, states in found.items() for state in states}
        for side, state in present.items():
            if complete or self._is_news(side, state, observed_at):
                self._news[side] = _News(state, observed_at)
            else:
                # It went back to what was told before that could be said.
                self._news.pop(side, None)
        # After where a machine is now: a machine that moved is never told as gone first.
        for side in [*self._told, *self._news]:
            if side[1] in found and side not in present and not self._is_told_gone(side):
                self._news.pop(side, None)
                self._news[side] = _News(_gone(side), observed_at)
        self._complete = self._complete or complete

    def take(
        self, most_states: int = REPORT_STATES, most_bytes: int = REPORT_BYTES
    ) -> replication_pb2.ReplicationReport | None:
        """The next report; what is in it counts as told.

        Args:
            most_states: In one report.
            most_bytes: Of the states in one report; a larger state stands alone.

        Returns:
            States of one look, the oldest look's first; None when there is nothing to tell.
        """
        if not self:
            return None
        report = replication_pb2.ReplicationReport(complete=self._complete)
        oldest = min((news.observed_at for news in self._news.values()), default=None)
        if oldest is not None:
            report.observed_at.FromDatetime(oldest)
        size_bytes = 0
        for side, news in list(self._news.items()):
            if news.observed_at != oldest:
                continue
            state_bytes = news.state.ByteSize()
            if report.states and (
                len(report.states) == most_states or size_bytes + state_bytes > most_bytes
            ):
                break
            size_bytes += state_bytes
            report.states.append(news.state)
            self._told[side] = self._as_told(side, news)
            del self._news[side]
        report.more = self._complete and bool(self._news)
        self._complete = report.more
        return report

    def _is_news(
        self, side: Side, state: replication_pb2.ReplicationState, observed_at: datetime
    ) -> bool:
        told = self._told.get(side)
        if told is None or told.essence != _essence(state):
            return True
        if _is_off_for_good(told, state, observed_at):
            return True
        age = observed_at - told.observed_at
        if age >= FIGURES_AT_LAST:
            return state != told.state
        return age >= FIGURES_AFTER and _differs_much(told.state, state)

    def _as_told(self, side: Side, news: _News) -> _Told:
        before = self._told.get(side)
        same = before is not None and before.state.vm_state == news.state.vm_state
        since = before.since if before is not None and same else news.observed_at
        return _Told(news.state, _essence(news.state), news.observed_at, since)

    def _is_told_gone(self, side: Side) -> bool:
        told = self._told.get(side)
        news = self._news.get(side)
        last = news.state if news is not None else told.state if told is not None else None
        return last is not None and last == _gone(side)


def _is_off_for_good(
    told: _Told, state: replication_pb2.ReplicationState, observed_at: datetime
) -> bool:
    """Whether it is, and that has not been told."""
    if state.vm_state in _RUNNING or (state.mode, state.state) == _REPLICA_THAT_WAITS:
        return False
    return told.observed_at - told.since < OFF_FOR_GOOD <= observed_at - told.since


def _essence(state: replication_pb2.ReplicationState) -> bytes:
    """All but the figures, to compare."""
    rest = replication_pb2.ReplicationState()
    rest.CopyFrom(state)
    for name in FIGURES:
        rest.ClearField(name)
    return rest.SerializeToString(deterministic=True)


def _differs_much(
    told: replication_pb2.ReplicationState, seen: replication_pb2.ReplicationState
) -> bool:
    read: tuple[Callable[[replication_pb2.ReplicationState], int], ...] = (
        lambda state: state.pending_replication_bytes,
        lambda state: state.average_replication_bytes,
    )
    for figure in read:
        less, more = sorted((figure(told), figure(seen)))
        if more > _FACTOR * max(less, _LITTLE_BYTES):
            return True
    return False


def _gone(side: Side) -> replication_pb2.ReplicationState:
    """A machine that its host has no longer; an empty vm_state says so."""
    return replication_pb2.ReplicationState(
        vm_id=side[0], host=side[1], mode="None", state="Disabled", health="NotApplicable"
    )
