"""Which first copies may begin: pure, from those that run and those that wait.

A host sends and receives only so many first copies at once. Requests take turns, whatever their
size; within a request it is first come, first served. A copy needs a place on both its hosts, so
the one whose turn it is may see others take the place that is free while the other is not: after
some patience one place of each of its hosts is kept for it, so that everybody's turn comes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import heapify, heappop, heappush

# So long others may pass before places are kept.
PATIENCE = timedelta(minutes=10)
# States of a source in which its first copy runs, or will go on.
COPYING = frozenset({"InitialReplicationInProgress", "Suspended"})
ENDINGS = {1: "st", 2: "nd", 3: "rd"}
COPIED = frozenset({"Replicating"})
# What speaks against a copy that has just begun is not believed for so long.
DOUBTFUL_FOR = timedelta(seconds=30)


class Side(StrEnum):
    """What a host is to a copy; both have limits of their own."""

    SOURCE = "source"
    RECOVERY = "recovery"


Place = tuple[Side, str]


@dataclass(frozen=True)
class Limits:
    """How many first copies at once a host sends, and receives; at least one each."""

    source: int
    recovery: int

    def of(self, side: Side) -> int:
        return self.source if side is Side.SOURCE else self.recovery


@dataclass(frozen=True)
class CopyHosts:
    """The two hosts of a copy, FQDNs in lower case."""

    source: str
    recovery: str

    @property
    def places(self) -> tuple[Place, Place]:
        return (Side.SOURCE, self.source), (Side.RECOVERY, self.recovery)


@dataclass(frozen=True)
class WaitingCopy:
    """A first copy that may begin as far as its request is concerned.

    Attributes:
        key: Its own.
        request: Equal for copies that were asked for together.
        since: When it came into line: when it was asked for, or the time it was to wait for.
        passed_at: When others first took a place it could have used; None: never.
    """

    key: int
    request: str
    since: datetime
    hosts: CopyHosts
    passed_at: datetime | None = None


@dataclass(frozen=True)
class Turns:
    """What is to be done.

    Attributes:
        start: Keys of the copies that begin, in their order.
        passed: Keys of copies that were passed by others for the first time.
    """

    start: tuple[int, ...] = ()
    passed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Position:
    """Where a copy stands.

    Attributes:
        number: 1 for the next one.
        host: The host it waits for, FQDN.
        running: First copies that run there on that side.
        side: What that host is to the copy.
    """

    number: int
    host: str
    running: int
    side: Side


@dataclass
class _Hall:
    """Free places while a decision is made.

    Attributes:
        free: Places left by host and side; hosts without an entry are empty.
        kept: For whom one place of a host is kept.
    """

    limits: Limits
    running: Counter[Place]
    kept: dict[Place, int] = field(default_factory=dict)

    def has_room(self, copy: WaitingCopy) -> bool:
        return all(self._free(place, copy.key) > 0 for place in copy.hosts.places)

    def take(self, copy: WaitingCopy) -> None:
        self.running.update(copy.hosts.places)
        self.kept = {place: key for place, key in self.kept.items() if key != copy.key}

    def keep(self, copy: WaitingCopy) -> None:
        for place in copy.hosts.places:
            self.kept.setdefault(place, copy.key)

    def _free(self, place: Place, key: int) -> int:
        kept = self.kept.get(place, key) != key
        return self.limits.of(place[0]) - self.running[place] - kept


def decide_turns(
    waiting: Iterable[WaitingCopy],
    running: Iterable[CopyHosts],
    served: Mapping[str, datetime],
    limits: Limits,
    now: datetime,
) -> Turns:
    """Chooses which waiting copies begin.

    Args:
        waiting: Copies in line.
        running: Hosts of the copies that run.
        served: When a copy of each request last began; requests without one have no entry.
        limits: How many a host takes at once.
        now: The time.

    Returns:
        The copies to begin. No host has more than its limit with them.

    Source: SPEC RE-1.
    """
    line = list(waiting)
    hall = _Hall(limits, Counter(place for hosts in running for place in hosts.places))
    started: list[WaitingCopy] = []
    overdue = (copy for copy in line if copy.passed_at and now - copy.passed_at >= PATIENCE)
    for copy in sorted(overdue, key=lambda one: (one.passed_at, one.key)):
        if hall.has_room(copy):
            hall.take(copy)
            started.append(copy)
        else:
            hall.keep(copy)
    begun = {copy.key for copy in started}
    rest = [copy for copy in line if copy.key not in begun]
    heads: list[WaitingCopy] = []
    started += _take_turns(rest, served, hall, heads)
    taken = {place for copy in started for place in copy.hosts.places}
    passed = (
        copy.key for copy in heads if copy.passed_at is None and taken & set(copy.hosts.places)
    )
    return Turns(tuple(copy.key for copy in started), tuple(passed))


def positions(
    waiting: Sequence[WaitingCopy],
    running: Iterable[CopyHosts],
    served: Mapping[str, datetime],
    limits: Limits,
) -> dict[int, Position]:
    """Where each waiting copy stands in the line of the host that it waits for, by key.

    The order is that of the turns if every copy took as long; a host is waited for that is full,
    the source if both are.
    """
    busy = Counter(place for hosts in running for place in hosts.places)
    ahead: Counter[Place] = Counter()
    found: dict[int, Position] = {}
    for copy in _in_turn(waiting, served):
        source, recovery = copy.hosts.places
        ahead.update((source, recovery))
        only_recovery = busy[source] < limits.source and busy[recovery] >= limits.recovery
        place = recovery if only_recovery else source
        found[copy.key] = Position(ahead[place], place[1], busy[place], place[0])
    return found


def described(position: Position) -> str:
    """For people, for example "3rd in line for sh-gold-1, which sends 3 first copies"."""
    host = position.host.partition(".")[0]
    verb = "sends" if position.side is Side.SOURCE else "receives"
    copies = "first copy" if position.running == 1 else "first copies"
    return (
        f"{_ordinal(position.number)} in line for {host}, which {verb} {position.running} {copies}"
    )


def copy_is_over(mode: str, state: str, seen_after: timedelta) -> bool:
    """Whether a first copy no longer takes a place, by what its source's host said last.

    A paused copy keeps its place: whoever resumes it asks nobody.

    Args:
        mode: VMReplicationMode.
        state: VMReplicationState.
        seen_after: How long after the copy was begun the host was looked at.
    """
    if mode == "Primary" and state in COPYING:
        return False
    # Nothing replicates before its first copy. Anything else may have been on its way while the
    # copy began, and clocks differ.
    return (mode == "Primary" and state in COPIED) or seen_after > DOUBTFUL_FOR


def _take_turns(
    line: Iterable[WaitingCopy],
    served: Mapping[str, datetime],
    hall: _Hall,
    heads: list[WaitingCopy],
) -> Iterator[WaitingCopy]:
    """Gives places to requests in rotation; notes the first copy left of each in `heads`."""
    lines = _by_request(line)
    rotation = _rotation(lines, served)
    blocked: set[str] = set()
    turn = 0
    while rotation:
        _, _, request = heappop(rotation)
        copies = lines[request]
        while copies:
            copy = copies.pop()
            if hall.has_room(copy):
                hall.take(copy)
                turn += 1
                # Behind all that have not had their turn yet.
                heappush(rotation, (datetime.max.replace(tzinfo=copy.since.tzinfo), turn, request))
                yield copy
                break
            # Places only go while a decision is made: it will not have room later in it.
            if request not in blocked:
                blocked.add(request)
                heads.append(copy)


def _in_turn(line: Iterable[WaitingCopy], served: Mapping[str, datetime]) -> Iterator[WaitingCopy]:
    """All copies in the order in which requests take turns."""
    lines = _by_request(line)
    rotation = [request for _, _, request in sorted(_rotation(lines, served))]
    while rotation:
        for request in rotation:
            yield lines[request].pop()
        rotation = [request for request in rotation if lines[request]]


def _by_request(line: Iterable[WaitingCopy]) -> dict[str, list[WaitingCopy]]:
    """The copies of each request, the next one last."""
    lines: dict[str, list[WaitingCopy]] = {}
    for copy in sorted(line, key=lambda one: (one.since, one.key), reverse=True):
        lines.setdefault(copy.request, []).append(copy)
    return lines


def _rotation(
    lines: Mapping[str, Sequence[WaitingCopy]], served: Mapping[str, datetime]
) -> list[tuple[datetime, int, str]]:
    """Requests by who has waited longest for its turn; a new one begins at the end."""
    rotation = []
    for request, copies in lines.items():
        first = copies[-1]
        rotation.append((max(served.get(request, first.since), first.since), first.key, request))
    heapify(rotation)
    return rotation


def _ordinal(number: int) -> str:
    if number % 100 in {11, 12, 13}:
        return f"{number}th"
    return f"{number}{ENDINGS.get(number % 10, 'th')}"
