"""Checking families before anything of them runs, and what is urgent in them."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from coordinator.jobs.family_graph import validate_family
from coordinator.jobs.graph import GraphError
from coordinator.jobs.steps import (
    ChildJob,
    Graph,
    JobTarget,
    StepKind,
    StepSpec,
    TaskSpec,
    host_slot,
)
from coordinator.jobs.urgency import urgencies, work_seconds

TASKS = (TaskSpec("T", "T"),)
PROVIDER = str(UUID(int=1))


def step(key: str, *after: str, **changes: object) -> StepSpec:
    made = StepSpec(key=key, task="T", kind=StepKind.RECORD, action="note", after=after)
    return replace(made, **changes)  # type: ignore[arg-type]  # names of fields, varying


def group(key: str, *members: str, gate: str = "") -> StepSpec:
    inputs = {"members": list(members), "gate": gate}
    return step(key, kind=StepKind.GROUP, inputs=inputs)


def child(key: str, *steps: StepSpec, **changes: object) -> ChildJob:
    made = ChildJob(
        key=key,
        scenario="X",
        friendly_name="X",
        target=JobTarget("ProtectionEntity", key, key),
        graph=Graph(TASKS, steps),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # names of fields, varying


def test_a_family_whose_gates_are_all_opened_is_good() -> None:
    children = (child("a", step("s", gate="boot")), child("b", step("s")))
    validate_family(Graph(TASKS, (group("g", "a", "b", gate="boot"),), children))
    validate_family(Graph(TASKS, (group("g", "a", "b"),), children))


BAD = {
    "two children have the same key": Graph(TASKS, (), (child("a"), child("a"))),
    "'b' is no child": Graph(TASKS, (group("g", "b"),), (child("a"),)),
    "no GROUP step opens 'boot'": Graph(TASKS, (), (child("a", step("s", gate="boot")),)),
    "opened twice": Graph(TASKS, (group("g", "a"), group("h", "a")), (child("a"),)),
    "no children of its own": Graph(
        TASKS, (), (child("a", graph=Graph(TASKS, (), (child("b"),))),)
    ),
    "only the root has GROUP steps": Graph(TASKS, (), (child("a", group("g")),)),
    "a: s: no task 'U'": Graph(TASKS, (), (child("a", step("s", task="U")),)),
    "a list of keys": Graph(TASKS, (step("g", kind=StepKind.GROUP, inputs={"members": "ab"}),)),
    "which is no step to be undone": Graph(TASKS, (step("u", undoes="s"),)),
    "comes after a step that takes something back": Graph(
        TASKS, (step("s"), step("u", undoes="s"), step("t", "u"))
    ),
    "so it has no gate": Graph(TASKS, (step("s"), step("u", undoes="s", point_of_no_return=True))),
    "only commands take a slot": Graph(TASKS, (step("s", slot="host:hv1"),)),
}


@pytest.mark.parametrize("why", BAD, ids=str)
def test_what_cannot_hang_together_is_refused(why: str) -> None:
    with pytest.raises(GraphError, match=why):
        validate_family(BAD[why])


def test_a_manual_action_may_wait_for_ever_and_nothing_else() -> None:
    ask = step("a", kind=StepKind.MANUAL, time_limit_seconds=0)
    validate_family(Graph(TASKS, (ask,)))
    with pytest.raises(GraphError, match="time limit"):
        validate_family(Graph(TASKS, (step("a", time_limit_seconds=0),)))


def test_what_has_the_longest_way_before_it_is_most_urgent() -> None:
    steps = [
        step("short", expected_seconds=1),
        step("long", expected_seconds=5),
        step("both", "short", "long", expected_seconds=10),
        step("end", "both", expected_seconds=2),
        step("undo", undoes="long", expected_seconds=100),
    ]
    assert urgencies(steps) == {"short": 13, "long": 17, "both": 12, "end": 2, "undo": 0}


@pytest.mark.parametrize(
    ("kind", "expected", "undoes", "seconds"),
    [
        ("command", 30.0, "", 30.0),
        ("record", 0.0, "", 1.0),
        ("group", 30.0, "", 0.0),
        ("manual", 30.0, "", 0.0),
        ("command", 30.0, "other", 0.0),
    ],
)
def test_progress_counts_work_by_its_length(
    kind: str, expected: float, undoes: str, seconds: float
) -> None:
    assert work_seconds(kind, expected, undoes) == seconds


def test_a_host_has_one_slot_however_it_is_written() -> None:
    assert host_slot("HV1.Shanghai.Example") == host_slot("hv1.shanghai.example")
    assert host_slot("hv1") == "host:hv1"
