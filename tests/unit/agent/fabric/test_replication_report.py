"""What is told of what looks find: the newest of each side, in bounded reports, nothing lost."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opensiterecovery.provider.v1 import replication_pb2

from agent.fabric.replication_report import OFF_FOR_GOOD, Untold

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOST = "h1.shanghai"


def side(
    vm_id: str, state: str = "Replicating", host: str = HOST, pending: int = 0
) -> replication_pb2.ReplicationState:
    return replication_pb2.ReplicationState(
        vm_id=vm_id,
        host=host,
        mode="Primary",
        state=state,
        vm_state="Running",
        pending_replication_bytes=pending,
    )


def all_of(
    untold: Untold, most_states: int = 500, most_bytes: int = 10**6
) -> list[replication_pb2.ReplicationReport]:
    taken = []
    while (report := untold.take(most_states, most_bytes)) is not None:
        taken.append(report)
    return taken


def test_a_large_complete_report_is_cut_and_only_its_last_part_says_so() -> None:
    untold = Untold()
    states = [side(str(number)) for number in range(100)]
    untold.add({HOST: states}, NOON, complete=True)
    parts = all_of(untold, most_states=30)
    assert [len(part.states) for part in parts] == [30, 30, 30, 10]
    assert all(part.complete for part in parts)
    assert [part.more for part in parts] == [True, True, True, False]
    assert [state for part in parts for state in part.states] == states


def test_reports_are_bounded_in_bytes_and_a_larger_state_stands_alone() -> None:
    untold = Untold()
    large = side("large")
    large.health_details.append("x" * 1000)
    untold.add({HOST: [side("1"), large, side("2")]}, NOON)
    parts = all_of(untold, most_bytes=200)
    assert [[state.vm_id for state in part.states] for part in parts] == [["1"], ["large"], ["2"]]
    assert not any(part.complete or part.more for part in parts)


def test_a_complete_look_at_nothing_is_a_report_and_an_empty_look_is_none() -> None:
    untold = Untold()
    untold.add({}, NOON, complete=True)
    [report] = all_of(untold)
    assert report.complete
    assert not report.more
    untold.add({HOST: []}, NOON)
    assert untold.take() is None


def test_what_went_back_to_what_was_told_is_not_told() -> None:
    untold = Untold()
    untold.add({HOST: [side("1")]}, NOON)
    all_of(untold)
    untold.add({HOST: [side("1", "Suspended")]}, NOON + timedelta(seconds=5))
    untold.add({HOST: [side("1")]}, NOON + timedelta(seconds=10))
    assert untold.take() is None


def test_what_an_older_look_found_on_a_host_that_is_silent_now_comes_first_with_its_time() -> None:
    untold = Untold()
    untold.add({HOST: [side("1")], "h2": [side("2", host="h2")]}, NOON)
    untold.add({"h2": [side("2", "Error", host="h2")]}, NOON + timedelta(seconds=5))
    first, second = all_of(untold)
    assert [state.vm_id for state in first.states] == ["1"]
    assert first.observed_at.ToDatetime(UTC) == NOON
    assert [state.state for state in second.states] == ["Error"]
    assert second.observed_at.ToDatetime(UTC) == NOON + timedelta(seconds=5)


@pytest.mark.parametrize(
    ("seconds", "pending", "told"),
    [
        (5, 10**9, False),
        (10, 10**9, True),
        (10, 2 * 10**6, False),
        (59, 2 * 10**6, False),
        (60, 2 * 10**6, True),
        (60, 10**6, False),
    ],
)
def test_figures_alone_are_told_when_they_differ_much_or_are_a_minute_old(
    seconds: int, pending: int, told: bool
) -> None:
    untold = Untold()
    untold.add({HOST: [side("1", pending=10**6)]}, NOON)
    all_of(untold)
    untold.add({HOST: [side("1", pending=pending)]}, NOON + timedelta(seconds=seconds))
    assert bool(all_of(untold)) is told


def test_a_machine_that_moved_is_told_where_it_is_before_where_it_is_no_longer() -> None:
    untold = Untold()
    untold.add({"h1": [side("1", host="h1")]}, NOON)
    all_of(untold)
    untold.add({"h1": [], "h2": [side("1", host="h2")]}, NOON + timedelta(seconds=5))
    told = [state for report in all_of(untold, most_states=1) for state in report.states]
    assert [(state.host, state.vm_state) for state in told] == [("h2", "Running"), ("h1", "")]


LOOKS = st.lists(
    st.tuples(
        # What the host has: machine -> state.
        st.dictionaries(st.sampled_from("abc"), st.sampled_from(["Replicating", "Error"])),
        st.booleans(),  # a report is sent after the look
    ),
    max_size=20,
)


@given(looks=LOOKS, most=st.integers(1, 3))
@pytest.mark.spec("RE-4")
def test_whoever_takes_all_reports_knows_what_the_last_look_found(
    looks: list[tuple[dict[str, str], bool]], most: int
) -> None:
    untold, known, moments = Untold(), dict[str, str](), list[datetime]()
    last: dict[str, str] = {}

    def hear(report: replication_pb2.ReplicationReport | None) -> None:
        if report is None:
            return
        assert len(report.states) <= most
        moments.append(report.observed_at.ToDatetime(UTC))
        for state in report.states:
            if state.vm_state:
                known[state.vm_id] = state.state
            else:
                known.pop(state.vm_id, None)

    for number, (last, send) in enumerate(looks):
        found = [side(vm_id, state) for vm_id, state in last.items()]
        untold.add({HOST: found}, NOON + timedelta(seconds=number))
        if send:
            hear(untold.take(most))
    while untold:
        hear(untold.take(most))
    assert known == last
    assert moments == sorted(moments)


@pytest.mark.spec("FO-7")
def test_a_machine_that_is_off_for_good_is_told_of_once_more() -> None:
    untold = Untold()
    off, waiting = side("1"), side("2")
    off.vm_state = "Off"
    waiting.vm_state, waiting.mode = "Off", "Replica"
    told = []
    for number in range(6):
        at = NOON + number * OFF_FOR_GOOD / 3
        untold.add({HOST: [side("0"), off, waiting]}, at)
        told += [(number, state.vm_id) for report in all_of(untold) for state in report.states]
    assert told == [(0, "0"), (0, "1"), (0, "2"), (3, "1")]
    # It ran in between.
    untold.add({HOST: [side("1")]}, NOON + 2 * OFF_FOR_GOOD)
    all_of(untold)
    untold.add({HOST: [off]}, NOON + 2 * OFF_FOR_GOOD)
    assert len(all_of(untold)) == 1
    untold.add({HOST: [off]}, NOON + 3 * OFF_FOR_GOOD)
    assert len(all_of(untold)) == 1
