"""States of jobs, steps and commands, in ASR's words."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """State of a job; ASR's names."""

    NOT_STARTED = "NotStarted"
    IN_PROGRESS = "InProgress"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def ended(self) -> bool:
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


UNFINISHED_JOBS = tuple(state for state in JobState if not state.ended)


class Halt(StrEnum):
    """Why nothing more of a job begins, but for what takes back what had begun."""

    # It goes on.
    NONE = ""
    # Somebody cancelled it.
    CANCEL = "cancel"
    # Somebody cancelled it while children of it could not go back any more: it leads these to their
    # end, group by group, and does nothing else.
    WIND_UP = "wind-up"
    # The family it belongs to has failed elsewhere.
    STOP = "stop"


# Halts that somebody asked for.
CANCELLED_HALTS = (Halt.CANCEL, Halt.WIND_UP)


class StepState(StrEnum):
    """State of a step or of a task."""

    # Waits for others.
    NOT_STARTED = "NotStarted"
    # Its effect may have begun.
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    # Failed under the rule WARN: the job goes on.
    WARNED = "Warned"
    # Never begun, and never will be.
    SKIPPED = "Skipped"
    CANCELLED = "Cancelled"

    @property
    def ended(self) -> bool:
        return self not in {StepState.NOT_STARTED, StepState.IN_PROGRESS}


class CommandState(StrEnum):
    """How far a command is on its way to a provider and back."""

    # In PostgreSQL; no gateway has sent it.
    PENDING = "pending"
    # Written to the stream of a session; may have been lost with it.
    SENT = "sent"
    # In the agent's journal.
    ACKNOWLEDGED = "acknowledged"
    # The result is in PostgreSQL.
    FINISHED = "finished"
    # Nobody waits for it any more (its job was cancelled or its time is over).
    ABANDONED = "abandoned"

    @property
    def ended(self) -> bool:
        return self in {CommandState.FINISHED, CommandState.ABANDONED}


UNFINISHED_COMMANDS = tuple(state for state in CommandState if not state.ended)
