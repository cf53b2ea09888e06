"""Which process dies when: chosen by a seed alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

# Processes that may die, as supervisord names them.
VICTIMS = (
    "worker-failover",
    "worker",
    "gateway",
    "agent-shanghai",
    "agent-beijing",
    "api",
    "redis",
)
# Phases of the first round and of every later one, with about how many seconds the work of each
# takes undisturbed: deaths fall into the work, not into the waiting for deltas after it.
FIRST_ROUND = {"pair": 2.5, "protect": 2.5}
EVERY_ROUND = {"failover": 0.9, "reverse": 0.6, "failback": 0.9, "commit": 0.4, "restore": 0.5}


@dataclass(frozen=True)
class Point:
    """A death.

    Attributes:
        round: Counted from 0; a round is one way there and back.
        phase: Phase of the story.
        victim: Process killed with SIGKILL.
        delay_seconds: After the phase began.
    """

    round: int
    phase: str
    victim: str
    delay_seconds: float


def phases_of_round(number: int) -> Sequence[str]:
    """Names of the phases of a round, in order."""
    first = tuple(FIRST_ROUND) if number == 0 else ()
    return (*first, *EVERY_ROUND)


def choose_points(count: int, seed: int) -> list[Point]:
    """As many deaths as asked for, at most one a phase, in the order they happen."""
    chance = random.Random(seed)
    durations = {**FIRST_ROUND, **EVERY_ROUND}
    points: list[Point] = []
    number = 0
    while len(points) < count:
        phases = phases_of_round(number)
        wanted = min(count - len(points), len(phases))
        chosen = sorted(chance.sample(range(len(phases)), wanted))
        for index in chosen:
            phase = phases[index]
            delay = chance.uniform(0.0, durations[phase])
            points.append(Point(number, phase, chance.choice(VICTIMS), delay))
        number += 1
    return points
