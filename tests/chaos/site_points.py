"""Which site loses its power when: chosen by a seed alone."""

from __future__ import annotations

import random
from dataclasses import dataclass

SITES = ("East", "West")
# What a machine goes through in every round, with about how many seconds each takes undisturbed.
PHASES = {"copy": 1.0, "delta": 0.8, "failover": 1.2}


@dataclass(frozen=True)
class SitePoint:
    """A loss of power.

    Attributes:
        round: Counted from 0; each begins with a new first copy.
        phase: What it falls into.
        site: Who loses power.
        delay_seconds: After the phase began.
    """

    round: int
    phase: str
    site: str
    delay_seconds: float


def choose_site_points(count: int, seed: int) -> list[SitePoint]:
    """As many as asked for, one a phase, in the order they happen."""
    chance = random.Random(seed)
    phases = list(PHASES)
    return [
        SitePoint(
            number // len(phases),
            phase := phases[number % len(phases)],
            chance.choice(SITES),
            chance.uniform(0.0, PHASES[phase]),
        )
        for number in range(count)
    ]
