"""Hyper-V Replica's objects: relationship, health, recovery point, replication server."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from deploy.lab.cmdlets.hyperv_objects import (
    NAMESPACE,
    hard_disk_drive,
    hyper_v_object,
    network_adapter,
    virtual_machine,
)
from deploy.lab.invocation import I64, U32, U64, PSObject, Value
from deploy.lab.powershell.enumerations import enum_value
from deploy.lab.site.model import AuthorizationEntry, Host, VirtualMachine, VmCheckpoint
from deploy.lab.site.replication_model import (
    RecoveryPoint,
    Replication,
    ReplicationState,
    SnapshotType,
)
from deploy.lab.site.site import Site

_COPY_NAMES = {
    ReplicationState.INITIAL_REPLICATION_IN_PROGRESS: "Sending Initial Replica",
    ReplicationState.WAITING_FOR_INITIAL_REPLICATION: "Importing Initial Replica",
    ReplicationState.RESYNCHRONIZING: "Resynchronizing",
}


def _both(site: Site, host: Host, vm: VirtualMachine, replication: Replication) -> dict[str, Value]:
    """Properties that VMReplication and VMReplicationHealth share."""
    drives = [
        hard_disk_drive(host, vm, disk)
        for disk in vm.disks
        if disk.id not in replication.excluded_disk_ids
    ]
    tested = site.test_machine(vm)
    return {
        "VMId": UUID(vm.vm_id),
        "VMName": vm.name,
        "ReplicationState": enum_value("VMReplicationState", replication.state.value),
        "ReplicationHealth": enum_value(
            "VMReplicationHealthState", site.replication_health(vm).value
        ),
        "ReplicationMode": enum_value("VMReplicationMode", replication.mode.value),
        "ReplicationRelationshipType": enum_value(
            "VMReplicationRelationshipType", replication.relationship
        ),
        "PrimaryServerName": replication.primary_server,
        "ReplicaServerName": replication.replica_server,
        "CurrentReplicaServerName": replication.current_replica_server,
        "AllowedPrimaryServer": replication.allowed_primary_server,
        "LastReplicationTime": replication.last_replication_time,
        "LastAppliedLogTime": replication.last_applied_log_time,
        "ReplicatedDisks": list[Value](drives),
        "TestVirtualMachine": None if tested is None else virtual_machine(site, host, tested),
    }


def vm_replication(
    site: Site, host: Host, vm: VirtualMachine, replication: Replication
) -> PSObject:
    """Microsoft.HyperV.PowerShell.VMReplication."""
    excluded = [
        hard_disk_drive(host, vm, disk)
        for disk in vm.disks
        if disk.id in replication.excluded_disk_ids
    ]
    properties = _both(site, host, vm, replication) | {
        "ReplicaServerPort": replication.port,
        "AuthenticationType": enum_value(
            "ReplicationAuthenticationType", replication.authentication.value
        ),
        "CertificateThumbprint": replication.certificate_thumbprint,
        "CompressionEnabled": replication.compression,
        "BypassProxyServer": replication.bypass_proxy,
        "ReplicateHostKvpItems": replication.replicate_kvp_items,
        "EnableWriteOrderPreservationAcrossDisks": True,
        "ReplicationFrequencySec": replication.frequency_seconds,
        "RecoveryHistory": replication.recovery_history,
        "VSSSnapshotReplicationEnabled": replication.vss_hours > 0,
        "VSSSnapshotFrequencyHour": replication.vss_hours,
        "AutoResynchronizeEnabled": replication.auto_resync_enabled,
        "AutoResynchronizeIntervalStart": replication.auto_resync_start,
        "AutoResynchronizeIntervalEnd": replication.auto_resync_end,
        "InitialReplicationStartTime": replication.initial_replication_start_time,
        "ResynchronizeStartTime": replication.resynchronize_start_time,
        "ExcludedDisks": list[Value](excluded),
        "VMSnapshotId": UUID(int=0),
        "VMSnapshotName": "",
    }
    shown = f"VMReplication (VMName = '{vm.name}') [VMId = '{vm.vm_id}']"
    return hyper_v_object("VMReplication", host, shown, properties, "VMReplicationBase")


def _current_tasks(replication: Replication) -> list[Value]:
    name = _COPY_NAMES.get(replication.state)
    if name is None or replication.copy_percent is None:
        return []
    properties: dict[str, Value] = {"Name": name, "PercentComplete": replication.copy_percent}
    shown = f"{name} ({replication.copy_percent}%)"
    return [PSObject((NAMESPACE + "VMCurrentTask", "System.Object"), shown, properties)]


def vm_replication_health(
    site: Site, host: Host, vm: VirtualMachine, replication: Replication
) -> PSObject:
    """Microsoft.HyperV.PowerShell.VMReplicationHealth."""
    figures = replication.statistics
    average = figures.average_latency_seconds
    properties = _both(site, host, vm, replication) | {
        "CurrentTask": _current_tasks(replication),
        "MonitoringStartTime": figures.monitoring_start,
        "MonitoringEndTime": site.clock.now(),
        "LastReplicationType": enum_value(
            "VMReplicationType", replication.last_replication_type.value
        ),
        "FailedOverReplicationType": enum_value(
            "VMReplicationType", replication.failed_over_type.value
        ),
        "LastTestFailoverInitiatedTime": replication.last_test_failover,
        "LastVSSSnapshotTime": replication.last_vss_time,
        "InitialReplicationSize": U64(figures.initial_size_bytes),
        "PendingReplicationSize": U64(site.pending_replication_bytes(vm)),
        "AverageReplicationSize": U64(figures.average_size_bytes),
        "MaximumReplicationSize": U64(figures.maximum_size_bytes),
        "AverageReplicationLatency": None if average is None else timedelta(seconds=average),
        "MaximumReplicationLatency": timedelta(seconds=figures.maximum_latency_seconds),
        "ReplicationErrors": U32(figures.errors),
        "SuccessfulReplicationCount": U32(figures.successes),
        "MissedReplicationCount": U32(figures.misses),
        "ReplicationHealthDetails": list[Value](site.replication_health_details(vm)),
    }
    shown = f"VMReplicationHealth (VMName = '{vm.name}') [VMId = '{vm.vm_id}']"
    return hyper_v_object("VMReplicationHealth", host, shown, properties, "VMReplicationBase")


def vm_snapshot(host: Host, vm: VirtualMachine, point: RecoveryPoint) -> PSObject:
    """Microsoft.HyperV.PowerShell.VMSnapshot of a recovery point."""
    memory = I64(vm.memory_startup_bytes)
    properties: dict[str, Value] = {
        "Id": UUID(point.id),
        "Name": point.name,
        "SnapshotType": enum_value("SnapshotType", point.type.value),
        "CreationTime": point.created,
        "VMId": UUID(vm.vm_id),
        "VMName": vm.name,
        "State": enum_value("VMState", "Off"),
        "ParentSnapshotId": None,
        "ParentSnapshotName": None,
        "Path": vm.path,
        "SizeOfSystemFiles": I64(0),
        "IsAutomaticCheckpoint": False,
        "HardDrives": [hard_disk_drive(host, vm, disk) for disk in vm.disks],
        "NetworkAdapters": [network_adapter(host, vm, adapter) for adapter in vm.adapters],
        "MemoryStartup": memory,
        "MemoryMinimum": memory,
        "MemoryMaximum": memory,
        "ProcessorCount": I64(vm.processors),
        "Generation": vm.generation,
        "IsClustered": vm.highly_available,
        "Notes": "",
        "Version": "9.0",
    }
    shown = f"VMSnapshot (Name = '{point.name}') [Id = '{point.id}']"
    return hyper_v_object("VMSnapshot", host, shown, properties, "VirtualMachineBase")


def vm_checkpoint(host: Host, vm: VirtualMachine, checkpoint: VmCheckpoint) -> PSObject:
    """Microsoft.HyperV.PowerShell.VMSnapshot of a checkpoint that somebody made."""
    shape = RecoveryPoint(
        id=checkpoint.id,
        name=checkpoint.name,
        type=SnapshotType.REPLICA,
        created=checkpoint.created,
        sequence=0,
    )
    shown = vm_snapshot(host, vm, shape)
    kind: dict[str, Value] = {"SnapshotType": enum_value("SnapshotType", checkpoint.type)}
    return replace(shown, properties={**shown.properties, **kind})


def authorization_entry(host: Host, entry: AuthorizationEntry) -> PSObject:
    properties: dict[str, Value] = {
        "AllowedPrimaryServer": entry.allowed_primary_server,
        "ReplicaStorageLocation": entry.replica_storage_location,
        "TrustGroup": entry.trust_group,
    }
    shown = f"VMReplicationAuthorizationEntry [{entry.allowed_primary_server}]"
    return hyper_v_object("VMReplicationAuthorizationEntry", host, shown, properties)


def replication_server(host: Host) -> PSObject:
    """Microsoft.HyperV.PowerShell.VMReplicationServer."""
    server = host.replication_server
    allowed = "NotDefined" if server.authentication is None else server.authentication.value
    properties: dict[str, Value] = {
        "ReplicationEnabled": server.enabled,
        "AllowedAuthenticationType": enum_value("RecoveryAuthenticationType", allowed),
        "KerberosAuthenticationPort": server.kerberos_port,
        "CertificateAuthenticationPort": server.certificate_port,
        "KerberosAuthenticationPortMapping": None,
        "CertificateAuthenticationPortMapping": None,
        "CertificateThumbprint": server.certificate_thumbprint or None,
        "DefaultStorageLocation": server.default_storage_location or None,
        "ReplicationAllowedFromAnyServer": server.allow_any_server,
        "AuthorizationEntries": [
            authorization_entry(host, entry) for entry in server.authorization_entries
        ],
        "MonitoringInterval": server.monitoring_interval,
        "MonitoringStartTime": server.monitoring_start,
        "OperationalStatus": [
            enum_value("VMReplicationServerOperationalStatus", server.operational_status)
        ],
        "StatusDescriptions": list[Value](server.status_descriptions),
    }
    shown = f"VMReplicationServer [{host.fqdn}]"
    return hyper_v_object("VMReplicationServer", host, shown, properties)
