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
    """A site's hosts, VMM server and agent are killed and stay dead for a while."""
    CUT = "cut link"
    """Nothing passes between an agent and the gateway for a while."""


Victim = tuple[Blow, str]

# Processes as supervisord names them; for links and power the site.
VICTIMS: tuple[Victim, ...] = (
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
# What a round goes through, with about how many seconds each takes undisturbed: so many for itself
# and so many a machine.
PHASES: dict[str, tuple[float, float]] = {
    "drill": (6.0, 0.5),
    "failover": (4.0, 0.5),
    "disaster": (4.0, 0.5),
    "reverse": (3.0, 0.4),
    "failback": (4.0, 0.5),
    "restore": (3.0, 0.4),
}
# One round leaves by a planned failover, the next because the site is lost.
ROUNDS: tuple[tuple[str, ...], ...] = (
    ("drill", "failover", "reverse", "failback", "restore"),
    ("drill", "disaster", "reverse", "failback", "restore"),
)
# The site that is lost in a disaster, and is dead already.
LOST_SITE = "Shanghai"
OF_LOST_SITE = frozenset({LOST_SITE, f"agent-{LOST_SITE.lower()}"})
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


def phases_of(number: int) -> Sequence[str]:
    """Names of the phases of a round, in order."""
    return ROUNDS[number % len(ROUNDS)]


def victims_of(phase: str) -> Sequence[Victim]:
    """Who can be struck in a phase."""
    if phase != "disaster":
        return VICTIMS
    return [victim for victim in VICTIMS if victim[1] not in OF_LOST_SITE]


def choose_plan_points(
    count: int, seed: int, *, machines: int, at_once: int | None = None
) -> list[PlanPoint]:
    """As many blows as asked for, in the order they happen.

    Args:
        count: How many.
        seed: The same seed gives the same blows.
        machines: Of the plan; more of them take longer.
        at_once: Most blows in one phase; None: more of them the more machines there are.
    """
    chance = random.Random(seed)
    most = max(2, machines // 4) if at_once is None else at_once
    points: list[PlanPoint] = []
    number = 0
    while len(points) < count:
        for phase in phases_of(number):
            wanted = min(count - len(points), chance.randint(1, most))
            chosen = [_choose(chance, number, phase, machines) for _ in range(wanted)]
            points += sorted(chosen, key=lambda each: each.delay_seconds)
        number += 1
    return points


def points_of(points: Sequence[PlanPoint], number: int, phase: str) -> list[PlanPoint]:
    """The blows that fall into one phase."""
    return [each for each in points if (each.round, each.phase) == (number, phase)]


def phases_until(points: Sequence[PlanPoint]) -> list[tuple[int, str]]:
    """The phases from the first round's on to that of the last point, by round and name."""
    if not points:
        return []
    last = points[-1]
    all_phases = [(n, phase) for n in range(last.round + 1) for phase in phases_of(n)]
    return all_phases[: all_phases.index((last.round, last.phase)) + 1]


def _choose(chance: random.Random, number: int, phase: str, machines: int) -> PlanPoint:
    itself, each = PHASES[phase]
    blow, victim = chance.choice(victims_of(phase))
    return PlanPoint(
        number,
        phase,
        blow,
        victim,
        chance.uniform(0.0, itself + each * machines),
        chance.uniform(*AWAY_SECONDS),
    )
