"""Who may begin a first copy: each rule, and random lines under random fates."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.protection.copy_line.rules import (
    PATIENCE,
    CopyHosts,
    Limits,
    Side,
    Turns,
    WaitingCopy,
    copy_is_over,
    decide_turns,
    positions,
)

pytestmark = pytest.mark.spec("RE-1")

NOW = datetime(2026, 1, 2, 22, 0, 0, tzinfo=UTC)
ONE = Limits(1, 1)
THREE = Limits(3, 6)


def copy(
    key: int,
    request: str = "a",
    source: str = "s1",
    recovery: str = "r1",
    seconds: float = 0,
    passed_at: datetime | None = None,
) -> WaitingCopy:
    since = NOW + timedelta(seconds=seconds)
    return WaitingCopy(key, request, since, CopyHosts(source, recovery), passed_at)


def start(
    waiting: list[WaitingCopy],
    running: list[CopyHosts] | None = None,
    limits: Limits = THREE,
    served: dict[str, datetime] | None = None,
) -> tuple[int, ...]:
    return decide_turns(waiting, running or [], served or {}, limits, NOW).start


def test_an_empty_line_has_no_turns() -> None:
    assert decide_turns([], [], {}, THREE, NOW) == Turns()


def test_as_many_begin_as_the_source_sends_at_once() -> None:
    assert start([copy(key) for key in range(1, 6)]) == (1, 2, 3)


def test_copies_that_run_count() -> None:
    running = [CopyHosts("s1", "r1"), CopyHosts("s1", "r9")]
    assert start([copy(1), copy(2)], running) == (1,)


def test_as_many_begin_as_the_recovery_host_receives_at_once() -> None:
    line = [copy(key, source=f"s{key}") for key in range(1, 9)]
    assert start(line) == (1, 2, 3, 4, 5, 6)


def test_a_host_that_sends_and_receives_has_a_limit_for_each() -> None:
    assert start([copy(1, source="h"), copy(2, source="x", recovery="h")], limits=ONE) == (1, 2)


def test_within_a_request_the_first_to_come_begins_first() -> None:
    line = [copy(1, seconds=3), copy(2, seconds=1), copy(3, seconds=2)]
    assert start(line, limits=ONE) == (2,)


def test_requests_take_turns_whatever_their_size() -> None:
    line = [copy(key) for key in range(1, 500)] + [copy(500, "b", seconds=60)]
    assert start(line) == (1, 500, 2)


def test_the_request_whose_last_turn_is_longest_ago_is_next() -> None:
    line = [copy(1, "a", seconds=-99), copy(2, "b", seconds=-98), copy(3, "c", seconds=-10)]
    served = {"a": NOW, "b": NOW - timedelta(seconds=5)}
    assert start(line, limits=ONE, served=served) == (3,)
    assert start(line[:2], limits=ONE, served=served) == (2,)


def test_a_full_host_keeps_nobody_else_from_beginning() -> None:
    running = [CopyHosts("s1", "r1")] * 3
    assert start([copy(1), copy(2, source="s2")], running) == (2,)


def test_who_is_passed_is_noted_once() -> None:
    # The first cannot begin because r1 is full; the second takes the free place of their source.
    running = [CopyHosts("s2", "r1")]
    line = [copy(1), copy(2, recovery="r2", seconds=1)]
    assert decide_turns(line, running, {}, ONE, NOW) == Turns((2,), (1,))
    line[0] = copy(1, passed_at=NOW)
    assert decide_turns(line, running, {}, ONE, NOW) == Turns((2,), ())


def test_who_was_passed_long_ago_has_a_place_kept() -> None:
    running = [CopyHosts("s2", "r1")]
    line = [copy(1, passed_at=NOW - PATIENCE), copy(2, recovery="r2")]
    assert decide_turns(line, running, {}, ONE, NOW).start == ()
    assert decide_turns(line, [], {}, ONE, NOW).start == (1,)


def test_only_one_place_of_a_host_is_kept() -> None:
    running = [CopyHosts("s2", "r1")]
    line = [copy(1, passed_at=NOW - PATIENCE), copy(2, passed_at=NOW - PATIENCE)]
    line.append(copy(3, recovery="r2"))
    assert decide_turns(line, running, {}, Limits(2, 1), NOW).start == (3,)


def test_everybody_is_told_the_host_and_the_place_in_its_line() -> None:
    running = [CopyHosts("s1", "r1")] * 3
    line = [copy(1), copy(2), copy(3, "b", seconds=1), copy(4, "c", "s2", "r1", 2)]
    found = positions(line, running, {}, Limits(3, 3))
    assert {key: (one.number, one.host) for key, one in found.items()} == {
        1: (1, "s1"),
        3: (2, "s1"),
        2: (3, "s1"),
        4: (3, "r1"),
    }
    assert (found[1].running, found[1].side, found[4].side) == (3, Side.SOURCE, Side.RECOVERY)


@pytest.mark.parametrize(
    ("mode", "state", "seconds", "over"),
    [
        ("Primary", "InitialReplicationInProgress", 999, False),
        ("Primary", "Suspended", 999, False),
        # Its provider's clock is behind, or its report was fast.
        ("Primary", "Replicating", -60, True),
        ("Primary", "ReadyForInitialReplication", 5, False),
        ("Primary", "ReadyForInitialReplication", 40, True),
        ("Primary", "Error", 40, True),
        ("None", "Disabled", 5, False),
        ("None", "Disabled", 40, True),
        ("Replica", "Replicating", 5, False),
    ],
)
def test_a_copy_is_over_when_its_host_says_so_for_certain(
    mode: str, state: str, seconds: float, *, over: bool
) -> None:
    assert copy_is_over(mode, state, timedelta(seconds=seconds)) is over


PAIRS = [("s1", "r1"), ("s1", "r2"), ("s2", "r1"), ("s2", "r2")]
COPIES = st.lists(
    st.builds(
        lambda request, source, recovery, seconds, passed: (
            request,
            source,
            recovery,
            seconds,
            passed,
        ),
        st.sampled_from("abc"),
        st.sampled_from(["s1", "s2", "h"]),
        st.sampled_from(["r1", "r2", "h"]),
        st.integers(-500, 0),
        st.none() | st.integers(0, 1200),
    ),
    max_size=30,
)


def line_of(drawn: list[tuple[str, str, str, int, int | None]]) -> list[WaitingCopy]:
    return [
        copy(
            key,
            request,
            source,
            recovery,
            seconds,
            None if passed is None else NOW - timedelta(seconds=passed),
        )
        for key, (request, source, recovery, seconds, passed) in enumerate(drawn)
    ]


def loads(hosts: list[CopyHosts]) -> Counter[tuple[Side, str]]:
    return Counter(place for one in hosts for place in one.places)


@given(COPIES, COPIES, st.integers(1, 3), st.integers(1, 4))
def test_no_host_ever_has_more_than_its_limit(
    waiting: list[tuple[str, str, str, int, int | None]],
    before: list[tuple[str, str, str, int, int | None]],
    source: int,
    recovery: int,
) -> None:
    limits = Limits(source, recovery)
    # Those that run began under the same limits.
    running: list[CopyHosts] = []
    for one in line_of(before):
        if all(loads(running)[place] < limits.of(place[0]) for place in one.hosts.places):
            running.append(one.hosts)
    line = line_of(waiting)
    turns = decide_turns(line, running, {}, limits, NOW)
    assert len(set(turns.start)) == len(turns.start)
    after = loads(running + [line[key].hosts for key in turns.start])
    assert all(count <= limits.of(side) for (side, _), count in after.items())


@given(COPIES, st.integers(1, 3), st.integers(1, 4))
def test_no_place_is_left_empty_that_somebody_could_take_unless_it_is_kept(
    waiting: list[tuple[str, str, str, int, int | None]], source: int, recovery: int
) -> None:
    line = [
        copy(one.key, one.request, one.hosts.source, one.hosts.recovery) for one in line_of(waiting)
    ]
    limits = Limits(source, recovery)
    turns = decide_turns(line, [], {}, limits, NOW)
    busy = loads([line[key].hosts for key in turns.start])
    for one in line:
        if one.key not in turns.start:
            assert any(busy[place] >= limits.of(place[0]) for place in one.hosts.places)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from(["s1", "s2"]), st.sampled_from(["r1", "r2"]), st.integers(1, 20)),
        min_size=1,
        max_size=25,
    ),
    st.integers(1, 2),
    st.integers(1, 2),
)
def test_everybody_begins_although_new_requests_keep_coming(
    ours: list[tuple[str, str, int]], source: int, recovery: int
) -> None:
    """For every pair of hosts somebody newer always waits too; ours must all begin all the same."""
    limits = Limits(source, recovery)
    waiting = {
        key: copy(key, "ours", source_host, recovery_host)
        for key, (source_host, recovery_host, _) in enumerate(ours)
    }
    lengths = {key: length for key, (_, _, length) in enumerate(ours)}
    running: dict[int, tuple[CopyHosts, datetime]] = {}
    served: dict[str, datetime] = {}
    now, next_key = NOW, 1000
    for minute in range(3000):
        if not waiting.keys() & lengths.keys():
            break
        now = NOW + timedelta(minutes=minute)
        running = {key: (hosts, end) for key, (hosts, end) in running.items() if end > now}
        for pair in PAIRS:
            if sum((one.hosts.source, one.hosts.recovery) == pair for one in waiting.values()) < 3:
                waiting[next_key] = copy(next_key, f"new{next_key}", *pair, minute * 60)
                next_key += 1
        turns = decide_turns(
            list(waiting.values()), [hosts for hosts, _ in running.values()], served, limits, now
        )
        for key in turns.start:
            one = waiting.pop(key)
            served[one.request] = now
            running[key] = (one.hosts, now + timedelta(minutes=lengths.get(key, 7)))
        for key in turns.passed:
            one = waiting[key]
            waiting[key] = WaitingCopy(one.key, one.request, one.since, one.hosts, now)
    assert not waiting.keys() & lengths.keys()
