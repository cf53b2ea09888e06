"""Plays the story with deaths in it and judges each."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType

from coordinator.config.process_group import ProcessGroup
from deploy.story.story import TO_PRIMARY, TO_RECOVERY, Story
from tests.chaos.points import Point, phases_of_round

# Tasks that are rightly skipped: what they would do has been done before.
RIGHTLY_SKIPPED = {"VmCommit"}
# What a phase does to the machine, each once, whatever died: a second one by another command would
# be a step done twice just as well.
EFFECTS_OF_PHASE = {
    "failover": ("vm.stopped", "failover.prepared", "failover.started", "vm.started"),
    "reverse": ("failover.completed", "replication.reversed", "replication.became_replica"),
    # Back home the machine has its own address again.
    "failback": (
        "vm.stopped",
        "failover.prepared",
        "failover_address.written",
        "failover.started",
        "vm.started",
    ),
    "commit": ("failover.completed",),
    "restore": ("replication.reversed", "replication.became_replica"),
    "protect": ("replication.enabled", "replica.created", "initial_replication.started"),
}


class Killer:
    """Kills one process of a group after a while, if the time comes."""

    def __init__(self, group: ProcessGroup, point: Point | None) -> None:
        self._group = group
        self._point = point
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.killed = False

    def __enter__(self) -> None:
        if self._point is not None:
            self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A phase that ended early leaves the killer its time: the death then falls into the gap
        # to the next phase, which must survive it as well.
        if self._point is not None:
            self._thread.join()

    def _run(self) -> None:
        point = self._point
        if point is None:
            return
        self._over.wait(point.delay_seconds)
        pids = {row.name: row.pid for row in self._group.status()}
        pid = pids.get(point.victim, 0)
        if pid:
            os.kill(pid, signal.SIGKILL)
            self.killed = True


@dataclass
class Verdict:
    """What a campaign came to; JSON of `tests/chaos/run --json`.

    Attributes:
        points: Deaths that were to happen.
        right: Deaths after which the phase ended as it should have.
        duplicate_effects: Effects a command had more than once.
        skipped_steps: Tasks skipped that had something to do.
        records_lost: Ledger records missing after failovers, all of them planned.
        problems: What went wrong, in words.
    """

    points: int
    right: int = 0
    duplicate_effects: int = 0
    skipped_steps: int = 0
    records_lost: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        clean = not (self.duplicate_effects or self.skipped_steps or self.records_lost)
        return clean and self.right == self.points and not self.problems

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "ok": self.ok}


class Campaign:
    """Rounds of the story on a stage that is up."""

    def __init__(self, story: Story, points: Sequence[Point], tell: Callable[[str], None]) -> None:
        self._story = story
        self._points = {(point.round, point.phase): point for point in points}
        self._tell = tell
        self._group = story.stage.group()
        self.verdict = Verdict(points=len(points))

    def run(self) -> Verdict:
        """Plays as many rounds as the points need; stops at the first phase that goes wrong."""
        rounds = max((number for number, _ in self._points), default=0) + 1
        try:
            for number in range(rounds):
                for phase in phases_of_round(number):
                    self._play(number, phase)
        except Exception as error:  # noqa: BLE001 - the border: a phase that failed is a verdict
            self.verdict.problems.append(f"{type(error).__name__}: {error}")
        self._count()
        return self.verdict

    def _play(self, number: int, phase: str) -> None:
        point = self._points.get((number, phase))
        killer = Killer(self._group, point)
        before = self._effects()
        with killer:
            self._phases()[phase]()
        self._judge_effects(phase, self._effects() - before)
        if point is None:
            return
        if not killer.killed:
            raise RuntimeError(f"{point.victim} was not running when it was to be killed")
        self.verdict.right += 1
        self._tell(f"{number}/{phase}: {point.victim} killed after {point.delay_seconds:.1f} s")

    def _effects(self) -> Counter[str]:
        """How often what happened to the machine, at either site, by a command."""
        machine = self._story.sites.machine(self._story.cast.machine).vm_id
        effects = self._story.sites.effects()
        return Counter(e.effect for e in effects if e.target == machine and e.command_id)

    def _judge_effects(self, phase: str, happened: Counter[str]) -> None:
        expected = Counter(EFFECTS_OF_PHASE.get(phase, ()))
        self.verdict.duplicate_effects += (happened - expected).total()
        self.verdict.skipped_steps += (expected - happened).total()
        if happened != expected:
            self.verdict.problems.append(f"{phase}: {dict(happened)} happened")

    def _phases(self) -> dict[str, Callable[[], None]]:
        story, cast = self._story, self._story.cast
        there, back = cast.target_site, cast.source_site
        return {
            "pair": story.pair_clouds,
            "protect": story.protect_machine,
            "failover": lambda: story.planned_failover(TO_RECOVERY, back, there),
            "reverse": lambda: story.reverse(TO_PRIMARY, back),
            "failback": lambda: story.planned_failover(TO_PRIMARY, there, back),
            "commit": story.commit,
            "restore": lambda: story.reverse(TO_RECOVERY, there),
        }

    def _count(self) -> None:
        verdict, story = self.verdict, self._story
        verdict.records_lost = story.report.records_lost
        verdict.duplicate_effects += story.sites.duplicate_effects()
        for job in story.operator.jobs():
            properties = job.properties
            for task in (properties.tasks or []) if properties else []:
                skipped = task.state == "Skipped" or task.state_description == "Skipped"
                if skipped and task.name not in RIGHTLY_SKIPPED:
                    verdict.skipped_steps += 1
                    verdict.problems.append(f"task {task.name} of job {job.name} was skipped")
