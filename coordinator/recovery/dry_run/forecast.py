"""How long a run would take, and what decides that: the run played through, step by step; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from coordinator.jobs.rules import all_steps
from coordinator.jobs.steps import Graph, StepKind, StepSpec
from coordinator.recovery.dry_run.durations import Durations
from coordinator.recovery.dry_run.playing import (
    ExpectedLengths,
    Lengths,
    Mark,
    Play,
    PlayedStep,
)

FEWEST_PLAYS, MOST_PLAYS = 5, 41
# So many steps are played in all, roughly: about two seconds.
PLAYED_STEPS = 100_000


class WaitedFor(StrEnum):
    """Why a step on the critical path did not begin earlier."""

    # It is the first.
    NOTHING = "Nothing"
    # For the step before it in its own job.
    ORDER = "Order"
    # For the plan to come to it: its phase or its group.
    GROUP = "Group"
    # For a place at its host, which others had.
    HOST = "Host"


@dataclass(frozen=True, kw_only=True)
class PathPart:
    """A step that the end of the run depends on.

    Attributes:
        machine: Key of the machine's job; empty for steps of the plan itself.
        step: Its key.
        task: ASR's name of its task.
        host_slot: Slot of the host it works on; empty when it takes no place there.
        begins_seconds: After the beginning of the run.
        seconds: How long it takes until what comes next here can begin.
        waited_for: Why it begins only then.
    """

    machine: str
    step: str
    task: str
    host_slot: str
    begins_seconds: float
    seconds: float
    waited_for: WaitedFor


@dataclass(frozen=True, kw_only=True)
class PhaseForecast:
    """A phase or a group of a plan: when it would begin and end, in seconds after the beginning."""

    key: str
    task: str
    begins_seconds: float
    ends_seconds: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """How long a run would take if all goes well.

    Attributes:
        seconds: From begin to end; manual actions count for nothing.
        low_seconds: It hardly ever takes less: one time in ten.
        high_seconds: It hardly ever takes more: one time in ten.
        phases: Of a plan, in order.
        critical_path: What the end depends on, in order; together as long as the run.
        manual_actions: How often people will be waited for.
    """

    seconds: float
    low_seconds: float
    high_seconds: float
    phases: tuple[PhaseForecast, ...]
    critical_path: tuple[PathPart, ...]
    manual_actions: int


def forecast(graph: Graph, slots_per_host: int, known: Durations | None = None) -> Forecast:
    """Plays a run through, and tells of the play that took neither long nor short.

    The rules are the engine's: order, gates, so many commands at once per host, and of those that
    wait for a place the one with the most before it first. Steps that take something back are not
    played: nothing fails.

    A group is over when the last of its machines is, so that a run of steps that all took what
    they usually take would be too short. It is played many times, each step taking as long as one
    of those that were measured.

    Args:
        graph: With expected durations, see `with_durations`; of a plan or of one machine.
        slots_per_host: How many commands a host works on at once.
        known: What was measured; None: every step takes what it expects, once.

    Returns:
        The same for the same arguments.
    """
    lengths: list[Lengths] = [ExpectedLengths()]
    if known is not None:
        lengths = [DrawnLengths(known, Random(number)) for number in range(_plays(graph))]  # noqa: S311 - no secret
    plays = [Play(graph, slots_per_host, each).to_the_end() for each in lengths]
    plays.sort(key=_seconds)
    played = plays[len(plays) // 2]
    return Forecast(
        seconds=_seconds(played),
        low_seconds=_seconds(plays[len(plays) // 10]),
        high_seconds=_seconds(plays[-1 - len(plays) // 10]),
        phases=tuple(
            PhaseForecast(
                key=step.spec.key,
                task=step.spec.task,
                begins_seconds=step.begins,
                ends_seconds=step.ends,
            )
            for step in played
            if step.spec.kind is StepKind.GROUP
        ),
        critical_path=tuple(reversed(list(_backwards(played)))),
        manual_actions=sum(step.spec.kind is StepKind.MANUAL for step in played),
    )


@dataclass(frozen=True)
class DrawnLengths:
    """Everything takes as long as one of those that have been, by chance."""

    known: Durations
    chance: Random

    def seconds(self, step: StepSpec) -> float:
        return self.known.draw(step, self.chance)

    def handing_over_seconds(self, step: StepSpec) -> float:
        return self.known.draw_handing_over(step, self.chance)


def _plays(graph: Graph) -> int:
    """How often a run is played: an odd number, the fewer the larger it is."""
    steps = sum(1 for _ in all_steps(graph))
    return max(FEWEST_PLAYS, min(MOST_PLAYS, PLAYED_STEPS // max(1, steps))) | 1


def _seconds(played: list[PlayedStep]) -> float:
    return max((step.told for step in played), default=0.0)


def _backwards(played: list[PlayedStep]) -> Iterator[PathPart]:
    """From the last end to the beginning, from each step to what it waited for."""
    last = max(played, key=lambda step: (step.told, step.number), default=None)
    mark = None if last is None else Mark(last, end=True)
    until = 0.0 if last is None else last.told
    while mark is not None:
        step = mark.step
        if mark.end and step.ended_by is not None:
            # A phase ends with the last of its members.
            mark = Mark(step.ended_by, end=True)
            continue
        if until > step.begins and step.spec.kind is not StepKind.GROUP:
            yield _part(step, until - step.begins)
            until = step.begins
        mark = step.cause


def _part(step: PlayedStep, seconds: float) -> PathPart:
    return PathPart(
        machine=step.job,
        step=step.spec.key,
        task=step.spec.task,
        host_slot=step.spec.slot,
        begins_seconds=step.begins,
        seconds=seconds,
        waited_for=_waited_for(step),
    )


def _waited_for(step: PlayedStep) -> WaitedFor:
    if step.cause is None:
        return WaitedFor.NOTHING
    if step.waited_for_slot:
        return WaitedFor.HOST
    return WaitedFor.ORDER if step.cause.end else WaitedFor.GROUP
