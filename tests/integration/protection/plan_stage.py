"""A recovery plan of several protected machines on the two fake sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from django.db import transaction
from opensiterecovery.provider.v1 import command_pb2

from coordinator.fabrics.models import Provider
from coordinator.jobs.models import Job, Step
from coordinator.jobs.queries import job_view
from coordinator.jobs.states import JobState
from coordinator.protection import services as protection
from coordinator.protection.models import ProtectedItem
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.rules import Operation
from coordinator.recovery.models import RecoveryPlan
from coordinator.recovery.plans.drafts import ActionDraft, GroupDraft
from coordinator.recovery.plans.runs.options import RunOptions
from coordinator.recovery.plans.runs.services import run_plan
from coordinator.recovery.plans.services import PlanRequest, create_plan
from tests.integration.protection.fake_hyperv import FakeHyperV, broken
from tests.integration.protection.world import ORIGIN, World, add_machine

ALL_TYPES = ("TestFailover", "PlannedFailover", "UnplannedFailover")
BOTH_WAYS = ("PrimaryToRecovery", "RecoveryToPrimary")
HOST = "goldcloud1-hv1.shanghai.contoso.com"


@dataclass
class RecordingHyperV(FakeHyperV):
    """Remembers which machine each command was about.

    Attributes:
        log: "verb machine", or "verb path" of a script, in the order they came.
    """

    log: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    # Verbs that fail for a machine.
    broken_machines: set[tuple[str, str]] = field(default_factory=set)

    def answer(self, command: command_pb2.Command, result: command_pb2.CommandResult) -> None:
        verb = command.WhichOneof("verb") or ""
        request = getattr(command, verb)
        if hasattr(request, "vm"):
            name = self.names.get(request.vm.vm_id, request.vm.vm_id)
            self.log.append(f"{verb} {name}")
            if (verb, name) in self.broken_machines:
                result.failure.CopyFrom(broken())
                return
        elif hasattr(request, "path"):
            self.log.append(f"{verb} {request.path}")
        super().answer(command, result)

    def order(self, *verbs: str) -> list[str]:
        """What was done, of these verbs."""
        return [line for line in self.log if line.partition(" ")[0] in verbs]


@dataclass
class PlanStage:
    """Machines App1, App2, ... in GoldCloud1, all protected; plans are made of their numbers."""

    world: World
    hyperv: RecordingHyperV
    items: list[ProtectedItem]

    @property
    def plan(self) -> RecoveryPlan:
        return self.plan_named("Shop")

    def plan_named(self, name: str) -> RecoveryPlan:
        rows = RecoveryPlan.objects.select_related("primary_fabric", "recovery_fabric")
        return rows.get(vault=self.world.vault, name=name)

    def make_plan(
        self,
        groups: Sequence[Sequence[int]],
        *,
        start: dict[int, tuple[ActionDraft, ...]] | None = None,
        end: dict[int, tuple[ActionDraft, ...]] | None = None,
        after_shutdown: tuple[ActionDraft, ...] = (),
        name: str = "Shop",
    ) -> RecoveryPlan:
        """A plan whose groups hold these machines, counted from 1."""
        drafts = [
            GroupDraft(type="Shutdown", end_actions=after_shutdown),
            GroupDraft(type="Failover"),
            *(
                GroupDraft(
                    type="Boot",
                    item_ids=tuple(str(self.items[each - 1].id) for each in group),
                    start_actions=(start or {}).get(number, ()),
                    end_actions=(end or {}).get(number, ()),
                )
                for number, group in enumerate(groups, start=1)
            ),
        ]
        request = PlanRequest(
            vault=self.world.vault,
            name=name,
            primary_fabric=self.world.fabric("vmm-shanghai"),
            recovery_fabric=self.world.fabric("vmm-beijing"),
            groups=drafts,
        )
        with transaction.atomic():
            create_plan(request, ORIGIN, self.world.now)
        self.world.turn()
        return self.plan_named(name)

    def begin(
        self,
        operation: Operation,
        origin: RequestOrigin = ORIGIN,
        plan: str = "Shop",
        **options: Any,
    ) -> Job:
        with transaction.atomic():
            return run_plan(
                self.plan_named(plan),
                RunOptions(operation=operation, **options),
                origin,
                self.world.now,
            )

    def run(self, operation: Operation, **options: Any) -> Job:
        job = self.begin(operation, **options)
        self.world.turn()
        job.refresh_from_db()
        return job

    def well(self, operation: Operation, **options: Any) -> Job:
        job = self.run(operation, **options)
        assert job.state == JobState.SUCCEEDED, job_view(job).errors
        return job

    def item(self, number: int) -> ProtectedItem:
        return ProtectedItem.objects.get(id=self.items[number - 1].id)

    def children(self, job: Job) -> dict[str, Job]:
        """The machines' jobs in a run, by the machine's name."""
        return {child.target_name: child for child in Job.objects.filter(root=job)}

    def disconnect(self, name: str) -> None:
        fabric = self.world.fabric(name)
        Provider.objects.filter(fabric=fabric).update(
            disconnected_at=self.world.now,
            last_heartbeat_at=self.world.now - timedelta(minutes=1),
        )

    def report(self) -> None:
        """Both providers tell of all machines."""
        self.world.pass_(1)
        for item in ProtectedItem.objects.filter(vault=self.world.vault):
            for name, host in (
                ("vmm-shanghai", item.primary_host),
                ("vmm-beijing", item.recovery_host),
            ):
                state = self.hyperv.report(item.vm_id, host, self.world.now)
                with transaction.atomic():
                    protection.ingest_replication(
                        self.world.fabric(name).id, [state], self.world.now, self.world.now
                    )


def make_plan_stage(world: World, machines: int = 4) -> PlanStage:
    """Protects machines one after the other."""
    known = {each.name: getattr(world.hyperv, each.name) for each in fields(FakeHyperV)}
    hyperv = RecordingHyperV(**known)
    world.hyperv = hyperv
    world.pair()
    world.turn()
    stage = PlanStage(world, hyperv, [])
    for number in range(1, machines + 1):
        name = f"App{number}"
        machine = add_machine(world, name, "GoldCloud1", HOST)
        hyperv.names[machine.vm_id] = name
        item, _ = world.enable(name)
        stage.items.append(item)
    world.turn()
    for item in stage.items:
        hyperv.finish_copy(item.vm_id)
    stage.report()
    world.turn()
    stage.report()
    world.turn()
    hyperv.log.clear()
    return stage


def script(name: str, **changes: object) -> ActionDraft:
    details = {
        "instanceType": "ScriptActionDetails",
        "path": rf"\RPScripts\{name}.ps1",
        "fabricLocation": changes.pop("side", "Recovery"),
        "timeout": "00:01:00",
    }
    return _draft(name, details, changes)


def manual(name: str, **changes: object) -> ActionDraft:
    details: dict[str, object] = {
        "instanceType": "ManualActionDetails",
        "description": f"Do {name}.",
    }
    if "timeout" in changes:
        details["timeout"] = changes.pop("timeout")
    return _draft(name, details, changes)


def _draft(name: str, details: dict[str, object], changes: dict[str, object]) -> ActionDraft:
    return ActionDraft(
        name=name,
        failover_types=changes.get("types", ALL_TYPES),  # type: ignore[arg-type]  # texts
        failover_directions=changes.get("ways", BOTH_WAYS),  # type: ignore[arg-type]  # texts
        details=details,
        failure_rule=changes.get("rule"),  # type: ignore[arg-type]  # a text or None
    )


def step_of(job: Job, key: str) -> Step:
    """A step of a run's own job."""
    return Step.objects.get(job=job, key=key)


def failure_of(job: Job, key: str) -> Mapping[str, object]:
    """Why a step of a run's own job failed; empty when it did not."""
    found: Mapping[str, object] = step_of(job, key).failure or {}
    return found
