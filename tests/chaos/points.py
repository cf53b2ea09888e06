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
# Phases of the first round and of every later one, with about how long each takes undisturbed.
FIRST_ROUND = {"pair": 4.0, "protect": 6.0}
EVERY_ROUND = {"failover": 5.0, "reverse": 4.0, "failback": 5.0, "commit": 2.0, "restore": 4.0}


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
