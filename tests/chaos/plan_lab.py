"""The lab a recovery plan is played on: machines in three tiers, an action between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicessiterecovery import models

from coordinator.config.waiting import wait_for
from deploy.lab.control.connection import Connection
from deploy.lab.control.operator import Operator
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage, StageOptions
from deploy.lab.site.topology import TOPOLOGIES
from deploy.story.story import Cast, Narrator, Story

T = TypeVar("T")

PLAN = "shop"
# ASR's code of a refusal because another operation has the machine.
IN_PROGRESS = "532"
TIERS = ("db", "app", "web")
CLOUD = "ShopCloud1"
LIMIT_SECONDS = 300.0
FABRICS = "replicationFabrics"
CONTAINERS = "replicationProtectionContainers"
ITEMS = "replicationProtectedItems"
NETWORKS = "replicationNetworks"
SCRIPT = "RPScripts/told.ps1"
SCRIPT_TEXT = """param([string] $Context)
Start-Sleep -Seconds 5
Write-Output 'told'
"""
DIRECTIONS = ["PrimaryToRecovery"]
ACTIONS = [
    models.RecoveryPlanAction(
        action_name="Tell",
        failover_types=["TestFailover", "PlannedFailover", "UnplannedFailover"],
        failover_directions=DIRECTIONS,
        custom_details=models.RecoveryPlanScriptActionDetails(
            fabric_location="Recovery", path=SCRIPT.replace("/", "\\"), timeout="PT5M"
        ),
    ),
    models.RecoveryPlanAction(
        action_name="Look",
        failover_types=["PlannedFailover"],
        failover_directions=DIRECTIONS,
        custom_details=models.RecoveryPlanManualActionDetails(description="Look at the databases."),
    ),
]
CAST = Cast(source_cloud=CLOUD, target_cloud="ShopCloud2")


def word_after(resource_id: str, kind: str) -> str:
    """The name that follows a word in a resource id."""
    words = resource_id.split("/")
    return words[words.index(kind) + 1]


class PlanOperator(Operator):
    """An operator who works with recovery plans."""

    def protected(self) -> dict[str, models.ReplicationProtectedItemProperties]:
        """Protected machines by name."""
        items = self.recovery.replication_protected_items.list(*self._where)
        return {str(i.properties.friendly_name): i.properties for i in items if i.properties}

    def item_ids(self) -> dict[str, str]:
        items = self.recovery.replication_protected_items.list(*self._where)
        return {str(i.properties.friendly_name): str(i.id) for i in items if i.properties}

    def map_networks(self, source: str, target: str) -> None:
        """Connects replicas to the network that belongs to their machines'."""
        here, there = self.network_id(source), self.network_id(target)
        body = models.CreateNetworkMappingInput(
            properties=models.CreateNetworkMappingInputProperties(
                recovery_fabric_name=word_after(there, FABRICS),
                recovery_network_id=there,
                fabric_specific_details=models.VmmToVmmCreateNetworkMappingInput(),
            )
        )
        begin = self.recovery.replication_network_mappings.begin_create
        where = (word_after(here, FABRICS), word_after(here, NETWORKS))
        self.wait_for_job(self._begin(begin, *where, PLAN, body), LIMIT_SECONDS)

    def make_plan(self, groups: Sequence[Sequence[str]]) -> None:
        """A plan with a boot group for each list of item ids.

        After the first group a script runs at the recovery site whenever the plan goes there; in
        planned failovers somebody then has to look before it goes on.
        """
        fabrics = {name: str(fabric.id) for name, fabric in self.fabrics().items()}
        body = models.CreateRecoveryPlanInput(
            properties=models.CreateRecoveryPlanInputProperties(
                primary_fabric_id=fabrics["VMM-Shanghai"],
                recovery_fabric_id=fabrics["VMM-Beijing"],
                groups=[
                    models.RecoveryPlanGroup(
                        group_type="Boot",
                        replication_protected_items=[
                            models.RecoveryPlanProtectedItem(id=item) for item in items
                        ],
                        end_group_actions=[] if number else ACTIONS,
                    )
                    for number, items in enumerate(groups)
                ],
            )
        )
        plans = self.recovery.replication_recovery_plans
        plans.begin_create(*self._where, PLAN, body).result()

    def run_plan(self, verb: str, properties: Mapping[str, str]) -> str:
        """Begins an operation of the plan; gives the job's name.

        Args:
            verb: The SDK's, for example "planned_failover".
            properties: Of the request; empty for operations that take none.
        """
        begin = getattr(self.recovery.replication_recovery_plans, f"begin_{verb}")
        body: list[Any] = [{"properties": dict(properties)}] if properties else []
        return self._begin(begin, PLAN, *body)

    def when_free(self, begin: Callable[[], T]) -> T:
        """Asks again, as a person would, as long as another operation is in progress."""

        def begun() -> tuple[T] | None:
            try:
                return (begin(),)
            except HttpResponseError as problem:
                if problem.error is None or problem.error.code != IN_PROGRESS:
                    raise
                return None

        [answer] = wait_for("other operations to end", begun, LIMIT_SECONDS)
        return answer

    def restart(self, job: str) -> None:
        """Has a failed job go on where it failed."""
        self._begin(self.recovery.replication_jobs.begin_restart, job)

    def resume(self, job: str) -> None:
        """Has a job go on that waits for somebody."""
        body = {"properties": {"comments": "Looked at it."}}
        self._begin(self.recovery.replication_jobs.begin_resume, job, body)

    def network_id(self, name: str) -> str:
        """Id of a VM network."""
        networks = self.recovery.replication_networks.list(*self._where)
        return next(
            str(network.id)
            for network in networks
            if network.properties and network.properties.friendly_name == name
        )

    def resynchronize(self, item_id: str) -> None:
        """Has a machine compare its disks with the replica's."""
        begin = self.recovery.replication_protected_items.begin_repair_replication
        self._begin(begin, *(word_after(item_id, kind) for kind in (FABRICS, CONTAINERS, ITEMS)))

    def policy_id(self, name: str) -> str:
        """Id of a replication policy."""
        policies = self.recovery.replication_policies.list(*self._where)
        return next(str(policy.id) for policy in policies if policy.name == name)


class PlanLab:
    """A stage whose machines are protected and in a plan.

    Args:
        folder: Where everything is kept.
        machines: How many of the topology's are protected.
        speed: Replication intervals pass so many times faster.
    """

    def __init__(self, folder: Path, machines: int, speed: float = 10.0) -> None:
        topology = TOPOLOGIES / "plan.toml"
        self.stage = Stage(StageOptions(state=folder, topology=topology, speed=speed))
        self._wanted = machines
        self.names: list[str] = []
        self._operator: PlanOperator | None = None

    @property
    def operator(self) -> PlanOperator:
        if self._operator is None:
            self._operator = PlanOperator(Connection.load(self.stage.state))
        return self._operator

    def up(self, tell: Callable[[str], None]) -> None:
        """Everything up to a plan whose machines replicate."""
        self.stage.up(tell)
        tell("protecting the machines")
        story = Story(self.stage, Narrator(), CAST)
        story.pair_clouds()
        self.operator.map_networks("VMNetwork-Shanghai", "VMNetwork-Beijing")
        self._protect(self.operator.policy_id(CAST.policy))
        self._make_plan()

    def down(self) -> None:
        self.stage.down()

    def sites(self) -> Sites:
        return Sites(self.stage)

    def vm_ids(self) -> dict[str, str]:
        """Ids of the plan's machines by name."""
        return {m.name: m.vm_id for m in self.sites().machines() if m.name in self.names}

    def _protect(self, policy: str) -> None:
        cloud = self.operator.clouds()[CLOUD]
        machines = self.operator.machines(cloud)
        self.names = choose_machines(sorted(machines), self._wanted)
        jobs = [
            self.operator.protect(name, cloud, str(machines[name].id), policy)
            for name in self.names
        ]
        for job in jobs:
            self.operator.wait_for_job(job, LIMIT_SECONDS)
        wait_for("the machines to be protected", self.all_protected, LIMIT_SECONDS)

    def all_protected(self) -> bool:
        items = self.operator.protected()
        return all(items[name].protection_state == "Protected" for name in self.names)

    def _make_plan(self) -> None:
        script = self.stage.state / "sites" / "Beijing" / "library" / SCRIPT
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(SCRIPT_TEXT, encoding="utf-8")
        ids = self.operator.item_ids()
        tiers = ([ids[n] for n in self.names if n.startswith(tier)] for tier in TIERS)
        self.operator.make_plan([tier for tier in tiers if tier])


def choose_machines(names: Sequence[str], wanted: int) -> list[str]:
    """So many machines, from the tiers in turn: each has about as many as another."""
    tiers = [[name for name in names if name.startswith(tier)] for tier in TIERS]
    rows = range(max(map(len, tiers), default=0))
    in_turn = [tier[row] for row in rows for tier in tiers if row < len(tier)]
    return in_turn[:wanted]
