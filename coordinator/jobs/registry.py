"""What domains give the engine to call: record functions, conditions and finishers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from coordinator.failures import Failure
from coordinator.jobs.states import JobState, StepState


@dataclass(frozen=True)
class RecordCall:
    """What a record function or a condition is called with.

    Attributes:
        job_id: The job the step belongs to.
        vault_id: Its vault; everything the function touches must be of it.
        target_id: The job's target, as given to `begin_job`.
        arguments: The job's arguments, as given to `begin_job`.
        inputs: The step's inputs, each `Output` replaced by the other step's value. What came from
            a provider is JSON as protobuf writes it: 64-bit integers and timestamps are strings,
            bytes are base64, enums are names.
        now: The time of the change.
        step_key: The step it is called for.
    """

    job_id: UUID
    vault_id: UUID
    target_id: str
    arguments: Mapping[str, object]
    inputs: Mapping[str, object]
    now: datetime
    step_key: str = ""


class ConditionState(StrEnum):
    """Whether what a step waits for has come."""

    MET = "met"
    PENDING = "pending"


@dataclass(frozen=True)
class Waiting:
    """What a condition may say instead of PENDING.

    Attributes:
        activity: What the step waits for, for people; at most 255 characters.
        look_at: When to look again if `request_advance` does not call for it earlier.
    """

    activity: str
    look_at: datetime


@dataclass(frozen=True)
class FinishedJob:
    """What a scenario's finisher is called with, in the transaction that ends the job.

    Attributes:
        state: Succeeded, Failed or Cancelled; Failed when a restarter is called.
        failures: Of the steps that failed, and of those that only warned: a job that succeeded may
            have some.
        steps: How each step ended, by key; one that never began is Skipped or Cancelled.
        root_id: The job of the family's root when this is a child.
    """

    job_id: UUID
    vault_id: UUID
    scenario: str
    target_id: str
    arguments: Mapping[str, object]
    state: JobState
    failures: tuple[Failure, ...]
    now: datetime
    steps: Mapping[str, StepState] = field(default_factory=dict)
    root_id: UUID | None = None


# Gives the step's result, JSON. Runs in a savepoint of the transaction that ends the step, with the
# job's row locked: all of it happens or nothing. Must not call anything outside the database.
RecordFunction = Callable[[RecordCall], Mapping[str, object]]
# Looks only; called again every few seconds, or when its last answer says, until it says MET,
# raises, or the step's time is over.
Condition = Callable[[RecordCall], ConditionState | Waiting]
# May say in words what state the operation left.
Finisher = Callable[[FinishedJob], str | None]
# Called once when nobody has resumed a MANUAL step within its time; the step goes on waiting.
Escalation = Callable[[RecordCall], None]
# Brings the object of a failed job back into the state in which the job runs, when it is restarted.
Restarter = Callable[[FinishedJob], None]


@dataclass(frozen=True)
class Registry:
    """The functions behind the names that graphs use.

    Attributes:
        records: By the `action` of RECORD steps.
        conditions: By the `action` of WAIT steps.
        finishers: By scenario; a scenario without one needs none.
        escalations: By the `action` of MANUAL steps.
        restarters: By scenario; a scenario without one cannot be restarted.
    """

    records: Mapping[str, RecordFunction] = field(default_factory=dict)
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    finishers: Mapping[str, Finisher] = field(default_factory=dict)
    escalations: Mapping[str, Escalation] = field(default_factory=dict)
    restarters: Mapping[str, Restarter] = field(default_factory=dict)


class StepFailedError(Exception):
    """Raised by a record function or a condition to fail its step; its changes are undone.

    Attributes:
        failure: The four things to tell.
        transient: Whether the step may be tried again as it is, within its attempts.
    """

    def __init__(self, failure: Failure, *, transient: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.transient = transient
