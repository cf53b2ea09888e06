"""Replication policies in answers."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from coordinator.api.paths import POLICY, VaultId
from coordinator.api.shapes.envelope import Envelope, resource
from coordinator.protection.models import Policy

# ASR's numbers.
AUTHENTICATION_NUMBERS = {"Kerberos": 1, "Certificate": 2}
WITH_FREQUENCY = "HyperVReplica2012R2"


class PolicyDetails(TypedDict):
    """How clouds replicate by it."""

    instanceType: str
    recoveryPoints: int
    applicationConsistentSnapshotFrequencyInHours: int
    compression: Literal["Enabled", "Disabled"]
    initialReplicationMethod: str
    onlineReplicationStartTime: str | None
    offlineReplicationImportPath: str | None
    offlineReplicationExportPath: str | None
    replicationPort: int
    allowedAuthenticationType: Annotated[
        int, Field(description="1: Kerberos, 2: certificates; ASR's numbers.", ge=1, le=2)
    ]
    replicaDeletionOption: Literal["SecondaryVMOnRecoveryCloud", "None"]
    # Hosts of Windows Server 2012 know no other than theirs.
    replicationFrequencyInSeconds: NotRequired[int]


class PolicyProperties(TypedDict):
    friendlyName: str
    providerSpecificDetails: PolicyDetails


class PolicyResource(Envelope):
    """A replication policy."""

    properties: PolicyProperties


def policy_id(ids: VaultId, policy: Policy) -> str:
    return ids.child(POLICY, policy_name=policy.name)


def policy_resource(ids: VaultId, policy: Policy) -> PolicyResource:
    return resource(
        policy_id(ids, policy),
        {"friendlyName": policy.name, "providerSpecificDetails": _details(policy)},
    )


def _details(policy: Policy) -> PolicyDetails:
    details: PolicyDetails = {
        "instanceType": policy.instance_type,
        "recoveryPoints": policy.recovery_points,
        "applicationConsistentSnapshotFrequencyInHours": policy.application_consistent_hours,
        "compression": "Enabled" if policy.compression else "Disabled",
        "initialReplicationMethod": policy.initial_replication_method,
        "onlineReplicationStartTime": policy.online_replication_start_time or None,
        "offlineReplicationImportPath": policy.offline_import_path or None,
        "offlineReplicationExportPath": policy.offline_export_path or None,
        "replicationPort": policy.replication_port,
        "allowedAuthenticationType": AUTHENTICATION_NUMBERS[policy.authentication_type],
        "replicaDeletionOption": "SecondaryVMOnRecoveryCloud" if policy.delete_replica else "None",
    }
    if policy.instance_type == WITH_FREQUENCY:
        details["replicationFrequencyInSeconds"] = policy.replication_frequency_seconds
    return details
