"""What a change of a policy means: its fields together, what replication takes over: pure."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.protection.policies.rules import (
    AUTHENTICATION_NUMBERS,
    InitialReplicationMethod,
    InstanceType,
    PolicyFields,
    read_policy,
)

# Columns that a running replication has taken over from its policy.
REPLICATION_COLUMNS = frozenset(
    {
        "replication_frequency_seconds",
        "recovery_points",
        "application_consistent_hours",
        "compression",
        "authentication_type",
        "replication_port",
    }
)
# Of these, what the hosts are configured by.
LISTENING_COLUMNS = frozenset({"authentication_type", "replication_port"})


def changed_policy(current: PolicyFields, given: Mapping[str, object]) -> PolicyFields:
    """The fields of a policy after a change; what is not given stays.

    A field that has no meaning any more beside what was given is left out: paths of a first copy by
    disk with one over the network, the frequency with Windows Server 2012.

    Raises:
        RefusedError: InvalidPolicyField, as for a new policy.

    Source: SPEC PO-1, PO-4.
    """
    wanted = {name: value for name, value in given.items() if value is not None}
    kept = {name: value for name, value in in_api_words(current).items() if name not in wanted}
    method = str(wanted.get("initialReplicationMethod", "")).lower()
    if method == InitialReplicationMethod.OVER_NETWORK.lower():
        kept = {name: value for name, value in kept.items() if not name.startswith("offline")}
    if method == InitialReplicationMethod.OFFLINE.lower():
        kept.pop("onlineReplicationStartTime", None)
    if str(wanted.get("instanceType", "")).lower() == InstanceType.WINDOWS_2012.lower():
        kept.pop("replicationFrequencyInSeconds", None)
    return read_policy({**kept, **wanted})


def in_api_words(fields: PolicyFields) -> dict[str, object]:
    """The fields as a client would have given them."""
    numbers = {kind: number for number, kind in AUTHENTICATION_NUMBERS.items()}
    words: dict[str, object] = {
        "instanceType": fields.instance_type.value,
        "replicationFrequencyInSeconds": fields.replication_frequency_seconds,
        "recoveryPoints": fields.recovery_points,
        "applicationConsistentSnapshotFrequencyInHours": fields.application_consistent_hours,
        "compression": "Enable" if fields.compression else "Disable",
        "initialReplicationMethod": fields.initial_replication_method.value,
        "onlineReplicationStartTime": fields.online_replication_start_time,
        "offlineReplicationExportPath": fields.offline_export_path,
        "offlineReplicationImportPath": fields.offline_import_path,
        "replicationPort": fields.replication_port,
        "allowedAuthenticationType": numbers[fields.authentication_type],
        "replicaDeletion": "Required" if fields.delete_replica else "NotRequired",
    }
    return {name: value for name, value in words.items() if value != ""}
