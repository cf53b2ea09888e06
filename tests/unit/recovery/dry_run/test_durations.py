"""How long steps are likely to take, from those that have been."""

from __future__ import annotations

import pytest

from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec
from coordinator.recovery.dry_run.durations import (
    UNKNOWN_COMMAND_SECONDS,
    UNKNOWN_LOOK_SECONDS,
    Durations,
    Measured,
    kind_of,
    measured_durations,
    with_durations,
)

pytestmark = pytest.mark.spec("RP-6")

START = "start_virtual_machine"
HOST, OTHER = "host:hv1.test", "host:hv2.test"


def step(
    action: str = START,
    *,
    slot: str = HOST,
    expected_seconds: float = 0.0,
    kind: StepKind = StepKind.COMMAND,
) -> StepSpec:
    return StepSpec(
        key=action, task="T", kind=kind, action=action, slot=slot, expected_seconds=expected_seconds
    )


def test_one_that_took_very_long_does_not_move_the_median() -> None:
    known = measured_durations([Measured(START, HOST, seconds) for seconds in (10, 11, 12, 900, 9)])
    assert known.seconds(step()) == 11


def test_a_host_is_different_once_there_is_enough_of_it() -> None:
    slow = [Measured(START, OTHER, 60.0)] * 2
    quick = [Measured(START, HOST, 10.0)] * 5
    assert measured_durations([*slow, *quick]).seconds(step(slot=OTHER)) == 10
    assert measured_durations([*slow, *slow, *quick]).seconds(step(slot=OTHER)) == 60
    assert measured_durations([*slow, *quick]).seconds(step(slot="host:new.test")) == 10


def test_only_the_newest_count() -> None:
    new, old = [Measured(START, HOST, 5.0)] * 25, [Measured(START, HOST, 500.0)] * 100
    assert measured_durations([*new, *old]).seconds(step()) == 5


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        (step(expected_seconds=7), 7),
        (step(), UNKNOWN_COMMAND_SECONDS),
        (step("read_replication"), UNKNOWN_LOOK_SECONDS),
        (step(kind=StepKind.RECORD, expected_seconds=7), 0),
        (step(kind=StepKind.MANUAL), 0),
    ],
)
def test_without_history_planners_and_defaults_say(spec: StepSpec, seconds: float) -> None:
    assert Durations().seconds(spec) == seconds
    assert not Durations().is_measured(spec)


def test_each_script_is_measured_by_itself() -> None:
    one = kind_of("run_plan_script", {"path": r"A\One.ps1"})
    assert one != kind_of("run_plan_script", {"path": r"A\Two.ps1"})
    assert one == kind_of("run_plan_script", {"path": r"a\one.PS1"})


def test_steps_are_given_what_is_known() -> None:
    known = measured_durations([Measured(START, HOST, 4.0)])
    [spec] = with_durations(Graph((TaskSpec("T", "T"),), (step(),)), known).steps
    assert spec.expected_seconds == 4
