"""What dies when under a recovery plan: chosen by a seed alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

SITES = ("Shanghai", "Beijing")


class Blow(StrEnum):
    """What is done to a victim."""

    KILL = "kill -9"
    """The process is killed; its keeper starts it again."""
    POWER = "loss of power"
    """The daemon of a site is killed and stays dead for a while."""
    CUT = "cut link"
    """Nothing passes between an agent and the gateway for a while."""


# Processes as supervisord names them; for links and power the site.
VICTIMS: tuple[tuple[Blow, str], ...] = (
    *(
        (Blow.KILL, name)
        for name in (
            "api",
            "worker",
            "worker-failover",
            "beat",
            "gateway",
            "agent-shanghai",
            "agent-beijing",
            "redis",
            "postgres",
        )
    ),
    *((Blow.POWER, site) for site in SITES),
    *((Blow.CUT, site) for site in SITES),
)
# What a round goes through, each a run of the plan, with about how many seconds it takes
# undisturbed: so many for itself and so many a machine.
PHASES: dict[str, tuple[float, float]] = {
    "failover": (4.0, 0.5),
    "reverse": (2.0, 0.3),
    "failback": (4.0, 0.5),
    "restore": (2.0, 0.3),
}
AWAY_SECONDS = (1.0, 6.0)


@dataclass(frozen=True)
class PlanPoint:
    """A blow.

    Attributes:
        round: Counted from 0; a round is one way there and back.
        phase: Run of the plan that it falls into.
        blow: What is done.
        victim: To which process, or at which site.
        delay_seconds: After the run was asked for.
        away_seconds: How long power or link are away; a process is started again at once.
    """

    round: int
    phase: str
    blow: Blow
    victim: str
    delay_seconds: float
    away_seconds: float

    def __str__(self) -> str:
        away = "" if self.blow is Blow.KILL else f" for {self.away_seconds:.1f} s"
        return f"{self.victim}: {self.blow}{away} after {self.delay_seconds:.1f} s"


def choose_plan_points(
    count: int, seed: int, *, machines: int, at_once: int = 2
) -> list[PlanPoint]:
    """As many blows as asked for, in the order they happen.

    Args:
        count: How many.
        seed: The same seed gives the same blows.
        machines: Of the plan; more of them take longer.
        at_once: Most blows in one run of the plan.
    """
    chance = random.Random(seed)
    points: list[PlanPoint] = []
    runs = 0
    while len(points) < count:
        number, index = divmod(runs, len(PHASES))
        phase = list(PHASES)[index]
        wanted = min(count - len(points), chance.randint(1, at_once))
        chosen = [_choose(chance, number, phase, machines) for _ in range(wanted)]
        points += sorted(chosen, key=lambda each: each.delay_seconds)
        runs += 1
    return points


def points_of(points: Sequence[PlanPoint], number: int, phase: str) -> list[PlanPoint]:
    """The blows that fall into one run of the plan."""
    return [each for each in points if (each.round, each.phase) == (number, phase)]


def _choose(chance: random.Random, number: int, phase: str, machines: int) -> PlanPoint:
    itself, each = PHASES[phase]
    blow, victim = chance.choice(VICTIMS)
    return PlanPoint(
        number,
        phase,
        blow,
        victim,
        chance.uniform(0.0, itself + each * machines),
        chance.uniform(*AWAY_SECONDS),
    )
