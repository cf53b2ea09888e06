"""What can be done with a replication as it runs: the whole table, and the graphs of the jobs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from coordinator.failures import RefusedError
from coordinator.jobs.graph import validate_graph
from coordinator.jobs.steps import Graph
from coordinator.protection.operations import Operation, allowed_operations, why_not
from coordinator.protection.replication import planner
from coordinator.protection.replication.disks import chosen_disks
from coordinator.protection.replication.picture import Picture
from coordinator.protection.replication.rpo import (
    MEASURED,
    SPAN,
    rpo_seconds,
    span_number,
    span_start,
)
from coordinator.protection.replication.steps import CONDITIONS, RECORDS
from coordinator.protection.replication.windows import Window
from coordinator.protection.states import ProtectionState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAUSE, RESUME = Operation.PAUSE_REPLICATION, Operation.RESUME_REPLICATION
RESYNC, REPAIR = Operation.RESYNCHRONIZE, Operation.REPAIR_REPLICATION
DISKS, WINDOW = Operation.CHANGE_DISKS, Operation.CHANGE_RESYNCHRONIZATION
RUNNING = {PAUSE, RESUME, RESYNC, REPAIR, DISKS, WINDOW}

P, R = str(UUID(int=1)), str(UUID(int=2))
SIDES = {P: "p", R: "r"}

# (sender, receiver) -> what is allowed of a protected item.
ALLOWED: dict[tuple[str, str], set[Operation]] = {
    ("Replicating", "Replicating"): {PAUSE, RESYNC, DISKS, WINDOW},
    ("Suspended", "Replicating"): {RESUME, RESYNC, REPAIR, WINDOW},
    ("Replicating", "Suspended"): {PAUSE, RESUME, RESYNC, REPAIR, DISKS, WINDOW},
    ("Error", "Replicating"): {RESUME, RESYNC, REPAIR, WINDOW},
    ("Replicating", "Error"): {PAUSE, RESUME, RESYNC, REPAIR, DISKS, WINDOW},
    ("WaitingForStartResynchronize", "Replicating"): {RESYNC, REPAIR, WINDOW},
    ("Resynchronizing", "Resynchronizing"): {PAUSE, WINDOW},
    ("ResynchronizeSuspended", "Replicating"): {RESUME, RESYNC, REPAIR, WINDOW},
    ("UpdateError", "Replicating"): {RESUME, REPAIR, WINDOW},
    ("WaitingForUpdateCompletion", "Replicating"): {WINDOW},
    ("PreparedForFailover", "Replicating"): {WINDOW},
    ("", "Replicating"): set(),
    ("", ""): set(),
}
SNAPSHOTS = {
    (sender, receiver): planner.RunningSnapshot(
        planner.RunningSide(P, "vm", "hv1"),
        planner.RunningSide(R, "vm", "hv2"),
        Picture(sender, receiver),
    )
    for sender, receiver in ALLOWED
}


@pytest.mark.parametrize(("seen", "expected"), list(ALLOWED.items()))
@pytest.mark.spec("RE-5", "FO-6")
def test_what_a_protected_item_allows_depends_on_how_its_sides_were_seen(
    seen: tuple[str, str], expected: set[Operation]
) -> None:
    allowed = allowed_operations(ProtectionState.PROTECTED, Picture(*seen))
    assert set(allowed) & RUNNING == expected


def test_a_first_copy_can_be_paused_resumed_and_repaired_but_not_compared() -> None:
    copying = Picture("InitialReplicationInProgress", "WaitingForInitialReplication")
    paused = Picture("Suspended", "WaitingForInitialReplication")
    state = ProtectionState.INITIAL_REPLICATION
    assert set(allowed_operations(state, copying)) & RUNNING == {PAUSE}
    assert set(allowed_operations(state, paused)) & RUNNING == {RESUME, REPAIR}


@pytest.mark.parametrize(
    ("operation", "state", "seen"),
    list(itertools.product(sorted(RUNNING), ProtectionState, ALLOWED)),
)
@pytest.mark.spec("FO-6")
def test_every_refusal_says_why_and_what_would_allow_it(
    operation: Operation, state: ProtectionState, seen: tuple[str, str]
) -> None:
    answer = why_not(operation, state, Picture(*seen))
    assert (answer is None) == (operation in allowed_operations(state, Picture(*seen)))
    if answer is not None:
        assert answer.reason.endswith(".")
        assert answer.remedy.endswith(".")


@pytest.mark.parametrize(
    ("plan", "seen", "steps"),
    [
        (planner.plan_pause, ("Replicating", "Replicating"), ["suspend p"]),
        (planner.plan_resume, ("Suspended", "Replicating"), ["resume p"]),
        (planner.plan_resume, ("Replicating", "Suspended"), ["resume r"]),
        (planner.plan_repair, ("Error", "Replicating"), ["resume p"]),
        (planner.plan_repair, ("WaitingForStartResynchronize", "Replicating"), ["compare p"]),
        (planner.plan_resynchronization, ("Replicating", "Suspended"), ["resume r", "compare p"]),
    ],
)
def test_the_graphs_say_which_side_is_told_what_in_which_order(
    plan: Callable[[planner.RunningSnapshot], Graph], seen: tuple[str, str], steps: list[str]
) -> None:
    graph = plan(SNAPSHOTS[seen])
    validate_graph(graph)
    told = []
    for step in graph.steps:
        if step.provider is None:
            continue
        verb = step.action.removesuffix("_replication")
        what = "compare" if step.inputs.get("resynchronize") else verb
        told.append(f"{what} {SIDES[step.provider]}")
    assert told == steps
    last = graph.steps[-1]
    assert last.action in CONDITIONS


def test_changing_disks_and_the_window_ask_the_machine_s_side() -> None:
    snapshot = SNAPSHOTS["Replicating", "Replicating"]
    disks = planner.plan_disks(snapshot, ["a", "b"])
    window = planner.plan_automatic(snapshot, enabled=True, start_seconds=60, end_seconds=120)
    for graph in (disks, window):
        validate_graph(graph)
        assert graph.steps[0].action == "change_replication"
        assert graph.steps[0].provider == P
    assert disks.steps[1].action in RECORDS
    assert window.steps[0].inputs["auto_resynchronize_end"] == "120s"


DISKS_PRESENT = {"C:\\One": True, "C:\\Two": False}


@pytest.mark.parametrize(
    ("add", "remove", "expected"),
    [
        ((), (), ["C:\\One"]),
        (["c:\\two"], (), ["C:\\One", "C:\\Two"]),
        (["c:\\two"], ["C:\\ONE"], ["C:\\Two"]),
        (["C:\\One"], (), ["C:\\One"]),
    ],
)
def test_disks_are_known_in_any_case(
    add: list[str], remove: list[str], expected: list[str]
) -> None:
    assert chosen_disks(DISKS_PRESENT, add=add, remove=remove) == expected


@pytest.mark.parametrize(
    ("add", "remove", "code"),
    [(["x"], [], "DiskNotFound"), ([], ["x"], "DiskNotFound"), ([], ["C:\\One"], "NoDiskLeft")],
)
def test_unknown_disks_and_none_at_all_are_refused(
    add: list[str], remove: list[str], code: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        chosen_disks(DISKS_PRESENT, add=add, remove=remove)
    assert refused.value.failure.code == code


@pytest.mark.parametrize("seconds", [-1, 24 * 3600])
def test_a_window_is_within_a_day(seconds: int) -> None:
    with pytest.raises(ValueError, match="no time of day"):
        Window(seconds, 0)


@pytest.mark.parametrize("state", list(ProtectionState))
@pytest.mark.spec("RE-4")
def test_rpo_is_how_far_the_replica_is_behind_where_there_is_one(state: ProtectionState) -> None:
    last = NOW - timedelta(seconds=90.9)
    assert rpo_seconds(state, last, NOW) == (90 if state in MEASURED else None)
    assert rpo_seconds(state, None, NOW) is None
    # Hosts' clocks differ.
    assert rpo_seconds(state, NOW + timedelta(seconds=9), NOW) in {0, None}


def test_spans_follow_each_other_without_gaps() -> None:
    number = span_number(NOW)
    assert span_start(number) <= NOW < span_start(number) + SPAN
    assert span_number(span_start(number) + SPAN) == number + 1
