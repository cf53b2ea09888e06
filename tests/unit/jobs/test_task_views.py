"""Tasks as ASR shows them, out of their steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.failures import Failure
from coordinator.jobs.states import StepState
from coordinator.jobs.steps import TaskSpec
from coordinator.jobs.task_views import StepProgress, summarise_tasks

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TASK = TaskSpec("VmFailover", "Start failover")

S = StepState


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((), S.SKIPPED),
        ((S.NOT_STARTED, S.NOT_STARTED), S.NOT_STARTED),
        ((S.IN_PROGRESS,), S.IN_PROGRESS),
        ((S.SUCCEEDED, S.NOT_STARTED), S.IN_PROGRESS),
        ((S.FAILED, S.IN_PROGRESS), S.IN_PROGRESS),
        ((S.SUCCEEDED, S.SUCCEEDED), S.SUCCEEDED),
        ((S.SUCCEEDED, S.WARNED), S.SUCCEEDED),
        ((S.FAILED, S.SKIPPED), S.FAILED),
        ((S.SKIPPED, S.SKIPPED), S.SKIPPED),
        ((S.SUCCEEDED, S.SKIPPED), S.CANCELLED),
        ((S.SUCCEEDED, S.CANCELLED), S.CANCELLED),
    ],
)
@pytest.mark.spec("JB-1")
def test_a_task_s_state_follows_from_its_steps(
    states: tuple[StepState, ...], expected: StepState
) -> None:
    steps = [StepProgress(TASK.name, state) for state in states]
    assert summarise_tasks([TASK], steps)[0].state is expected


def test_a_task_without_steps_says_why_it_is_skipped() -> None:
    spec = TaskSpec("VmCommit", "Commit", "The failover is committed already.")
    (task,) = summarise_tasks([spec], [])
    assert task.state is StepState.SKIPPED
    assert task.skipped_reason == "The failover is committed already."
    assert task.percent == 100


def test_a_task_starts_with_its_first_step_and_ends_with_its_last() -> None:
    early, late = NOW + timedelta(seconds=1), NOW + timedelta(seconds=9)
    steps = [
        StepProgress(TASK.name, S.SUCCEEDED, started_at=early, finished_at=late),
        StepProgress(TASK.name, S.SUCCEEDED, started_at=NOW, finished_at=early),
    ]
    (task,) = summarise_tasks([TASK], steps)
    assert (task.started_at, task.finished_at) == (NOW, late)


def test_a_running_task_has_no_end_and_shows_what_is_being_done() -> None:
    steps = [
        StepProgress(TASK.name, S.SUCCEEDED, finished_at=NOW),
        StepProgress(TASK.name, S.IN_PROGRESS, percent=40, activity="Sending changes"),
    ]
    (task,) = summarise_tasks([TASK], steps)
    assert (task.finished_at, task.percent, task.activity) == (None, 70, "Sending changes")


def test_a_failure_that_only_warned_is_shown_too() -> None:
    failure = Failure("X", "It did not shut down.")
    (task,) = summarise_tasks([TASK], [StepProgress(TASK.name, S.WARNED, failure=failure)])
    assert (task.state, task.failures) == (S.SUCCEEDED, (failure,))


def test_the_failure_of_an_attempt_is_not_shown_while_the_step_is_tried_again() -> None:
    failure = Failure("X", "The host was busy.")
    (task,) = summarise_tasks([TASK], [StepProgress(TASK.name, S.IN_PROGRESS, failure=failure)])
    assert task.failures == ()


@given(st.lists(st.tuples(st.sampled_from(list(S)), st.integers(0, 100)), min_size=1, max_size=5))
def test_a_hundred_percent_means_ended_and_nothing_else(
    steps: list[tuple[StepState, int]],
) -> None:
    progress = [StepProgress(TASK.name, state, percent=percent) for state, percent in steps]
    (task,) = summarise_tasks([TASK], progress)
    assert (task.percent == 100) == task.state.ended
