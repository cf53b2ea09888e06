"""What may be done with a job: one table of actions, and why each is refused if it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from coordinator.failures import Failure
from coordinator.jobs.states import JobState


class JobAction(StrEnum):
    """ASR's names."""

    CANCEL = "Cancel"
    RESTART = "Restart"
    RESUME = "Resume"


CODES = {
    JobAction.CANCEL: "CancelNotPossible",
    JobAction.RESTART: "RestartNotPossible",
    JobAction.RESUME: "ResumeNotPossible",
}


PAST = {
    JobAction.CANCEL: "cancelled",
    JobAction.RESTART: "restarted",
    JobAction.RESUME: "resumed",
}


@dataclass(frozen=True)
class JobFacts:
    """What decides which actions a job allows.

    Attributes:
        name: The operation, for people.
        target: What it is about, for people.
        state: The job's.
        halted: It is being cancelled.
        past_return: A step of its own has come past the point of no return.
        held_up: All that it does waits for providers that are lost.
        asks: A manual action of it, or of a child, waits for a person, and goes on once confirmed.
        restartable: Its scenario knows how to go on after a failure.
        child: It is a part of another job.
    """

    name: str
    target: str
    state: JobState
    halted: bool
    past_return: bool
    held_up: bool
    asks: bool
    restartable: bool
    child: bool


def allowed_actions(facts: JobFacts) -> tuple[JobAction, ...]:
    """What may be done with the job now."""
    return tuple(action for action in JobAction if why_not(action, facts) is None)


def why_not(action: JobAction, facts: JobFacts) -> Failure | None:
    """Why an action is refused and what would allow it; None: it is allowed."""
    why = {
        JobAction.CANCEL: _why_not_cancel,
        JobAction.RESTART: _why_not_restart,
        JobAction.RESUME: _why_not_resume,
    }[action](facts)
    if why is None:
        return None
    cause, remedy = why
    return Failure(
        CODES[action],
        f'The job "{facts.name}" of {facts.target} cannot be {PAST[action]}.',
        (cause,),
        remedy,
    )


def _why_not_cancel(facts: JobFacts) -> tuple[str, str] | None:
    if facts.state.ended:
        return _ended(facts), "Nothing has to be done: repeat the operation or undo it as needed."
    if facts.halted:
        return (
            "It is being cancelled already.",
            "Wait until it has ended; it says what state it left.",
        )
    if facts.past_return and not facts.held_up:
        return (
            "It has come past its point of no return: replication in the old direction is ended.",
            "Let it end, then cancel the failover of the virtual machine or fail it back.",
        )
    return None


def _why_not_restart(facts: JobFacts) -> tuple[str, str] | None:
    if facts.child:
        return (
            "It is a part of another job.",
            "Restart the job of the recovery plan, or repeat the operation for this object alone.",
        )
    if facts.state is not JobState.FAILED:
        return (
            f"Only a job that failed can be restarted; this one is {facts.state.value}.",
            "Wait until it has ended, or repeat the operation on its object.",
        )
    if not facts.restartable:
        return (
            "Operations of this kind do not go on where they failed.",
            "Remove the cause of the failure, then repeat the operation on its object.",
        )
    return None


def _why_not_resume(facts: JobFacts) -> tuple[str, str] | None:
    if facts.state.ended:
        return _ended(facts), "Nothing has to be resumed: repeat the operation if it is needed."
    if not facts.asks:
        return (
            "No manual action of it waits to be confirmed.",
            "Look at its tasks; resume it once it is Suspended.",
        )
    return None


def _ended(facts: JobFacts) -> str:
    return f"It has ended: {facts.state.value}."
