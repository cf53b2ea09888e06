"""Plays a recovery plan there and back, again and again, with blows in it, and judges each run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial

from azure.core.exceptions import HttpResponseError

from coordinator.config.waiting import WaitTimeoutError, wait_for
from deploy.lab import judge
from deploy.lab.control.operator import ENDED, JobFailedError, error_text
from deploy.lab.control.sites import Sites
from deploy.lab.site.effects import Effect
from deploy.story.story import TO_PRIMARY, TO_RECOVERY
from tests.chaos.plan_blows import Blows
from tests.chaos.plan_lab import PlanLab
from tests.chaos.plan_points import PHASES, PlanPoint, points_of

JOB_LIMIT_SECONDS = 300.0
STATE_LIMIT_SECONDS = 180.0
# How often a person would have one run go on before asking somebody.
RESTARTS = 4
# What a machine at rest shows that a person has to have compared again.
RESYNCHRONIZE = "WaitingForStartResynchronize"


@dataclass
class PlanVerdict:
    """What a campaign came to; JSON of `tests/chaos/run --scenario plan --json`.

    Attributes:
        points: Blows that were to be struck.
        machines: In the plan.
        struck: Blows struck.
        runs: Runs of the plan that ended right.
        jobs_restarted: How often a failed run was had go on, as a person would.
        resynchronized: How often a machine was compared anew, as a person would.
        duplicate_effects: Effects a command had more than once.
        owners_wrong: Machines that did not run exactly once, where they should, after a run.
        double_running_seconds: For how long a machine ran twice on production networks, in all.
        wrong_disks: Machines whose disks are not the recovery point of their failover.
        records_lost: Ledger records missing after failovers, all of them planned.
        problems: What went wrong, in words.
    """

    points: int
    machines: int
    struck: int = 0
    runs: int = 0
    jobs_restarted: int = 0
    resynchronized: int = 0
    duplicate_effects: int = 0
    owners_wrong: int = 0
    double_running_seconds: float = 0.0
    wrong_disks: int = 0
    records_lost: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        wrong = self.duplicate_effects + self.owners_wrong + self.wrong_disks + self.records_lost
        clean = not wrong and not self.double_running_seconds and not self.problems
        return clean and self.struck == self.points

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "ok": self.ok}


class PlanCampaign:
    """Rounds of a plan on a lab that is up."""

    def __init__(
        self, lab: PlanLab, points: Sequence[PlanPoint], tell: Callable[[str], None]
    ) -> None:
        self._lab = lab
        self._points = points
        self._tell = tell
        self._sites: Sites = lab.sites()
        self.verdict = PlanVerdict(points=len(points), machines=len(lab.names))

    def run(self) -> PlanVerdict:
        """Plays as many rounds as the points need; stops at the first run that goes wrong."""
        rounds = max((point.round for point in self._points), default=0) + 1
        try:
            for number in range(rounds):
                for phase in PHASES:
                    self._play(number, phase)
        except Exception as error:  # noqa: BLE001 - the border: a run that failed is a verdict
            self.verdict.problems.append(f"{type(error).__name__}: {error}")
        self._judge_journals()
        return self.verdict

    def _play(self, number: int, phase: str) -> None:
        blows = Blows(self._lab, points_of(self._points, number, phase), self._tell)
        try:
            with blows:
                self._phase(phase)
        finally:
            self.verdict.struck += blows.struck
            self.verdict.problems += blows.problems
        site = "Beijing" if phase in {"failover", "reverse"} else "Shanghai"
        if phase in {"failover", "failback"}:
            self._judge_arrival("Shanghai" if site == "Beijing" else "Beijing", site)
        self._judge_owners(site)
        self._judge_journals()
        if self.verdict.problems:
            raise JobFailedError(f"stopped after {number}/{phase}")
        self.verdict.runs += 1
        self._tell(f"{number}/{phase}: right")

    def _phase(self, phase: str) -> None:
        if phase == "failover":
            self._until("planned_failover", TO_RECOVERY, lambda: self._located("Recovery"))
        elif phase == "failback":
            self._until("planned_failover", TO_PRIMARY, lambda: self._located("Primary"))
        else:
            self._until("failover_commit", "", lambda: self._all_in("CommitFailoverCompleted"))
            self._until("reprotect", "", self._lab.all_protected, rests=STATE_LIMIT_SECONDS)
            self._replicates()

    # A run of the plan

    def _until(
        self, verb: str, direction: str, done: Callable[[], bool], *, rests: float = 10.0
    ) -> None:
        """Runs the plan and has it go on, as a person would, until its machines are there."""
        operator = self._lab.operator
        for _ in range(RESTARTS):
            begun = operator.when_free(lambda: operator.run_plan(verb, direction))
            job = self._end(begun)
            try:
                wait_for(f"{verb} of every machine", done, rests)
            except WaitTimeoutError:
                states = {n: i.protection_state for n, i in operator.protected().items()}
                self._tell(f"{verb} ended {job}, machines are {states}: run again")
                self.verdict.jobs_restarted += 1
            else:
                return
        raise JobFailedError(f"{verb}: {RESTARTS} runs did not bring every machine there")

    def _end(self, job: str) -> str:
        """Follows a job to its end; one that failed and can go on is restarted."""
        operator = self._lab.operator

        def ended() -> str | None:
            state = operator.job(job).state
            return str(state) if state in ENDED else None

        for _ in range(RESTARTS):
            state = wait_for(f"job {job}", ended, JOB_LIMIT_SECONDS)
            seen = operator.job(job)
            if state == "Succeeded":
                return state
            texts = "; ".join(error_text(error) for error in seen.errors or [])
            self._tell(f"{seen.friendly_name} {state}: {texts}")
            if "Restart" not in (seen.allowed_actions or []):
                return state
            self.verdict.jobs_restarted += 1
            operator.when_free(lambda: operator.restart(job))
        raise JobFailedError(f"job {job} failed {RESTARTS} times")

    # States

    def _located(self, location: str) -> bool:
        items = self._lab.operator.protected()
        return all(
            items[name].active_location == location
            and items[name].protection_state == "PlannedFailoverCommitPendingStatesBegin"
            for name in self._lab.names
        )

    def _all_in(self, state: str) -> bool:
        items = self._lab.operator.protected()
        return all(items[name].protection_state == state for name in self._lab.names)

    def _replicates(self) -> None:
        """Every machine replicates at the lab; what asks for a comparison gets it, once."""
        asked: set[str] = set()

        def replicate() -> bool:
            rest = [
                machine
                for machine in self._sites.machines()
                if machine.name in self._lab.names and machine.replication_state != "Replicating"
            ]
            for machine in rest:
                waits = machine.replication_state == RESYNCHRONIZE
                if waits and machine.name not in asked and self._resynchronized(machine.name):
                    asked.add(machine.name)
            return not rest

        wait_for("every machine to replicate", replicate, STATE_LIMIT_SECONDS)

    def _resynchronized(self, name: str) -> bool:
        """Has a machine compared anew; False while the product has not seen that it waits."""
        operator = self._lab.operator
        item_id = operator.item_ids()[name]
        try:
            operator.when_free(partial(operator.resynchronize, item_id))
        except HttpResponseError as problem:
            if problem.error is None or problem.error.code != "OperationNotAllowed":
                raise
            return False
        self.verdict.resynchronized += 1
        return True

    # Judgement

    def _judge_arrival(self, origin: str, destination: str) -> None:
        """What left is what arrived: disks of one recovery point, no record lost."""
        left = {
            effect.target: effect.details["digests"]
            for effect in self._sites.effects()
            if effect.effect == "failover.started" and effect.site == destination
        }
        here, there = self._sites.admin(origin), self._sites.admin(destination)
        for name, vm_id in self._lab.vm_ids().items():
            if here.digest(name).digests != left.get(vm_id):
                self.verdict.wrong_disks += 1
                self.verdict.problems.append(f"disks of {name} are not what left {origin}")
            written, found = here.ledger(name).last_written, there.ledger(name).boot_last_found
            lost = max(0, written - (found or 0))
            self.verdict.records_lost += lost
            if lost:
                self.verdict.problems.append(f"{name} lost {lost} of {written} records")

    def _judge_owners(self, site: str) -> None:
        expected = dict.fromkeys(self._lab.vm_ids().values(), site)

        def wrong() -> dict[str, list[judge.Copy]]:
            return judge.owners_wrong(self._sites.effects(), expected)

        try:
            # A site that lost its power starts its machines after their delay.
            wait_for("owners", lambda: not wrong(), 60.0)
        except WaitTimeoutError:
            found = wrong()
            self.verdict.owners_wrong += len(found)
            self.verdict.problems.append(f"owners at {site} are wrong: {found}")

    def _judge_journals(self) -> None:
        effects: list[Effect] = self._sites.effects()
        verdict = self.verdict
        verdict.duplicate_effects = self._sites.duplicate_effects()
        verdict.double_running_seconds = judge.double_running_seconds(effects, datetime.now(UTC))
        unknown = judge.started_from_unknown_disks(effects)
        for effect in unknown:
            text = f"{effect.target} started at {effect.site} from disks of no recovery point"
            if text not in verdict.problems:
                verdict.wrong_disks += 1
                verdict.problems.append(text)
        if verdict.duplicate_effects or verdict.double_running_seconds:
            text = "effects happened twice, or machines ran twice"
            verdict.problems += [] if text in verdict.problems else [text]
