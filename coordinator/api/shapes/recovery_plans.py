"""Recovery plans in answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from typing_extensions import TypedDict

from coordinator.api.paths import FABRIC, PROTECTED_ITEM, RECOVERY_PLAN, VaultId
from coordinator.api.shapes.envelope import (
    ArmId,
    Envelope,
    ResourceOf,
    Time,
    resource,
    written_time,
)
from coordinator.api.shapes.protected_items import CurrentScenario, current_scenario
from coordinator.fabrics.models import Fabric
from coordinator.jobs.models import Job
from coordinator.recovery.models import PlanRevision, RecoveryPlan
from coordinator.recovery.plans.queries import MemberName
from coordinator.recovery.plans.records import Action, GroupRecord, PlanRecord, ScriptAction


class PlanMachine(TypedDict):
    id: ArmId
    virtualMachineId: str
    friendlyName: str


class RemovedMachine(TypedDict):
    """A machine that is protected no more, and is left out of runs."""

    friendlyName: str
    virtualMachineId: str


class ScriptDetails(TypedDict):
    instanceType: Literal["ScriptActionDetails"]
    path: str
    timeout: str | None
    fabricLocation: str
    sha256: str | None


class ManualDetails(TypedDict):
    instanceType: Literal["ManualActionDetails"]
    description: str
    timeout: str | None


class PlanAction(TypedDict):
    actionName: str
    failoverTypes: list[str]
    failoverDirections: list[str]
    customDetails: ScriptDetails | ManualDetails
    failureRule: str | None


class PlanGroup(TypedDict):
    groupType: str
    replicationProtectedItems: list[PlanMachine]
    startGroupActions: list[PlanAction]
    endGroupActions: list[PlanAction]
    removedItems: list[RemovedMachine]


class PlanProviderDetails(TypedDict):
    """There is none for Hyper-V sites."""


class PlanProperties(TypedDict):
    friendlyName: str
    primaryFabricId: ArmId
    primaryFabricFriendlyName: str
    recoveryFabricId: ArmId
    recoveryFabricFriendlyName: str
    failoverDeploymentModel: str
    replicationProviders: list[str]
    allowedOperations: list[str]
    lastPlannedFailoverTime: Time | None
    lastUnplannedFailoverTime: Time | None
    lastTestFailoverTime: Time | None
    currentScenario: CurrentScenario
    currentScenarioStatus: str
    currentScenarioStatusDescription: str
    groups: list[PlanGroup]
    providerSpecificDetails: list[PlanProviderDetails]
    revision: int
    lastDrillTime: Time | None


class PlanResource(Envelope):
    """A recovery plan."""

    properties: PlanProperties
    etag: str


class RevisionProperties(TypedDict):
    revision: int
    savedBy: str
    savedTime: Time
    machines: int
    actions: int
    current: bool
    changes: list[str]


class RevisionResource(Envelope):
    """A save of a plan. Beyond ASR's model."""

    properties: RevisionProperties


@dataclass(frozen=True)
class PlanContext:
    """What a plan's resource shows besides its row.

    Attributes:
        record: Its groups, machines and actions.
        names: Of its machines, by item id.
        allowed_operations: ASR's names; empty while a job works on the plan.
        running_job: That job.
    """

    record: PlanRecord
    names: Mapping[str, MemberName]
    allowed_operations: Sequence[str]
    running_job: Job | None = None


def plan_id(ids: VaultId, name: str) -> str:
    return ids.child(RECOVERY_PLAN, plan_name=name)


def plan_etag(plan: RecoveryPlan) -> str:
    """What If-Match compares: the plan's revision."""
    return f'"{plan.revision}"'


def plan_resource(ids: VaultId, plan: RecoveryPlan, context: PlanContext) -> PlanResource:
    """A plan in ASR's shape; `etag` and `revision` are beyond its model."""
    members = [
        context.names[item_id] for item_id in context.record.item_ids if item_id in context.names
    ]
    job = context.running_job
    shown: ResourceOf[PlanProperties] = resource(
        plan_id(ids, plan.name),
        {
            "friendlyName": plan.name,
            "primaryFabricId": _fabric_id(ids, plan.primary_fabric),
            "primaryFabricFriendlyName": plan.primary_fabric.friendly_name,
            "recoveryFabricId": _fabric_id(ids, plan.recovery_fabric),
            "recoveryFabricFriendlyName": plan.recovery_fabric.friendly_name,
            "failoverDeploymentModel": plan.failover_deployment_model,
            "replicationProviders": sorted({member.replication for member in members}),
            "allowedOperations": list(context.allowed_operations),
            "lastPlannedFailoverTime": written_time(plan.last_planned_failover_at),
            "lastUnplannedFailoverTime": written_time(plan.last_unplanned_failover_at),
            "lastTestFailoverTime": written_time(plan.last_test_failover_at),
            "currentScenario": current_scenario(ids, job),
            "currentScenarioStatus": "None" if job is None else job.state,
            "currentScenarioStatusDescription": "None" if job is None else job.friendly_name,
            "groups": [_group(ids, group, context.names) for group in context.record.phases],
            "providerSpecificDetails": [],
            "revision": plan.revision,
            "lastDrillTime": written_time(plan.last_drill_at),
        },
    )
    return {**shown, "etag": plan_etag(plan)}


def revision_resource(
    ids: VaultId, plan: RecoveryPlan, revision: PlanRevision, changes: Sequence[str]
) -> RevisionResource:
    """A save of a plan; not of ASR's API."""
    groups: Sequence[Mapping[str, Sequence[object]]] = revision.groups
    return resource(
        f"{plan_id(ids, plan.name)}/revisions/{revision.number}",
        {
            "revision": revision.number,
            "savedBy": revision.saved_by,
            "savedTime": written_time(revision.saved_at),
            "machines": sum(len(group["machines"]) for group in groups),
            "actions": sum(
                len(group["start_actions"]) + len(group["end_actions"]) for group in groups
            ),
            "current": revision.number == plan.revision,
            "changes": list(changes),
        },
    )


def written_seconds(seconds: int | None) -> str | None:
    """A duration as ISO 8601: "PT10M", "PT1M30S"."""
    if seconds is None:
        return None
    hours, rest = divmod(seconds, 3600)
    parts = ((hours, "H"), (rest // 60, "M"), (rest % 60, "S"))
    return "PT" + "".join(f"{number}{unit}" for number, unit in parts if number)


def _fabric_id(ids: VaultId, fabric: Fabric) -> str:
    return ids.child(FABRIC, fabric_name=fabric.name)


def _group(ids: VaultId, group: GroupRecord, names: Mapping[str, MemberName]) -> PlanGroup:
    return {
        "groupType": str(group.type),
        "replicationProtectedItems": [
            _machine(ids, names[item_id]) for item_id in group.item_ids if item_id in names
        ],
        "startGroupActions": [_action(action) for action in group.start_actions],
        "endGroupActions": [_action(action) for action in group.end_actions],
        # Beyond ASR's model: machines that are protected no more, and are left out of runs.
        "removedItems": [
            {"friendlyName": gone.name, "virtualMachineId": gone.vm_id} for gone in group.gone
        ],
    }


def _machine(ids: VaultId, machine: MemberName) -> PlanMachine:
    return {
        "id": ids.child(
            PROTECTED_ITEM,
            fabric_name=machine.fabric,
            container_name=machine.container,
            item_name=machine.item,
        ),
        "virtualMachineId": machine.vm_id,
        # Beyond ASR's model.
        "friendlyName": machine.name,
    }


def _action(action: Action) -> PlanAction:
    return {
        "actionName": action.name,
        "failoverTypes": [str(each) for each in action.failover_types],
        "failoverDirections": [str(each) for each in action.failover_directions],
        "customDetails": _details(action),
        # Beyond ASR's model: what holds instead of the rule of the run's type.
        "failureRule": None if action.failure_rule is None else str(action.failure_rule),
    }


def _details(action: Action) -> ScriptDetails | ManualDetails:
    timeout = written_seconds(action.time_limit_seconds)
    if isinstance(action, ScriptAction):
        return {
            "instanceType": "ScriptActionDetails",
            "path": f"\\{action.path}",
            "timeout": timeout,
            "fabricLocation": str(action.side),
            # Beyond ASR's model: what the file must be when it is run; null for anything.
            "sha256": action.sha256 or None,
        }
    return {
        "instanceType": "ManualActionDetails",
        "description": action.instructions,
        # Beyond ASR's model: after so long an event is raised; the plan waits on.
        "timeout": timeout,
    }
