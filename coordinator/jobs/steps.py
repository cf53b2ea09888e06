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


@dataclass(frozen=True)
class TaskSpec:
    """A task as ASR shows it; its state is derived from its steps.

    A task without steps is Skipped from the start and says why.
    """

    name: str
    friendly_name: str
    skipped_reason: str = ""


@dataclass(frozen=True)
class Graph:
    """Tasks in the order they are shown, steps in any order."""

    tasks: tuple[TaskSpec, ...]
    steps: tuple[StepSpec, ...]
