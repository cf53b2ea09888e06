"""How long steps are likely to take, from those that have been: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from coordinator.jobs.steps import ChildJob, Graph, StepKind, StepSpec

# So many of the newest of one kind are looked at, and so many there must be at a host before it
# is believed to be different from the others.
NEWEST = 25
ENOUGH_AT_HOST = 3

# Steps that nobody has measured and whose planner says nothing.
UNKNOWN_COMMAND_SECONDS = 10.0
UNKNOWN_LOOK_SECONDS = 2.0
UNKNOWN_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Measured:
    """A step that ended well.

    Attributes:
        action: Verb, condition, or for scripts the verb with the script's path; see `kind_of`.
        slot: Of the host it worked on; empty when it took no place there.
        seconds: From when its provider got it until it ended; waiting for a place is not in it.
    """

    action: str
    slot: str
    seconds: float


@dataclass(frozen=True)
class Durations:
    """Medians of what was measured.

    Attributes:
        at_host: By kind of step and slot, where there was enough.
        overall: By kind of step.
    """

    at_host: Mapping[tuple[str, str], float] = field(default_factory=dict)
    overall: Mapping[str, float] = field(default_factory=dict)

    def seconds(self, step: StepSpec) -> float:
        """How long a step is likely to take: as at its host, as anywhere, as its planner says."""
        if step.kind not in {StepKind.COMMAND, StepKind.WAIT}:
            # Records are a moment; people and groups take as long as they take.
            return 0.0
        kind = kind_of(step.action, step.inputs)
        known = self.at_host.get((kind, step.slot), self.overall.get(kind))
        return _default(step) if known is None else known

    def is_measured(self, step: StepSpec) -> bool:
        """Whether such a step has been measured at all."""
        return kind_of(step.action, step.inputs) in self.overall


def kind_of(action: str, inputs: Mapping[str, object]) -> str:
    """What is measured together: the verb, and for scripts also which one."""
    path = inputs.get("path")
    return f"{action} {path}".lower() if action == "run_plan_script" else action


def medians(measured: Iterable[Measured]) -> Durations:
    """Medians of the newest measurements; one that took very long does not move them.

    Args:
        measured: Newest first.
    """
    by_host: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    overall: defaultdict[str, list[float]] = defaultdict(list)
    for each in measured:
        for seconds in (by_host[each.action, each.slot], overall[each.action]):
            if len(seconds) < NEWEST:
                seconds.append(max(0.0, each.seconds))
    return Durations(
        at_host={
            key: median(found) for key, found in by_host.items() if len(found) >= ENOUGH_AT_HOST
        },
        overall={action: median(found) for action, found in overall.items()},
    )


def with_durations(graph: Graph, durations: Durations) -> Graph:
    """The graph whose steps say how long they are likely to take, its children's too.

    Who has most before him is begun first where not all can be begun at once.
    """
    return replace(
        graph,
        steps=_steps(graph.steps, durations),
        children=tuple(_child(child, durations) for child in graph.children),
    )


def _child(child: ChildJob, durations: Durations) -> ChildJob:
    return replace(child, graph=with_durations(child.graph, durations))


def _steps(steps: Sequence[StepSpec], durations: Durations) -> tuple[StepSpec, ...]:
    return tuple(replace(step, expected_seconds=durations.seconds(step)) for step in steps)


def _default(step: StepSpec) -> float:
    if step.expected_seconds:
        return step.expected_seconds
    if step.kind is StepKind.WAIT:
        return UNKNOWN_WAIT_SECONDS
    looks = step.action.startswith("read_")
    return UNKNOWN_LOOK_SECONDS if looks else UNKNOWN_COMMAND_SECONDS
