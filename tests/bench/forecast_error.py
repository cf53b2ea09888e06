"""How far a dry run's forecast is from the drill that follows it, on the whole lab.

Simulated hosts work in no time, real ones in seconds to minutes: here making a test machine and
starting it take as long as lognormal chance says, with a seed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from statistics import median
from types import TracebackType
from typing import Any, Self

from azure.core.rest import HttpRequest

from coordinator.config.waiting import wait_for
from deploy.lab.control.connection import Connection
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage, StageOptions
from deploy.lab.site.faults import Fault, FaultKind
from deploy.lab.site.topology import TOPOLOGIES
from deploy.story.story import Narrator, Story
from tests.chaos.plan_lab import CAST, CLOUD, LIMIT_SECONDS, PlanOperator, choose_machines

TITLE = "Forecast of a plan's drill beside the drill"
DRILLS = 5
# Machines and groups of each plan; the larger ones have the machines of the smaller ones too.
PLANS: Mapping[str, tuple[int, int]] = {"small": (4, 2), "medium": (8, 3), "large": (16, 4)}
SCRIPT = r"RPScripts\wait.ps1"
SCRIPT_SECONDS = 20
SPEED = 10.0
# Cmdlets of a drill, and the median of how long each takes, in seconds.
LENGTHS = {"Start-VMFailover": 2.0, "Start-VM": 5.0}
SIGMA = 0.3
SEED = 20150420
API_VERSION = "2025-08-01"


class DrillLab(AbstractContextManager["DrillLab"]):
    """A lab with protected machines and plans of several sizes.

    Args:
        folder: Where everything is kept.
    """

    def __init__(self, folder: Path) -> None:
        topology = TOPOLOGIES / "plan.toml"
        self._stage = Stage(StageOptions(state=folder, topology=topology, speed=SPEED))
        self._operator: PlanOperator | None = None
        self._chance = Random(SEED)

    @property
    def operator(self) -> PlanOperator:
        if self._operator is None:
            self._operator = PlanOperator(Connection.load(self._stage.state))
        return self._operator

    def __enter__(self) -> Self:
        self._stage.up(lambda _: None)
        script = self._stage.state / "sites" / "Beijing" / "library" / SCRIPT.replace("\\", "/")
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f"Start-Sleep -Seconds {SCRIPT_SECONDS}\n", encoding="utf-8")
        story = Story(self._stage, Narrator(), CAST)
        story.pair_clouds()
        self.operator.map_networks("VMNetwork-Shanghai", "VMNetwork-Beijing")
        names = self._protect(self.operator.policy_id(CAST.policy))
        ids = self.operator.item_ids()
        for plan, (machines, groups) in PLANS.items():
            chosen = [ids[name] for name in names[:machines]]
            self._make_plan(plan, [chosen[number::groups] for number in range(groups)])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stage.down()

    def forecast(self, plan: str) -> float:
        """What a dry run says now, in seconds."""
        body = {"properties": {"failoverType": "TestFailover"}}
        answer = self._send("POST", f"{plan}/dryRun", body)
        seconds: float = answer.json()["forecast"]["seconds"]
        return seconds

    def drill(self, plan: str) -> float:
        """Tests the plan and cleans up; gives how long the test took, in seconds."""
        self._take_time(PLANS[plan][0])
        job = self.operator.wait_for_job(
            self._begin(f"{plan}/testFailover", {"properties": {}}), LIMIT_SECONDS
        )
        clean_up = {"properties": {"comments": "bench"}}
        self.operator.wait_for_job(
            self._begin(f"{plan}/testFailoverCleanup", clean_up), LIMIT_SECONDS
        )
        if job.start_time is None or job.end_time is None:
            raise RuntimeError(f"{plan}: the job does not say when it began and ended")
        return (job.end_time - job.start_time).total_seconds()

    def _take_time(self, machines: int) -> None:
        """Has the cmdlets of the next drill take their time; they are taken in turn."""
        admin = Sites(self._stage).admin("Beijing")
        admin.clear_faults()
        for cmdlet, median_seconds in LENGTHS.items():
            for _ in range(machines):
                seconds = median_seconds * self._chance.lognormvariate(0, SIGMA)
                admin.add_fault(Fault(kind=FaultKind.STALL, cmdlet=cmdlet, seconds=seconds))

    def _protect(self, policy: str) -> list[str]:
        cloud = self.operator.clouds()[CLOUD]
        machines = self.operator.machines(cloud)
        names = choose_machines(sorted(machines), max(count for count, _ in PLANS.values()))
        jobs = [
            self.operator.protect(name, cloud, str(machines[name].id), policy) for name in names
        ]
        for job in jobs:
            self.operator.wait_for_job(job, LIMIT_SECONDS)

        def protected() -> bool:
            items = self.operator.protected()
            return all(items[name].protection_state == "Protected" for name in names)

        wait_for("the machines to be protected", protected, LIMIT_SECONDS)
        return names

    def _make_plan(self, name: str, groups: Sequence[Sequence[str]]) -> None:
        fabrics = {each: str(fabric.id) for each, fabric in self.operator.fabrics().items()}
        script = {
            "actionName": "Wait",
            "failoverTypes": ["TestFailover"],
            "failoverDirections": ["PrimaryToRecovery"],
            "customDetails": {
                "instanceType": "ScriptActionDetails",
                "path": SCRIPT,
                "fabricLocation": "Recovery",
            },
        }
        properties = {
            "primaryFabricId": fabrics["VMM-Shanghai"],
            "recoveryFabricId": fabrics["VMM-Beijing"],
            "groups": [
                {
                    "groupType": "Boot",
                    "replicationProtectedItems": [{"id": item} for item in items],
                    "endGroupActions": [script] if number == 0 else [],
                }
                for number, items in enumerate(groups)
            ],
        }
        address = self._send("PUT", name, {"properties": properties}).headers
        self.operator.wait_for_job(job_of(address), LIMIT_SECONDS)

    def _begin(self, path: str, body: object) -> str:
        return job_of(self.operator.when_free(lambda: self._send("POST", path, body)).headers)

    def _send(self, method: str, path: str, body: object) -> Any:
        """Calls the API below the vault's plans."""
        connection = self.operator.connection
        url = (
            f"{connection.endpoint}/subscriptions/{connection.subscription_id}"
            f"/resourceGroups/{connection.resource_group}/providers/Microsoft.RecoveryServices"
            f"/vaults/{connection.vault}/replicationRecoveryPlans/{path}"
        )
        request = HttpRequest(method, url, params={"api-version": API_VERSION}, json=body)
        response = self.operator.recovery.send_request(request)
        response.raise_for_status()
        return response


def job_of(headers: Mapping[str, str]) -> str:
    """The job that an answer names."""
    return headers["Azure-AsyncOperation"].partition("?")[0].rpartition("/")[2]


def measure_once() -> Mapping[tuple[str, str], float]:
    """Five drills of each plan, a forecast, and the sixth drill."""
    found: dict[tuple[str, str], float] = {}
    errors = []
    with DrillLab(Path(tempfile.mkdtemp(prefix="osr-forecast-"))) as lab:
        for plan, (machines, groups) in PLANS.items():
            for _ in range(DRILLS):
                lab.drill(plan)
            expected, took = lab.forecast(plan), lab.drill(plan)
            errors.append(abs(expected - took) / took)
            what = f"{machines} machines in {groups} groups and a script"
            found[f"{what}: forecast after {DRILLS} drills", "s"] = expected
            found[f"{what}: the drill after it", "s"] = took
            found[f"{what}: forecast error", "%"] = errors[-1] * 100
    found["median error of the plans", "%"] = median(errors) * 100
    return found
