"""Deciding what to do next: each rule, and random graphs under random fates."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.jobs.decisions import (
    ENDED_WELL,
    LOOK_SECONDS,
    Decision,
    JobOutcome,
    StepSnapshot,
    decide,
    next_attempt_at,
)
from coordinator.jobs.states import JobState, StepState
from coordinator.jobs.steps import FailureRule, StepKind

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)


def step(
    key: str,
    *after: str,
    state: StepState = StepState.NOT_STARTED,
    kind: StepKind = StepKind.COMMAND,
    rule: FailureRule = FailureRule.STOP,
) -> StepSnapshot:
    running = state is StepState.IN_PROGRESS
    return StepSnapshot(
        key=key,
        kind=kind,
        state=state,
        after=after,
        on_failure=rule,
        attempts=0 if state is StepState.NOT_STARTED else 1,
        attempts_allowed=3,
        retry_at=None,
        deadline_at=LATER if running else None,
    )


def test_a_job_without_steps_has_succeeded() -> None:
    assert decide([], NOW) == Decision(outcome=JobOutcome(JobState.SUCCEEDED, "Completed"))


def test_steps_that_wait_for_nobody_start_together() -> None:
    decision = decide([step("a"), step("b"), step("c", "a", "b")], NOW)
    assert decision.start == ("a", "b")
    assert decision.outcome is None


@pytest.mark.parametrize("state", list(StepState))
def test_a_step_starts_exactly_when_the_one_before_it_ended_well(state: StepState) -> None:
    decision = decide([step("a", state=state), step("b", "a")], NOW)
    assert ("b" in decision.start) == (state in {StepState.SUCCEEDED, StepState.WARNED})


def test_after_a_failure_nothing_begins_and_the_running_step_is_awaited() -> None:
    decision = decide(
        [
            step("a", state=StepState.FAILED),
            step("b", state=StepState.IN_PROGRESS),
            step("c"),
            step("d", "b"),
        ],
        NOW,
    )
    assert decision == Decision(skip=("c", "d"), wake_at=LATER)


def test_a_job_fails_when_all_of_it_has_ended_and_a_step_failed() -> None:
    decision = decide([step("a", state=StepState.FAILED), step("b", state=StepState.SKIPPED)], NOW)
    assert decision.outcome == JobOutcome(JobState.FAILED, "Failed")


def test_a_job_with_a_warning_succeeds_and_says_so() -> None:
    decision = decide(
        [step("a", state=StepState.WARNED), step("b", "a", state=StepState.SUCCEEDED)], NOW
    )
    assert decision.outcome == JobOutcome(JobState.SUCCEEDED, "CompletedWithInformation")


def test_a_job_with_a_cancelled_step_is_cancelled() -> None:
    decision = decide([step("a", state=StepState.CANCELLED)], NOW)
    assert decision.outcome == JobOutcome(JobState.CANCELLED, "Cancelled")


def test_a_step_after_a_skipped_one_is_skipped() -> None:
    decision = decide([step("a", state=StepState.SKIPPED), step("b", "a"), step("c")], NOW)
    assert decision.skip == ("b",)
    assert decision.start == ("c",)


@pytest.mark.parametrize(("seconds", "over"), [(29.999, False), (30, True), (31, True)])
def test_a_step_is_given_up_when_its_deadline_is_reached(seconds: float, over: bool) -> None:
    running = step("a", state=StepState.IN_PROGRESS)
    decision = decide([running], NOW + timedelta(seconds=seconds))
    assert (decision.give_up == ("a",)) == over


def test_a_pausing_step_is_tried_again_when_its_pause_is_over() -> None:
    pausing = replace(
        step("a", state=StepState.IN_PROGRESS),
        retry_at=NOW + timedelta(seconds=2),
        deadline_at=None,
    )
    assert decide([pausing], NOW) == Decision(wake_at=pausing.retry_at)
    assert decide([pausing], NOW + timedelta(seconds=2)).start == ("a",)


def test_a_pausing_step_is_not_tried_again_once_the_job_has_failed() -> None:
    pausing = replace(step("a", state=StepState.IN_PROGRESS), retry_at=NOW, deadline_at=None)
    decision = decide([pausing, step("b", state=StepState.FAILED)], LATER)
    assert decision.drop == ("a",)
    assert decision.start == ()


def test_a_wait_is_looked_at_and_looked_at_again_before_its_deadline() -> None:
    waiting = step("a", state=StepState.IN_PROGRESS, kind=StepKind.WAIT)
    decision = decide([waiting], NOW)
    assert decision.look == ("a",)
    assert decision.wake_at == NOW + timedelta(seconds=LOOK_SECONDS)
    near_its_end = decide([waiting], LATER - timedelta(seconds=1))
    assert near_its_end.wake_at == LATER


def test_pauses_grow_until_the_attempts_are_used_up() -> None:
    first = replace(step("a", state=StepState.IN_PROGRESS), attempts_allowed=6)
    pauses = []
    for attempts in range(1, 7):
        again = next_attempt_at(replace(first, attempts=attempts), NOW)
        pauses.append(None if again is None else (again - NOW).total_seconds())
    assert pauses == [2, 6, 18, 54, 60, None]


@st.composite
def graphs(draw: st.DrawFn) -> list[StepSnapshot]:
    """Random graphs: each step comes after some of those before it."""
    count = draw(st.integers(1, 9))
    steps = []
    for number in range(count):
        earlier = [f"s{other}" for other in range(number)]
        after = draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        rule = draw(st.sampled_from(list(FailureRule)))
        steps.append(step(f"s{number}", *after, rule=rule))
    return steps


FATES = ("well", "badly", "transient", "overdue")


class Simulation:
    """Applies decisions as the engine does, with a fate for each attempt."""

    def __init__(self, steps: list[StepSnapshot], data: st.DataObject) -> None:
        self.steps = {each.key: each for each in steps}
        self.data = data
        self.now = NOW
        self.begun: list[str] = []

    def end_badly(self, key: str) -> None:
        warn = self.steps[key].on_failure is FailureRule.WARN
        state = StepState.WARNED if warn else StepState.FAILED
        self.set(key, state=state, retry_at=None, deadline_at=None)

    def set(self, key: str, **changes: object) -> None:
        self.steps[key] = replace(self.steps[key], **changes)  # type: ignore[arg-type]  # names of fields, varying

    def begin(self, key: str) -> None:
        self.begun.append(key)
        before = [self.steps[other].state for other in self.steps[key].after]
        assert all(state in ENDED_WELL for state in before), f"{key} began too early"
        assert not any(each.state is StepState.FAILED for each in self.steps.values())
        self.set(
            key,
            state=StepState.IN_PROGRESS,
            attempts=self.steps[key].attempts + 1,
            retry_at=None,
            deadline_at=self.now + timedelta(seconds=30),
        )

    def apply(self, decision: Decision) -> bool:
        for key in (*decision.give_up, *decision.drop):
            self.end_badly(key)
        if decision.give_up or decision.drop:
            return True
        for key in decision.skip:
            self.set(key, state=StepState.SKIPPED)
        for key in decision.start if not decision.skip else ():
            self.begin(key)
        return bool(decision.skip or decision.start)

    def something_happens(self, wake_at: datetime | None) -> None:
        running = [
            each.key
            for each in self.steps.values()
            if each.state is StepState.IN_PROGRESS and each.retry_at is None
        ]
        fate = self.data.draw(st.sampled_from(FATES)) if running else "overdue"
        if fate == "overdue":
            assert wake_at is not None, "a job that waits for something must wake"
            self.now = max(self.now, wake_at)
            return
        key = self.data.draw(st.sampled_from(running))
        again = next_attempt_at(self.steps[key], self.now)
        if fate == "well":
            self.set(key, state=StepState.SUCCEEDED, deadline_at=None)
        elif fate == "transient" and again is not None:
            self.set(key, retry_at=again, deadline_at=None)
        else:
            self.end_badly(key)

    def run(self) -> JobOutcome:
        for _ in range(400):
            decision = decide(self.steps.values(), self.now)
            # Deciding twice about the same state is the same: a crash between loses nothing.
            assert decide(self.steps.values(), self.now) == decision
            if decision.outcome is not None:
                return decision.outcome
            if not self.apply(decision):
                self.something_happens(decision.wake_at)
        raise AssertionError("the job does not end")


@pytest.mark.spec("JB-3")
@given(graphs(), st.data())
def test_every_job_ends_in_order_whatever_becomes_of_its_steps(
    steps: list[StepSnapshot], data: st.DataObject
) -> None:
    simulation = Simulation(steps, data)
    outcome = simulation.run()
    states = {each.state for each in simulation.steps.values()}
    assert (outcome.state is JobState.FAILED) == (StepState.FAILED in states)
    for key, each in simulation.steps.items():
        assert simulation.begun.count(key) == each.attempts <= each.attempts_allowed
        assert (each.state is StepState.SKIPPED) == (each.attempts == 0)
