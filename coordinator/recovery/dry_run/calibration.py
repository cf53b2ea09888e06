"""What lies between steps, from how long whole runs took: pure.

The engine, its queues and the network take their time after each step, and nobody measures all of
it: how long a command waited for a place at its host is no property of the engine. So a run that is
over is played again, with its steps as long as they were, and the time between them is what the
play lacks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from coordinator.jobs.steps import Graph, StepKind, StepSpec
from coordinator.recovery.dry_run.durations import TIMED, Durations
from coordinator.recovery.dry_run.playing import Play

# A play of a run that ended is brought so near to what it took.
NEAR = 0.002
TRIES = 12


class EndedRun(Protocol):
    """A run that ended well.

    Attributes:
        graph: Its steps expect what they took.
        seconds: From its beginning to its end.
    """

    @property
    def graph(self) -> Graph: ...

    @property
    def seconds(self) -> float: ...


@dataclass(frozen=True)
class _Replayed:
    """Steps as they were, and the same time after each."""

    handing_over: float

    def seconds(self, step: StepSpec) -> float:
        return step.expected_seconds if step.kind in TIMED else 0.0

    def handing_over_seconds(self, step: StepSpec) -> float:
        ran = step.kind is StepKind.COMMAND and step.expected_seconds > 0
        return self.handing_over if ran else 0.0


def calibrated(known: Durations, runs: Iterable[EndedRun], slots_per_host: int) -> Durations:
    """The durations, with the time between steps as whole runs show it, if there have been any."""
    found = [handing_over_of(run, slots_per_host) for run in runs]
    return replace(known, handing_over=found) if found else known


def handing_over_of(run: EndedRun, slots_per_host: int) -> float:
    """Seconds after each command with which a play of the run takes as long as the run did.

    0 when its steps alone take that long.
    """
    if _played(run.graph, slots_per_host, 0.0) >= run.seconds:
        return 0.0
    low, high = 0.0, run.seconds
    for _ in range(TRIES):
        middle = (low + high) / 2
        off = _played(run.graph, slots_per_host, middle) - run.seconds
        if abs(off) <= NEAR * run.seconds:
            return middle
        low, high = (low, middle) if off > 0 else (middle, high)
    return low


def _played(graph: Graph, slots_per_host: int, handing_over: float) -> float:
    steps = Play(graph, slots_per_host, _Replayed(handing_over)).to_the_end()
    return max((step.told for step in steps), default=0.0)
