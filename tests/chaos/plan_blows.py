"""Strikes at a plan's lab while something runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from coordinator.config.waiting import wait_for
from deploy.lab.control.links import link_program
from deploy.lab.control.stage import agent_program, site_program
from tests.chaos.plan_lab import PlanLab
from tests.chaos.plan_points import VICTIMS, Blow, PlanPoint

START_LIMIT_SECONDS = 60.0


class Blows:
    """Strikes when the time of each comes; all have been struck when the block ends.

    What ends early leaves the rest their time: they then fall into the gap after it, which has to
    be survived as well.

    Args:
        lab: Who is struck.
        points: In order of their time.
        tell: Hears of each.
    """

    def __init__(
        self, lab: PlanLab, points: Sequence[PlanPoint], tell: Callable[[str], None]
    ) -> None:
        self._lab = lab
        self._points = points
        self._tell = tell
        self._never = threading.Event()
        # One blow at a time for each program; a site's power is its agent's.
        self._turns = {victim: threading.Lock() for _, victim in VICTIMS}
        self._threads = [
            threading.Thread(target=self._run, args=(point,), daemon=True) for point in points
        ]
        self.struck = 0
        self.problems: list[str] = []

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for thread in self._threads:
            thread.join()

    def _run(self, point: PlanPoint) -> None:
        self._never.wait(point.delay_seconds)
        try:
            self._strike(point)
        except Exception as error:  # noqa: BLE001 - the border: a blow that failed is a verdict
            self.problems.append(f"{point}: {type(error).__name__}: {error}")
        else:
            self.struck += 1
            self._tell(f"{point.round}/{point.phase}: {point}")

    def _strike(self, point: PlanPoint) -> None:
        if point.blow is Blow.KILL:
            self._kill(point.victim)
        elif point.blow is Blow.POWER:
            self._lose_power(point.victim, point.away_seconds)
        else:
            self._cut_link(point.victim, point.away_seconds)

    def _kill(self, program: str) -> None:
        """Kills it; one that just died of another blow is waited for."""
        with self._turns[program]:
            os.kill(self._running(program), signal.SIGKILL)

    def _lose_power(self, site: str, away_seconds: float) -> None:
        """Takes the power from a site that has it; its agent is on it."""
        sites = self._lab.sites()
        with self._turns[agent_program(site)]:
            for program in (agent_program(site), site_program(site)):
                self._running(program)
            sites.kill(site)
            self._never.wait(away_seconds)
            sites.start(site)

    def _cut_link(self, site: str, away_seconds: float) -> None:
        self._lab.sites().cut_agent(site)
        self._never.wait(away_seconds)
        self._lab.stage.group().resume_program(link_program(site))

    def _running(self, program: str) -> int:
        """Its process id, once it runs."""
        group = self._lab.stage.group()

        def pid() -> int | None:
            return next((row.pid for row in group.status() if row.name == program), 0) or None

        return wait_for(f"{program} to run", pid, START_LIMIT_SECONDS)
