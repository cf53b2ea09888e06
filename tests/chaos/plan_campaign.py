"""Plays a recovery plan there and back, again and again, with blows in it, and judges each run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from azure.core.exceptions import HttpResponseError

from coordinator.config.waiting import wait_for
from deploy.lab.control.operator import JobFailedError
from deploy.lab.control.sites import Sites
from deploy.lab.site.admin_records import MachineStatus
from deploy.story.story import TO_PRIMARY, TO_RECOVERY
from tests.chaos.plan_blows import Blows
from tests.chaos.plan_judge import PlanJudge, PlanVerdict
from tests.chaos.plan_lab import PlanLab
from tests.chaos.plan_points import LOST_SITE, PlanPoint, phases_until, points_of
from tests.chaos.plan_runs import TRIES, PlanRuns

STATE_LIMIT_SECONDS = 600.0
PLANNED, UNPLANNED = (
    f"{kind}FailoverCommitPendingStatesBegin" for kind in ("Planned", "Unplanned")
)
# What a machine at rest shows that a person has to have compared again.
RESYNCHRONIZE = "WaitingForStartResynchronize"
COMPARING = frozenset({RESYNCHRONIZE, "Resynchronizing", "ResynchronizeSuspended"})
# Where the machines run after a phase.
RUN_AT = {
    "drill": "Shanghai",
    "failover": "Beijing",
    "disaster": "Beijing",
    "reverse": "Beijing",
    "failback": "Shanghai",
    "restore": "Shanghai",
}


class PlanCampaign:
    """Rounds of a plan on a lab that is up.

    Args:
        lab: Up.
        points: When what is struck.
        tell: Hears how it goes.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        lab: PlanLab,
        points: Sequence[PlanPoint],
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lab = lab
        self._points = points
        self._tell = tell
        self._clock = clock
        self._sites: Sites = lab.sites()
        self.verdict = PlanVerdict(points=len(points), machines=len(lab.names))
        self._judge = PlanJudge(self._sites, lab.vm_ids(), self.verdict)
        self._runs = PlanRuns(lab.operator, self.verdict, self._compare, tell)

    def run(self) -> PlanVerdict:
        """Plays all phases up to the last point's; stops at the first that goes wrong."""
        began = self._clock()
        try:
            for number, phase in phases_until(self._points):
                self._play(number, phase)
        except Exception as error:  # noqa: BLE001 - the border: a run that failed is a verdict
            self.verdict.problems.append(f"{type(error).__name__}: {error}")
        self._judge.journals()
        self.verdict.seconds = round(self._clock() - began, 1)
        return self.verdict

    def _play(self, number: int, phase: str) -> None:
        began = self._clock()
        blows = Blows(self._lab, points_of(self._points, number, phase), self._tell)
        try:
            with blows:
                self._phase(phase)
        finally:
            self.verdict.struck += blows.struck
            self.verdict.problems += blows.problems
        self._judge_phase(phase)
        if self.verdict.problems:
            raise JobFailedError(f"stopped after {number}/{phase}")
        self.verdict.runs += 1
        self._tell(f"{number}/{phase}: right after {self._clock() - began:.0f} s")

    def _phase(self, phase: str) -> None:
        if phase == "drill":
            self._drill()
        elif phase == "disaster":
            self._disaster()
        elif phase == "failover":
            direction = {"failoverDirection": TO_RECOVERY}
            self._runs.until("planned_failover", direction, self._at("Recovery", PLANNED))
        elif phase == "failback":
            direction = {"failoverDirection": TO_PRIMARY}
            self._runs.until("planned_failover", direction, self._at("Primary", PLANNED))
        else:
            self._runs.until("failover_commit", {}, self._all_in("CommitFailoverCompleted"))
            self._runs.until("reprotect", {}, self._lab.all_protected, rests=STATE_LIMIT_SECONDS)
            self._replicates()

    def _judge_phase(self, phase: str) -> None:
        if phase == "failover":
            self._judge.planned_arrival("Shanghai", "Beijing")
        elif phase == "failback":
            self._judge.planned_arrival("Beijing", "Shanghai")
        elif phase == "disaster":
            self._judge.unplanned_arrival("Shanghai", "Beijing")
        elif phase == "drill":
            self._judge.no_test_machines()
        self._judge.owners(RUN_AT[phase])
        self._judge.scripts(self._runs.asked, needed=phase in {"drill", "failover"})
        self._judge.journals()

    # Phases

    def _drill(self) -> None:
        """Test machines beside production, all of them once, and nothing left of them."""
        network = self._lab.operator.network_id("TestNetwork-Beijing")
        wanted = {
            "failoverDirection": TO_RECOVERY,
            "networkType": "VmNetworkAsInput",
            "networkId": network,
        }
        for _ in range(TRIES):
            whole = self._runs.once("test_failover", wanted, self._tested("Active"))
            if not self._tested("None")():
                comments = {"comments": "Seen."}
                self._runs.until("test_failover_cleanup", comments, self._tested("None"))
            if whole:
                return
            self.verdict.jobs_restarted += 1
        raise JobFailedError(f"test_failover: {TRIES} runs did not test every machine")

    def _disaster(self) -> None:
        """A site is lost; the plan runs without it; it comes back and its copies are held."""
        self._sites.kill(LOST_SITE)
        wanted = {"failoverDirection": TO_RECOVERY, "sourceSiteOperations": "NotRequired"}
        self._runs.until("unplanned_failover", wanted, self._at("Recovery", UNPLANNED))
        self._sites.start(LOST_SITE)
        server = self._lab.stage.topology.site(LOST_SITE).fabric_name
        wait_for(
            f"{server} to be connected",
            lambda: self._lab.operator.server_state(server) == "Connected",
            STATE_LIMIT_SECONDS,
        )

    # States

    def _at(self, location: str, state: str) -> Callable[[], bool]:
        def there() -> bool:
            items = self._lab.operator.protected()
            return all(
                (items[name].active_location, items[name].protection_state) == (location, state)
                for name in self._lab.names
            )

        return there

    def _all_in(self, state: str) -> Callable[[], bool]:
        def there() -> bool:
            items = self._lab.operator.protected()
            return all(items[name].protection_state == state for name in self._lab.names)

        return there

    def _tested(self, state: str) -> Callable[[], bool]:
        def there() -> bool:
            items = self._lab.operator.protected()
            return all(items[name].test_failover_state == state for name in self._lab.names)

        return there

    def _replicates(self) -> None:
        """Every machine replicates at the lab."""
        self._settle(lambda machine: machine.replication_state != "Replicating")

    def _compare(self) -> None:
        """What has to be compared before it can fail over is: a host went down under it."""
        self._settle(lambda machine: machine.replication_state in COMPARING)

    def _settle(self, unsettled: Callable[[MachineStatus], bool]) -> None:
        """Waits for copies of protected machines; what asks for a comparison gets it, once."""
        asked: set[str] = set()

        def settled() -> bool:
            items = self._lab.operator.protected()
            rest = [
                machine
                for machine in self._sites.machines()
                if machine.name in self._lab.names
                and items[machine.name].protection_state == "Protected"
                and unsettled(machine)
            ]
            for machine in rest:
                waits = machine.replication_state == RESYNCHRONIZE
                if waits and machine.name not in asked and self._resynchronized(machine.name):
                    asked.add(machine.name)
            return not rest

        wait_for("every machine to replicate", settled, STATE_LIMIT_SECONDS)

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
