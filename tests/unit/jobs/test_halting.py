"""Deciding about gates, groups, manual actions, and jobs that are cancelled or take things back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.jobs.decisions import (
    ALONE,
    ENDED_WELL,
    Decision,
    Situation,
    StepSnapshot,
    came_past_return,
    decide,
)
from coordinator.jobs.states import Halt, JobState, StepState
from coordinator.jobs.steps import FailureRule, StepKind

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
S = StepState
CANCELLED = Situation(halt=Halt.CANCEL)


def step(
    key: str, *after: str, state: StepState = S.NOT_STARTED, **changes: object
) -> StepSnapshot:
    begun = state not in {S.NOT_STARTED, S.SKIPPED, S.CANCELLED}
    made = StepSnapshot(
        key=key,
        kind=StepKind.COMMAND,
        state=state,
        after=after,
        on_failure=FailureRule.STOP,
        attempts=int(begun),
        attempts_allowed=1,
        retry_at=None,
        deadline_at=NOW + timedelta(seconds=30) if state is S.IN_PROGRESS else None,
        begun=begun,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # names of fields, varying


@pytest.mark.parametrize(
    ("gates", "started"),
    [(None, ("a", "b")), (frozenset(), ("a",)), (frozenset({"boot"}), ("a", "b"))],
)
def test_a_step_waits_for_its_gate(gates: frozenset[str] | None, started: tuple[str, ...]) -> None:
    steps = [step("a"), step("b", gate="boot")]
    assert decide(steps, NOW, situation=Situation(gates)).start == started


@pytest.mark.parametrize(("left", "closed"), [(0, ("g",)), (1, ())])
def test_a_group_closes_when_no_member_is_left(left: int, closed: tuple[str, ...]) -> None:
    group = step("g", state=S.IN_PROGRESS, kind=StepKind.GROUP, members_left=left)
    assert decide([group], NOW).close == closed


def test_a_manual_action_whose_time_is_over_is_escalated_not_given_up() -> None:
    asking = step("a", state=S.IN_PROGRESS, kind=StepKind.MANUAL)
    decision = decide([asking], NOW + timedelta(seconds=30))
    assert (decision.escalate, decision.give_up) == (("a",), ())


def test_nobody_is_asked_about_a_job_that_has_failed() -> None:
    steps = [step("a", state=S.IN_PROGRESS, kind=StepKind.MANUAL), step("b", state=S.FAILED)]
    assert decide(steps, NOW).cancel == ("a",)


def test_a_cancelled_job_begins_nothing_and_waits_for_commands_only() -> None:
    steps = [
        step("idle"),
        step("wait", state=S.IN_PROGRESS, kind=StepKind.WAIT),
        step("ask", state=S.IN_PROGRESS, kind=StepKind.MANUAL),
        step("pause", state=S.IN_PROGRESS, retry_at=NOW, deadline_at=None),
        step("command", state=S.IN_PROGRESS),
    ]
    decision = decide(steps, NOW, situation=CANCELLED)
    assert set(decision.cancel) == {"idle", "wait", "ask", "pause"}
    assert "command" in decision.withdraw
    assert decision.start == decision.skip == ()


def test_a_failed_root_halts_its_children_once() -> None:
    steps = [step("a", state=S.FAILED)]
    waiting = Situation(children_left=2)
    assert decide(steps, NOW, situation=waiting) == Decision(halt_children=True)
    told = Situation(halt=Halt.STOP, children_left=2)
    assert decide(steps, NOW, situation=told) == Decision()


def test_a_root_that_did_all_waits_for_its_children() -> None:
    steps = [step("a", state=S.SUCCEEDED)]
    assert decide(steps, NOW, situation=Situation(children_left=1)) == Decision()


@pytest.mark.parametrize(
    ("halt", "state", "past", "outcome"),
    [
        (Halt.NONE, S.SUCCEEDED, True, JobState.SUCCEEDED),
        (Halt.CANCEL, S.SUCCEEDED, False, JobState.CANCELLED),
        (Halt.CANCEL, S.FAILED, False, JobState.FAILED),
        (Halt.STOP, S.CANCELLED, False, JobState.CANCELLED),
        (Halt.STOP, S.CANCELLED, True, JobState.FAILED),
        (Halt.STOP, S.SUCCEEDED, True, JobState.SUCCEEDED),
    ],
)
def test_how_a_halted_job_ends(halt: Halt, state: StepState, past: bool, outcome: JobState) -> None:
    steps = [
        step("a", state=S.SUCCEEDED, point_of_no_return=past),
        step("b", state=state),
    ]
    decided = decide(steps, NOW, situation=Situation(halt=halt)).outcome
    assert decided is not None
    assert decided.state is outcome


def test_what_had_not_begun_is_not_taken_back() -> None:
    steps = [
        step("a", state=S.SUCCEEDED),
        step("b", state=S.CANCELLED),
        step("undo-b", undoes="b"),
        step("undo-a", "undo-b", undoes="a"),
    ]
    assert decide(steps, NOW, situation=CANCELLED).skip == ("undo-b",)
    assert "undo-a" in decide(steps, NOW, situation=CANCELLED).start


def test_an_undo_step_that_failed_holds_back_those_after_it() -> None:
    steps = [
        step("a", state=S.SUCCEEDED),
        step("undo-1", state=S.FAILED, undoes="a"),
        step("undo-2", "undo-1", undoes="a"),
        step("undo-3", undoes="a"),
    ]
    decision = decide(steps, NOW, situation=CANCELLED)
    assert (decision.skip, decision.start) == (("undo-2",), ("undo-3",))


@st.composite
def graphs(draw: st.DrawFn) -> list[StepSnapshot]:
    steps: list[StepSnapshot] = []
    kinds = [StepKind.COMMAND, StepKind.WAIT, StepKind.MANUAL, StepKind.RECORD]
    for number in range(draw(st.integers(1, 7))):
        names = [each.key for each in steps]
        after: list[str] = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        steps.append(
            step(
                f"s{number}",
                *after,
                kind=draw(st.sampled_from(kinds)),
                on_failure=draw(st.sampled_from(list(FailureRule))),
                gate=draw(st.sampled_from(["", "", "one", "two"])),
                point_of_no_return=draw(st.integers(0, 5)) == 0,
            )
        )
    undo: list[StepSnapshot] = []
    for each in steps:
        fate = draw(st.integers(0, 3))
        if fate:
            before = [undo[-1].key] if undo and fate > 1 else []
            undo.append(step(f"undo-{each.key}", *before, undoes=each.key))
    return [*steps, *undo]


class Simulation:
    """A job under chance: steps end somehow, gates open, and at some moment it is halted."""

    def __init__(self, steps: list[StepSnapshot], data: st.DataObject) -> None:
        self.steps = {each.key: each for each in steps}
        self.data = data
        self.situation = replace(ALONE, gates=frozenset[str]())
        self.halt_in = data.draw(st.integers(0, 40))

    def set(self, key: str, **changes: object) -> None:
        self.steps[key] = replace(self.steps[key], **changes)  # type: ignore[arg-type]  # names of fields, varying

    def begin(self, key: str) -> None:
        beginning = self.steps[key]
        ordinary = [each for each in self.steps.values() if not each.undoes]
        failed = any(each.state is S.FAILED for each in ordinary)
        if beginning.undoes:
            assert self.steps[beginning.undoes].begun
            assert failed or self.situation.halt is not Halt.NONE
            assert not came_past_return(ordinary)
            assert all(each.state.ended for each in ordinary)
        else:
            assert not failed
            assert self.situation.halt is Halt.NONE
            assert not beginning.gate or beginning.gate in (self.situation.gates or ())
            assert all(self.steps[before].state in ENDED_WELL for before in beginning.after)
        assert not beginning.begun, "begun twice"
        self.set(key, state=S.IN_PROGRESS, begun=True, attempts=1)

    def something(self, decision: Decision) -> None:
        running = [each.key for each in self.steps.values() if each.state is S.IN_PROGRESS]
        shut = sorted({"one", "two"} - set(self.situation.gates or ()))
        gate = self.data.draw(st.sampled_from(["", *shut]))
        if gate:
            self.situation = replace(
                self.situation, gates=frozenset({*(self.situation.gates or ()), gate})
            )
            return
        if not running:
            assert shut, f"nothing runs and nothing is decided: {decision}"
            return
        key = self.data.draw(st.sampled_from(running))
        warn = self.steps[key].on_failure is FailureRule.WARN
        badly = S.WARNED if warn else S.FAILED
        self.set(key, state=self.data.draw(st.sampled_from([S.SUCCEEDED, S.SUCCEEDED, badly])))

    def run(self) -> JobState:
        for number in range(300):
            if number == self.halt_in and not came_past_return(self.steps.values()):
                halt = self.data.draw(st.sampled_from([Halt.CANCEL, Halt.STOP]))
                self.situation = replace(self.situation, halt=halt)
            decision = decide(self.steps.values(), NOW, situation=self.situation)
            if decision.outcome is not None:
                return decision.outcome.state
            for key in decision.skip:
                self.set(key, state=S.SKIPPED)
            for key in decision.cancel:
                self.set(key, state=S.CANCELLED)
            if decision.skip or decision.cancel:
                continue
            for key in decision.start:
                self.begin(key)
            if not decision.start:
                self.something(decision)
        raise AssertionError("the job does not end")


@pytest.mark.spec("JB-2", "JB-3")
@given(graphs(), st.data())
def test_a_job_that_may_be_halted_ends_and_takes_back_only_what_had_begun(
    steps: list[StepSnapshot], data: st.DataObject
) -> None:
    simulation = Simulation(steps, data)
    outcome = simulation.run()
    ended = simulation.steps.values()
    assert all(each.state.ended for each in ended)
    if outcome is JobState.SUCCEEDED:
        assert all(each.state in ENDED_WELL for each in ended if not each.undoes)
        assert all(each.state is S.SKIPPED for each in ended if each.undoes)
