"""A job's tasks as ASR shows them, derived from its steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from coordinator.failures import Failure
from coordinator.jobs.states import StepState
from coordinator.jobs.steps import TaskSpec


@dataclass(frozen=True)
class StepProgress:
    """What a step contributes to its task.

    Attributes:
        undoes: It takes back what another did; until it begins its task knows nothing of it.
    """

    task: str
    state: StepState
    percent: int = 0
    activity: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    failure: Failure | None = None
    undoes: bool = False


@dataclass(frozen=True)
class TaskView:
    """A task.

    Attributes:
        state: NotStarted, InProgress, Succeeded, Failed, Skipped or Cancelled.
        skipped_reason: Why the planner gave it no steps; empty otherwise.
        percent: 0 to 100; 100 exactly when the task has ended.
        activity: What is being done now; empty when nothing is.
        failures: Of its steps, also of those that only warned.
    """

    name: str
    friendly_name: str
    state: StepState
    skipped_reason: str
    started_at: datetime | None
    finished_at: datetime | None
    percent: int
    activity: str
    failures: tuple[Failure, ...]


def summarise_tasks(
    tasks: Sequence[TaskSpec], steps: Sequence[StepProgress]
) -> tuple[TaskView, ...]:
    """The tasks in their order, each with what its steps add up to.

    Percentages never fall as long as those of the steps do not.
    """
    by_task: dict[str, list[StepProgress]] = {task.name: [] for task in tasks}
    for step in steps:
        by_task[step.task].append(step)
    return tuple(_summarise(task, by_task[task.name]) for task in tasks)


def _summarise(task: TaskSpec, all_steps: Sequence[StepProgress]) -> TaskView:
    ordinary = [step for step in all_steps if not step.undoes]
    undo = [step for step in all_steps if step.undoes and step.started_at is not None]
    steps = [*ordinary, *undo] if ordinary else all_steps
    state = _task_state({step.state for step in steps})
    if ordinary and undo and state is StepState.SUCCEEDED:
        # All of it was done, and has been taken back.
        state = StepState.CANCELLED
    begun = [step.started_at for step in steps if step.started_at is not None]
    ended = [step.finished_at for step in steps if step.finished_at is not None]
    done = sum(100 if step.state.ended else step.percent for step in steps)
    running = [step.activity for step in steps if step.state is StepState.IN_PROGRESS]
    return TaskView(
        name=task.name,
        friendly_name=task.friendly_name,
        state=state,
        skipped_reason=task.skipped_reason,
        started_at=min(begun, default=None),
        finished_at=max(ended, default=None) if state.ended else None,
        percent=100 if state.ended else min(99, done // len(steps)),
        activity=next((activity for activity in running if activity), ""),
        failures=tuple(
            step.failure for step in steps if step.failure is not None and step.state.ended
        ),
    )


def _task_state(states: set[StepState]) -> StepState:
    """The first rule that fits."""
    if states <= {StepState.SKIPPED}:
        return StepState.SKIPPED
    if states == {StepState.NOT_STARTED}:
        return StepState.NOT_STARTED
    if any(not state.ended for state in states):
        return StepState.IN_PROGRESS
    if StepState.FAILED in states:
        return StepState.FAILED
    if states <= {StepState.SUCCEEDED, StepState.WARNED}:
        return StepState.SUCCEEDED
    # Begun, and ended early because something else failed or the job was cancelled.
    return StepState.CANCELLED
