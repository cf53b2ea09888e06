"""How far a job has come, as one number that never falls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from coordinator.jobs.decisions import ENDED_WELL
from coordinator.jobs.states import JobState, StepState
from coordinator.jobs.urgency import work_seconds

# A job that has not ended well is never shown as wholly done.
NEARLY_DONE = 99


@dataclass(frozen=True)
class StepWork:
    """A step as far as progress needs it."""

    kind: str
    state: StepState
    percent: int
    expected_seconds: float
    undoes: str


@dataclass(frozen=True)
class ChildrenWork:
    """What all children of a job have to do, and what of it is done; in seconds."""

    seconds: float = 0.0
    seconds_done: float = 0.0


def progress(
    state: JobState, steps: Iterable[StepWork], children: ChildrenWork, shown_before: int
) -> int:
    """Percent of a job's work that is done, its children's included.

    A step counts for as long as it is expected to take. One that failed keeps what it had reached,
    so nothing is lost when it is tried again.

    Args:
        state: The job's; 100 percent are shown of one that succeeded, and only of such.
        steps: The job's own.
        children: Of its children only what has ended well is counted.
        shown_before: What was shown before the job was restarted.
    """
    if state is JobState.SUCCEEDED:
        return 100
    total, done = children.seconds, min(children.seconds_done, children.seconds)
    for step in steps:
        seconds = work_seconds(step.kind, step.expected_seconds, step.undoes)
        total += seconds
        done += seconds * (100 if step.state in ENDED_WELL else min(step.percent, 100)) / 100
    reached = int(100 * done / total) if total else 0
    return max(shown_before, min(reached, NEARLY_DONE))
