"""Protected items in answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NotRequired, cast

from typing_extensions import TypedDict

from coordinator.api.paths import PROTECTED_ITEM, VaultId
from coordinator.api.shapes.containers import container_id
from coordinator.api.shapes.envelope import ArmId, Envelope, Time, resource, written_time
from coordinator.api.shapes.fabrics import FABRIC_TYPE
from coordinator.api.shapes.failovers import FailoverFacts, failover_facts
from coordinator.api.shapes.health import HealthError, health_error, worst_health
from coordinator.api.shapes.networks import VmNic, vm_nics
from coordinator.api.shapes.offline_copies import (
    OfflineProgress,
    offline_percent,
    offline_progress,
    offline_waits_for,
)
from coordinator.api.shapes.placement import (
    Placement,
    StoragePlacement,
    placement,
    storage_placement,
)
from coordinator.api.shapes.policies import policy_id
from coordinator.api.shapes.protectable_items import protectable_item_id
from coordinator.api.shapes.running_replication import RunningReplication
from coordinator.jobs.models import Job
from coordinator.protection.models import FirstCopy, ItemAdapter, ProtectedItem
from coordinator.protection.states import DrillState, ProtectionState


class CurrentScenario(TypedDict):
    """The operation in progress; ASR writes the word None when there is none."""

    scenarioName: str
    jobId: str
    startTime: Time


class Waiting(TypedDict):
    """What a first copy waits for, and when it came or comes into line. Beyond ASR's model."""

    waitsFor: NotRequired[str]
    startTime: NotRequired[Time]


class InitialReplication(Waiting):
    initialReplicationType: str
    initialReplicationProgressPercentage: str | None


class OwnDetails(TypedDict):
    """ASR's HyperVReplica2012R2 details."""

    instanceType: str
    lastReplicatedTime: Time | None
    vmNics: list[VmNic]
    vmId: str
    vmProtectionState: str
    vmProtectionStateDescription: str
    initialReplicationDetails: InitialReplication
    offlineInitialReplication: OfflineProgress | None


class ReplicationDetails(OwnDetails, RunningReplication):
    """ASR's HyperVReplica2012R2 details, and how replication runs."""


class ProtectedItemProperties(TypedDict):
    friendlyName: str
    protectedItemType: str
    protectableItemId: ArmId
    recoveryServicesProviderId: ArmId | None
    primaryFabricFriendlyName: str
    primaryFabricProvider: str
    recoveryFabricFriendlyName: str
    recoveryFabricId: ArmId
    primaryProtectionContainerFriendlyName: str
    recoveryProtectionContainerFriendlyName: str
    recoveryContainerId: ArmId
    protectionState: str
    protectionStateDescription: str
    activeLocation: str
    testFailoverState: str
    testFailoverStateDescription: str
    switchProviderState: None
    switchProviderStateDescription: None
    allowedOperations: list[str]
    replicationHealth: str
    failoverHealth: str
    healthErrors: list[HealthError]
    policyId: ArmId
    policyFriendlyName: str
    lastSuccessfulFailoverTime: Time | None
    lastSuccessfulTestFailoverTime: Time | None
    currentScenario: CurrentScenario
    failoverRecoveryPointId: ArmId | None
    eventCorrelationId: str
    failoverDetails: FailoverFacts | None
    recoveryPlans: list[str]
    placement: Placement | None
    storagePlacement: StoragePlacement | None
    providerSpecificDetails: ReplicationDetails


class ProtectedItemResource(Envelope):
    """A machine that is protected."""

    properties: ProtectedItemProperties


@dataclass(frozen=True)
class ItemContext:
    """What an item's resource shows besides the item.

    Attributes:
        allowed_operations: ASR's names; empty while a job works on the item.
        running_job: The job that works on it.
        provider_id: ARM id of the provider of the primary server.
        adapters: What the replica's adapters are connected to.
        running: Of the provider-specific details, how replication runs.
        recovery_plans: Names of the plans it is in.
    """

    allowed_operations: Sequence[str]
    running_job: Job | None = None
    provider_id: str | None = None
    adapters: Sequence[ItemAdapter] = ()
    running: Mapping[str, object] = field(default_factory=dict)
    recovery_plans: Sequence[str] = ()


def protected_item_id(ids: VaultId, item: ProtectedItem) -> str:
    """ARM id of an item; it comes with its pairing, clouds and fabrics."""
    return ids.child(
        PROTECTED_ITEM,
        fabric_name=item.pairing.primary_fabric.name,
        container_name=item.pairing.primary_cloud.external_id,
        item_name=item.name,
    )


def protected_item_resource(
    ids: VaultId, item: ProtectedItem, context: ItemContext
) -> ProtectedItemResource:
    pairing = item.pairing
    state = ProtectionState(item.state)
    return resource(
        protected_item_id(ids, item),
        {
            "friendlyName": item.friendly_name,
            "protectedItemType": "HyperVVirtualMachine",
            "protectableItemId": protectable_item_id(
                ids, pairing.primary_cloud, item.protectable_item_id
            ),
            "recoveryServicesProviderId": context.provider_id,
            "primaryFabricFriendlyName": pairing.primary_fabric.friendly_name,
            "primaryFabricProvider": FABRIC_TYPE,
            "recoveryFabricFriendlyName": pairing.recovery_fabric.friendly_name,
            "recoveryFabricId": ids.child(
                "/replicationFabrics/{fabric_name}", fabric_name=pairing.recovery_fabric.name
            ),
            "primaryProtectionContainerFriendlyName": pairing.primary_cloud.name,
            "recoveryProtectionContainerFriendlyName": pairing.recovery_cloud.name,
            "recoveryContainerId": container_id(ids, pairing.recovery_cloud),
            "protectionState": state.value,
            "protectionStateDescription": _state_in_words(item, state),
            "activeLocation": item.active_location,
            "testFailoverState": item.test_failover_state,
            "testFailoverStateDescription": DrillState(item.test_failover_state).description,
            # Of replication from VMware only.
            "switchProviderState": None,
            "switchProviderStateDescription": None,
            "allowedOperations": list(context.allowed_operations),
            "replicationHealth": worst_health(item.replication_health, item.fabric_errors),
            "failoverHealth": "Normal",
            "healthErrors": [
                health_error(error) for error in (*item.fabric_errors, *item.health_errors)
            ],
            "policyId": policy_id(ids, pairing.policy),
            "policyFriendlyName": pairing.policy.name,
            "lastSuccessfulFailoverTime": written_time(item.last_failover_at),
            "lastSuccessfulTestFailoverTime": written_time(item.last_test_failover_at),
            "currentScenario": current_scenario(ids, context.running_job),
            "failoverRecoveryPointId": _failover_point(ids, item),
            # By it events and the vault's health name the item.
            "eventCorrelationId": str(item.id),
            # Beyond ASR's model: what the failover recovered, and what it left behind.
            "failoverDetails": failover_facts(item.failover) if item.failover_type else None,
            # Beyond ASR's model, which filters items by a plan's name instead.
            "recoveryPlans": list(context.recovery_plans),
            "placement": placement(item),
            "storagePlacement": storage_placement(item),
            "providerSpecificDetails": _all_details(ids, item, context),
        },
    )


def _failover_point(ids: VaultId, item: ProtectedItem) -> str | None:
    point = (item.failover or {}).get("recovery_point_id") if item.failover_type else ""
    return f"{protected_item_id(ids, item)}/recoveryPoints/{point}" if point else None


def current_scenario(ids: VaultId, job: Job | None) -> CurrentScenario:
    """The operation in progress; ASR writes the word None when there is none."""
    if job is None:
        return {"scenarioName": "None", "jobId": "None", "startTime": "1753-01-01T01:01:01Z"}
    return {
        "scenarioName": job.scenario,
        "jobId": ids.child("/replicationJobs/{job}", job=str(job.id)),
        "startTime": written_time(job.started_at or job.created_at),
    }


def _all_details(ids: VaultId, item: ProtectedItem, context: ItemContext) -> ReplicationDetails:
    job = context.running_job
    importing = job is not None and job.scenario == "ImportInitialReplication"
    own = replication_details(ids, item, context.adapters, importing=importing)
    return cast("ReplicationDetails", {**own, **context.running})


def replication_details(
    ids: VaultId, item: ProtectedItem, adapters: Sequence[ItemAdapter], *, importing: bool
) -> OwnDetails:
    """ASR's HyperVReplica2012R2 details, with what was last seen on the active side."""
    observed = _active_observation(item)
    imported = offline_percent(item)
    percent = observed.get("copy_percent") if imported is None else imported
    return {
        "instanceType": item.pairing.policy.instance_type,
        "lastReplicatedTime": written_time(item.last_replicated_at),
        "vmNics": vm_nics(ids, item, adapters),
        "vmId": item.vm_id,
        "vmProtectionState": observed.get("state") or "Unknown",
        "vmProtectionStateDescription": observed.get("state") or "Not seen yet",
        "initialReplicationDetails": {
            "initialReplicationType": item.pairing.policy.initial_replication_method,
            "initialReplicationProgressPercentage": None if percent is None else str(percent),
            **_waiting(item),
        },
        "offlineInitialReplication": offline_progress(item, importing=importing),
    }


def _first_copy(item: ProtectedItem) -> FirstCopy | None:
    """That waits for its time or its turn; None when none does."""
    copy: FirstCopy | None = getattr(item, "first_copy", None)
    if item.state != ProtectionState.READY_TO_COPY or copy is None:
        return None
    return copy if copy.granted_at is None and copy.ended_at is None else None


def _state_in_words(item: ProtectedItem, state: ProtectionState) -> str:
    copy = _first_copy(item)
    waits_for = offline_waits_for(item) if copy is None else copy.waits_for
    return f"{state.description}: {waits_for}" if waits_for else state.description


def _waiting(item: ProtectedItem) -> Waiting:
    """Beside ASR's properties: what a first copy waits for, and when it came or comes into line."""
    copy = _first_copy(item)
    if copy is None:
        offline = offline_waits_for(item)
        return {"waitsFor": offline} if offline else {}
    return {"waitsFor": copy.waits_for, "startTime": written_time(copy.since)}


def _active_observation(item: ProtectedItem) -> Mapping[str, Any]:
    primary = item.active_location == "Primary"
    return (item.primary_observed if primary else item.recovery_observed) or {}
