"""Judges what became of the machines of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from coordinator.config.waiting import WaitTimeoutError, wait_for
from deploy.lab import judge
from deploy.lab.site.admin import SiteAdmin
from deploy.lab.site.effects import Effect

OWNERS_LIMIT_SECONDS = 180.0
SCRIPT_BEGUN = "script.begun"


@dataclass
class PlanVerdict:
    """What a campaign came to; JSON of `tests/chaos/run --scenario plan --json`.

    Attributes:
        points: Blows that were to be struck.
        machines: In the plan.
        struck: Blows struck.
        runs: Phases that ended right.
        jobs_restarted: How often a failed run was had go on, or repeated, as a person would.
        jobs_resumed: How often a manual action was answered.
        resynchronized: How often a machine was compared anew, as a person would.
        duplicate_effects: Effects a command had more than once.
        scripts_twice: Times a script ran that nobody had asked for.
        owners_wrong: Machines that did not run exactly once, where they should, after a phase.
        double_running_seconds: For how long a machine ran twice on production networks, in all.
        wrong_disks: Machines whose disks are not a recovery point of their failover.
        records_lost: Ledger records missing after planned failovers.
        records_lost_unplanned: Those that were not sent when a site was lost; no fault of anybody.
        seconds: How long it took, without bringing the lab up.
        problems: What went wrong, in words.
    """

    points: int
    machines: int
    struck: int = 0
    runs: int = 0
    jobs_restarted: int = 0
    jobs_resumed: int = 0
    resynchronized: int = 0
    duplicate_effects: int = 0
    scripts_twice: int = 0
    owners_wrong: int = 0
    double_running_seconds: float = 0.0
    wrong_disks: int = 0
    records_lost: int = 0
    records_lost_unplanned: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        wrong = self.duplicate_effects + self.owners_wrong + self.wrong_disks + self.records_lost
        wrong += self.scripts_twice
        clean = not wrong and not self.double_running_seconds and not self.problems
        return clean and self.struck == self.points

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "ok": self.ok}


class JudgedSites(Protocol):
    """What is looked at; `Sites` of a lab."""

    def admin(self, site: str) -> SiteAdmin:
        """Tells of a site's machines."""

    def effects(self) -> list[Effect]:
        """All journals, in order of time."""


class PlanJudge:
    """Looks at the lab, never at the product.

    Args:
        sites: The lab's.
        vm_ids: Ids of the plan's machines by name.
        verdict: Gets what is found.
        patience_seconds: How long machines may take to run where they should.
    """

    def __init__(
        self,
        sites: JudgedSites,
        vm_ids: Mapping[str, str],
        verdict: PlanVerdict,
        patience_seconds: float = OWNERS_LIMIT_SECONDS,
    ) -> None:
        self._sites = sites
        self._vm_ids = vm_ids
        self._verdict = verdict
        self._patience_seconds = patience_seconds
        # Runs of scripts until the last look, and how many of them were asked for.
        self._scripts = (0, 0)

    def planned_arrival(self, origin: str, destination: str) -> None:
        """What left is what arrived: disks of one recovery point, no record lost."""
        left = {
            effect.target: effect.details["digests"]
            for effect in self._sites.effects()
            if effect.effect == "failover.started" and effect.site == destination
        }
        here, there = self._sites.admin(origin), self._sites.admin(destination)
        for name, vm_id in self._vm_ids.items():
            if here.digest(name).digests != left.get(vm_id):
                self._wrong_disks(f"disks of {name} are not what left {origin}")
            written, found = here.ledger(name).last_written, there.ledger(name).boot_last_found
            lost = max(0, written - (found or 0))
            self._verdict.records_lost += lost
            if lost:
                self._verdict.problems.append(f"{name} lost {lost} of {written} records")

    def unplanned_arrival(self, origin: str, destination: str) -> None:
        """What arrived is the machine as it was at one moment: records without a gap."""
        here, there = self._sites.admin(origin), self._sites.admin(destination)
        for name in self._vm_ids:
            written, found = here.ledger(name).last_written, there.ledger(name)
            if found.gaps or not found.boot_last_found or found.boot_last_found > written:
                self._wrong_disks(
                    f"{name} came to {destination} with {found.gaps} gaps and its records up to"
                    f" {found.boot_last_found} of {written}"
                )
            self._verdict.records_lost_unplanned += max(0, written - (found.boot_last_found or 0))

    def owners(self, site: str) -> None:
        """Every machine runs once, and there."""
        expected = dict.fromkeys(self._vm_ids.values(), site)

        def wrong() -> dict[str, list[judge.Copy]]:
            return judge.owners_wrong(self._sites.effects(), expected)

        try:
            # A site that lost its power starts its machines after their delay.
            wait_for("owners", lambda: not wrong(), self._patience_seconds)
        except WaitTimeoutError:
            found = wrong()
            self._verdict.owners_wrong += len(found)
            self._verdict.problems.append(f"owners at {site} are wrong: {found}")

    def no_test_machines(self) -> None:
        """Nothing is left of a drill."""
        effects = self._sites.effects()
        began = [each for each in effects if each.effect == "test_failover.started"]
        ended = {
            each.details["test_vm"] for each in effects if each.effect == "test_failover.stopped"
        }
        left = [each.details["name"] for each in began if each.details["test_vm"] not in ended]
        if left:
            self._verdict.problems.append(f"test machines are left: {left}")

    def scripts(self, asked: int, *, needed: bool = False) -> None:
        """Since the last look a script ran at most as often as somebody asked for it.

        Args:
            asked: Runs of the plan with the script in them until now, and restarts of them.
            needed: At least once, too.
        """
        begun = sum(effect.effect == SCRIPT_BEGUN for effect in self._sites.effects())
        new, new_asked = begun - self._scripts[0], asked - self._scripts[1]
        self._scripts = (begun, asked)
        if new > new_asked:
            self._verdict.scripts_twice += new - new_asked
            self._add(f"scripts began {new} times and were asked for {new_asked} times")
        elif needed and not new:
            self._add("the script did not run")

    def journals(self) -> None:
        """Nothing ever happened twice, and no machine ran twice."""
        effects = self._sites.effects()
        verdict = self._verdict
        verdict.duplicate_effects = judge.duplicate_effects(effects)
        verdict.double_running_seconds = judge.double_running_seconds(effects, datetime.now(UTC))
        for effect in judge.started_from_unknown_disks(effects):
            text = f"{effect.target} started at {effect.site} from disks of no recovery point"
            if text not in verdict.problems:
                self._wrong_disks(text)
        if verdict.duplicate_effects or verdict.double_running_seconds:
            self._add("effects happened twice, or machines ran twice")

    def _wrong_disks(self, text: str) -> None:
        self._verdict.wrong_disks += 1
        self._verdict.problems.append(text)

    def _add(self, text: str) -> None:
        if text not in self._verdict.problems:
            self._verdict.problems.append(text)
