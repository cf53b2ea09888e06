"""How long steps are likely to take, from those that have been: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from statistics import median

from coordinator.jobs.steps import ChildJob, Graph, StepKind, StepSpec

# So many of the newest of one kind are looked at, and so many there must be at a host before it
# is believed to be different from the others.
NEWEST = 25
ENOUGH_AT_HOST = 3
NEWEST_HANDED_OVER = 100

# What has a length: records are a moment, people and groups take as long as they take.
TIMED = frozenset({StepKind.COMMAND, StepKind.WAIT})
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
        handing_over_seconds: From when what it waited for had ended until its provider got it, as
            far as it did not wait for a place; None when that is not known.
    """

    action: str
    slot: str
    seconds: float
    handing_over_seconds: float | None = None


@dataclass(frozen=True)
class Durations:
    """What was measured.

    Attributes:
        at_host: By kind of step and slot, where there was enough.
        overall: By kind of step.
        handing_over: Between the end of one command and the beginning of the next.
    """

    at_host: Mapping[tuple[str, str], Sequence[float]] = field(default_factory=dict)
    overall: Mapping[str, Sequence[float]] = field(default_factory=dict)
    handing_over: Sequence[float] = ()

    def seconds(self, step: StepSpec) -> float:
        """How long a step is likely to take: as at its host, as anywhere, as its planner says."""
        return median(self._known(step))

    def draw(self, step: StepSpec, chance: Random) -> float:
        """How long a step takes this time: as long as one of those that have been."""
        return chance.choice(self._known(step))

    def draw_handing_over(self, step: StepSpec, chance: Random) -> float:
        """How long it takes this time until what waits for a step gets to its provider."""
        if step.kind is not StepKind.COMMAND or not self.handing_over:
            return 0.0
        return chance.choice(self.handing_over)

    def _known(self, step: StepSpec) -> Sequence[float]:
        """Lengths of such steps, at least one."""
        if step.kind not in TIMED:
            return (0.0,)
        kind = kind_of(step.action, step.inputs)
        return self.at_host.get((kind, step.slot)) or self.overall.get(kind) or (_default(step),)

    def is_measured(self, step: StepSpec) -> bool:
        """Whether such a step has been measured at all."""
        return kind_of(step.action, step.inputs) in self.overall


def kind_of(action: str, inputs: Mapping[str, object]) -> str:
    """What is measured together: the verb, and for scripts also which one."""
    path = inputs.get("path")
    return f"{action} {path}".lower() if action == "run_plan_script" else action


def measured_durations(measured: Iterable[Measured]) -> Durations:
    """The newest measurements of each kind.

    Args:
        measured: Newest first.
    """
    handing_over: list[float] = []
    by_host: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    overall: defaultdict[str, list[float]] = defaultdict(list)
    for each in measured:
        for seconds in (by_host[each.action, each.slot], overall[each.action]):
            if len(seconds) < NEWEST:
                seconds.append(max(0.0, each.seconds))
        if each.handing_over_seconds is not None and len(handing_over) < NEWEST_HANDED_OVER:
            handing_over.append(max(0.0, each.handing_over_seconds))
    return Durations(
        at_host={key: found for key, found in by_host.items() if len(found) >= ENOUGH_AT_HOST},
        overall=overall,
        handing_over=handing_over,
    )


def with_durations(graph: Graph, known: Durations) -> Graph:
    """The graph whose steps say how long they are likely to take, its children's too.

    Who has most before him is begun first where not all can be begun at once.
    """
    return replace(
        graph,
        steps=_steps(graph.steps, known),
        children=tuple(_child(child, known) for child in graph.children),
    )


def _child(child: ChildJob, known: Durations) -> ChildJob:
    return replace(child, graph=with_durations(child.graph, known))


def _steps(steps: Sequence[StepSpec], known: Durations) -> tuple[StepSpec, ...]:
    return tuple(replace(step, expected_seconds=known.seconds(step)) for step in steps)


def _default(step: StepSpec) -> float:
    if step.expected_seconds:
        return step.expected_seconds
    if step.kind is StepKind.WAIT:
        return UNKNOWN_WAIT_SECONDS
    looks = step.action.startswith("read_")
    return UNKNOWN_LOOK_SECONDS if looks else UNKNOWN_COMMAND_SECONDS
