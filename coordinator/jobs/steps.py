"""What a scenario's planner returns: a graph of steps, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class StepKind(StrEnum):
    """How a step is carried out."""

    # One command to one provider; `action` is a field name of the wire's Command.
    COMMAND = "command"
    # Until an observed condition holds; `action` is a registered condition.
    WAIT = "wait"
    # Change of the coordinator's own records, in the transaction that ends the step;
    # `action` is a registered record function.
    RECORD = "record"
    # Until a person resumes the job; `action` names what is called when that takes too long.
    MANUAL = "manual"
    # Opens a gate for child jobs and ends when they are through it.
    GROUP = "group"


class FailureRule(StrEnum):
    """What the failure of a step means for the rest of its job."""

    STOP = "stop"
    WARN = "warn"


@dataclass(frozen=True)
class Output:
    """An input that is the named field of another step's result.

    The other step must be among those this one comes after, directly or not; its result type must
    have the field, of the type the input wants. `validate_graph` checks all of it.

    Attributes:
        optional: The other step may have failed under the rule WARN: then the value is None. Only
            for arguments of record functions, which decide what that means.
    """

    step: str
    field: str
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class StepSpec:
    """One step.

    Attributes:
        key: Unique in the graph and stable, for example "prepare-site/hv1/issue".
        task: Name of the ASR task the step belongs to.
        kind: See StepKind.
        action: Verb, condition or record function.
        provider: Provider id for commands.
        inputs: Request fields by proto name, or arguments of the record function or condition;
            values are JSON, nested mappings and lists may hold `Output`.
        after: Keys of the steps that must have ended well before.
        on_failure: See FailureRule.
        time_limit_seconds: From start to end, of one attempt.
        attempts: How often a transient failure is tried in all.
        patience_seconds: How long a command may wait for a provider that is away, over and above
            its time limit, which then runs only while the provider is connected; 0: not at all.
        point_of_no_return: Once this step has started the job cannot be cancelled.
        gate: In a child job: the step begins only once a GROUP step of the root has opened this
            gate for the child; empty: no gate.
        slot: Commands of one slot run at most so many at once, over all jobs; see `host_slot`.
        expected_seconds: How long it is likely to take; 0: nobody knows.
        undoes: Key of the step this one takes back. It runs only when that step has begun and the
            job is cancelled, or fails before its point of no return.
    """

    key: str
    task: str
    kind: StepKind
    action: str
    provider: str | None = None
    inputs: Mapping[str, object] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    on_failure: FailureRule = FailureRule.STOP
    time_limit_seconds: int = 600
    attempts: int = 3
    patience_seconds: int = 0
    point_of_no_return: bool = False
    gate: str = ""
    slot: str = ""
    expected_seconds: float = 0.0
    undoes: str = ""


@dataclass(frozen=True)
class TaskSpec:
    """A task as ASR shows it; its state is derived from its steps.

    A task without steps is Skipped from the start and says why.
    """

    name: str
    friendly_name: str
    skipped_reason: str = ""


@dataclass(frozen=True)
class JobTarget:
    """What a job is about.

    Attributes:
        type: ASR's targetInstanceType, for example "ProtectionEntity".
        id: The object's own id, at most 64 characters.
        name: The object's name for people.
        resource: ARM id of the resource a client waits for; empty when there is none.
    """

    type: str
    id: str
    name: str
    resource: str = ""


@dataclass(frozen=True, kw_only=True)
class ChildJob:
    """A job of its own inside another: one virtual machine of a recovery plan's run.

    Attributes:
        key: Unique in the family; the members of GROUP steps are named by it.
        scenario: ASR's scenario name, for its finisher.
        friendly_name: For people, for example "Planned failover".
        target: What it is about.
        graph: Without children of its own.
        locks: Keys that only one running job may hold.
        arguments: JSON, handed to its record functions, conditions and finisher.
        skipped_reason: Why nothing is done: the child ends well at once, as "Skipped".
    """

    key: str
    scenario: str
    friendly_name: str
    target: JobTarget
    graph: Graph
    locks: tuple[str, ...] = ()
    arguments: Mapping[str, object] = field(default_factory=dict)
    skipped_reason: str = ""


@dataclass(frozen=True)
class Graph:
    """Tasks in the order they are shown, steps in any order, and the jobs inside."""

    tasks: tuple[TaskSpec, ...]
    steps: tuple[StepSpec, ...]
    children: tuple[ChildJob, ...] = ()


def host_slot(fqdn: str) -> str:
    """The slot of what works on one Hyper-V host."""
    return f"host:{fqdn.lower()}"
