"""What to do next with a graph that is under way: pure, from the steps' states and the time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from coordinator.jobs.states import JobState, StepState
from coordinator.jobs.steps import FailureRule, StepKind

# How often a condition is looked at when nothing calls for it earlier.
LOOK_SECONDS = 5
FIRST_PAUSE_SECONDS = 2
PAUSE_GROWTH = 3
LONGEST_PAUSE_SECONDS = 60
NO_LOOKS: Mapping[str, datetime] = {}

# A step may begin when all those it comes after are in one of these.
ENDED_WELL = frozenset({StepState.SUCCEEDED, StepState.WARNED})


@dataclass(frozen=True)
class StepSnapshot:
    """A step as far as deciding needs it.

    Attributes:
        attempts: Begun so far.
        retry_at: Set between two attempts only: when the next begins.
        deadline_at: When the running attempt's time is over; None when none runs.
    """

    key: str
    kind: StepKind
    state: StepState
    after: tuple[str, ...]
    on_failure: FailureRule
    attempts: int
    attempts_allowed: int
    retry_at: datetime | None
    deadline_at: datetime | None


@dataclass(frozen=True)
class JobOutcome:
    """How a job ends, in ASR's words."""

    state: JobState
    description: str


@dataclass(frozen=True)
class Decision:
    """What to do next.

    Attributes:
        give_up: Keys of steps to fail because their time is over.
        drop: Keys of steps between two attempts to fail with their last failure, because the job
            has failed elsewhere.
        skip: Keys of steps that will never begin.
        start: Keys of steps whose first or next attempt is to begin.
        look: Keys of running WAIT steps.
        outcome: Set once every step has ended.
        wake_at: When time alone calls for the next decision; None when it never does.
    """

    give_up: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    look: tuple[str, ...] = ()
    outcome: JobOutcome | None = None
    wake_at: datetime | None = None


def decide(
    steps: Iterable[StepSnapshot], now: datetime, looks: Mapping[str, datetime] = NO_LOOKS
) -> Decision:
    """Decides from the states of all steps of a job what is to be done now.

    A step begins when all it comes after have ended well. Once a step has failed under the rule
    STOP nothing more begins, not even a next attempt, and the running steps are awaited. Under the
    rule WARN a failed step counts as ended well.

    Args:
        steps: All steps of the job, in the graph's order.
        now: The time.
        looks: When the conditions of WAIT steps are to be looked at again, by key; those without
            an entry every few seconds.
    """
    by_key = {step.key: step for step in steps}
    if all(step.state.ended for step in by_key.values()):
        return Decision(outcome=_outcome(by_key.values()))
    stopping = any(step.state is StepState.FAILED for step in by_key.values())
    running = [step for step in by_key.values() if step.state is StepState.IN_PROGRESS]
    pausing = [step for step in running if step.retry_at is not None]
    over = [step for step in running if _reached(step.deadline_at, now)]
    idle = [step for step in by_key.values() if step.state is StepState.NOT_STARTED]
    again = [] if stopping else [step for step in pausing if _reached(step.retry_at, now)]
    ready = [step for step in idle if not stopping and _ready(step, by_key)]
    never = [step for step in idle if stopping or _blocked(step, by_key)]
    return Decision(
        give_up=_keys(over),
        drop=_keys(pausing) if stopping else (),
        skip=_keys(never),
        start=_keys([*again, *ready]),
        look=_keys(s for s in running if s.kind is StepKind.WAIT and s.retry_at is None),
        wake_at=_wake_at(running, now, looks),
    )


def next_attempt_at(step: StepSnapshot, now: datetime) -> datetime | None:
    """When a step that just failed in a transient way is tried again; None: not any more.

    The pauses grow from two seconds threefold up to a minute.
    """
    if step.attempts >= step.attempts_allowed:
        return None
    pause = min(FIRST_PAUSE_SECONDS * PAUSE_GROWTH ** (step.attempts - 1), LONGEST_PAUSE_SECONDS)
    return now + timedelta(seconds=pause)


def _outcome(steps: Iterable[StepSnapshot]) -> JobOutcome:
    states = {step.state for step in steps}
    if StepState.FAILED in states:
        return JobOutcome(JobState.FAILED, "Failed")
    if StepState.CANCELLED in states:
        return JobOutcome(JobState.CANCELLED, "Cancelled")
    if StepState.WARNED in states:
        return JobOutcome(JobState.SUCCEEDED, "CompletedWithInformation")
    return JobOutcome(JobState.SUCCEEDED, "Completed")


def _ready(step: StepSnapshot, by_key: Mapping[str, StepSnapshot]) -> bool:
    return all(by_key[key].state in ENDED_WELL for key in step.after)


def _blocked(step: StepSnapshot, by_key: Mapping[str, StepSnapshot]) -> bool:
    """Comes after something that ended otherwise than well."""
    before = [by_key[key].state for key in step.after]
    return any(state.ended and state not in ENDED_WELL for state in before)


def _reached(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


def _wake_at(
    running: Iterable[StepSnapshot], now: datetime, looks: Mapping[str, datetime]
) -> datetime | None:
    moments = []
    for step in running:
        moments += [moment for moment in (step.retry_at, step.deadline_at) if moment is not None]
        if step.kind is StepKind.WAIT and step.retry_at is None:
            moments.append(looks.get(step.key, now + timedelta(seconds=LOOK_SECONDS)))
    return min(moments, default=None)


def _keys(steps: Iterable[StepSnapshot]) -> tuple[str, ...]:
    return tuple(step.key for step in steps)
