"""One side of a replication relationship, from what Hyper-V's cmdlets say about it."""

import asyncio
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from opensiterecovery.provider.v1 import replication_pb2

from agent.powershell.cmdlet import cmdlet, select
from agent.powershell.interface import PowerShell
from agent.powershell.records import PSRecord

RECOVERY_POINT_TYPES: Final = frozenset({"Replica", "AppConsistentReplica", "SyncedReplica"})
"""SnapshotTypes that are recovery points; the others are checkpoints of people and backups."""

VM_PROPERTIES: Final = (
    "Id",
    "Name",
    "State",
    "ReplicationMode",
    "ReplicationState",
    "AutomaticStartAction",
    "AutomaticStartDelay",
)
REPLICATION_PROPERTIES: Final = (
    "VMId",
    "ReplicationMode",
    "ReplicationState",
    "ReplicationHealth",
    "ReplicationRelationshipType",
    "PrimaryServerName",
    "ReplicaServerName",
    "CurrentReplicaServerName",
    "ReplicationFrequencySec",
    "LastReplicationTime",
    "LastAppliedLogTime",
    "AutoResynchronizeEnabled",
    "AutoResynchronizeIntervalStart",
    "AutoResynchronizeIntervalEnd",
    "InitialReplicationStartTime",
    "ResynchronizeStartTime",
    "TestVirtualMachine",
)
MEASURE_PROPERTIES: Final = (
    "VMId",
    "ReplicationRelationshipType",
    "CurrentTask",
    "PendingReplicationSize",
    "AverageReplicationSize",
    "AverageReplicationLatency",
    "SuccessfulReplicationCount",
    "MissedReplicationCount",
    "ReplicationErrors",
    "ReplicationHealthDetails",
    "MonitoringStartTime",
    "LastVSSSnapshotTime",
)
SNAPSHOT_PROPERTIES: Final = ("Id", "VMId", "SnapshotType", "CreationTime")

# The replica's own copying is the import of an offline first copy.
_COPYING: Final = frozenset(
    {"InitialReplicationInProgress", "WaitingForInitialReplication", "Resynchronizing"}
)
_PERCENT: Final = re.compile(r"(\d{1,3})\s?%")
# The text of a VirtualMachine: "VirtualMachine (Name = 'App - Test') [Id = '...']".
_VIRTUAL_MACHINE: Final = re.compile(
    r"\(Name = '(?P<name>.*)'\) "
    r"\[Id = '(?P<id>[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})'\]"
)
_UINT32_MAX: Final = 2**32 - 1


def replication_state(
    host: str,
    vm: PSRecord,
    replication: PSRecord | None = None,
    measure: PSRecord | None = None,
    snapshots: Iterable[PSRecord] = (),
    disks: Iterable[replication_pb2.ReplicationDisk] = (),
) -> replication_pb2.ReplicationState:
    """Puts together what one host says about one virtual machine.

    Args:
        host: FQDN of the host that was asked.
        vm: From Get-VM.
        replication: From Get-VMReplication; None when the machine is not replicated.
        measure: From Measure-VMReplication; None when there are no figures.
        snapshots: From Get-VMSnapshot, any machine's and any type's; recovery points of this
            machine are picked out.
        disks: The machine's, where it is the primary.

    Returns:
        Names and figures as Hyper-V gives them, disks where they are known; mode "None", state
        "Disabled" without replication.

    Raises:
        PropertyError: A record lacks what every version has.
    """
    state = replication_pb2.ReplicationState(
        vm_id=str(vm.guid("Id")),
        host=host,
        mode="None",
        state="Disabled",
        health="NotApplicable",
        vm_state=vm.enum_name("State"),
        automatic_start_action=vm.optional_enum_name("AutomaticStartAction") or "",
    )
    state.automatic_start_delay.FromTimedelta(
        timedelta(seconds=max(0, vm.optional_integer("AutomaticStartDelay") or 0))
    )
    if replication is not None:
        _add_relationship(state, replication)
    if measure is not None:
        _add_figures(state, measure)
    state.recovery_points.extend(recovery_points(state.vm_id, snapshots))
    if state.mode == "Primary":
        state.disks.extend(disks)
    return state


def replication_disks(
    attached: Iterable[PSRecord], replicated: Iterable[PSRecord]
) -> list[replication_pb2.ReplicationDisk]:
    """A machine's virtual disks, in the order of their paths.

    Args:
        attached: From Get-VMHardDiskDrive; a pass-through disk has no path and cannot replicate.
        replicated: ReplicatedDisks of its relationship.
    """
    sent = {path.casefold() for disk in replicated if (path := disk.optional_text("Path"))}
    paths = {path for disk in attached if (path := disk.optional_text("Path"))}
    return [
        replication_pb2.ReplicationDisk(path=path, replicated=path.casefold() in sent)
        for path in sorted(paths)
    ]


def recovery_points(
    vm_id: str, snapshots: Iterable[PSRecord]
) -> list[replication_pb2.RecoveryPoint]:
    """Picks one machine's recovery points out of its snapshots, oldest first."""
    found = [
        (snapshot.moment("CreationTime"), str(snapshot.guid("Id")), kind)
        for snapshot in snapshots
        if (kind := snapshot.enum_name("SnapshotType")) in RECOVERY_POINT_TYPES
        and str(snapshot.guid("VMId")) == vm_id
    ]
    points = []
    for created_at, point_id, kind in sorted(found):
        point = replication_pb2.RecoveryPoint(id=point_id, type=kind)
        point.created_at.FromDatetime(created_at)
        points.append(point)
    return points


async def read_replication(
    powershell: PowerShell, vm_id: UUID | str, host: str, *, time_limit_seconds: float = 120.0
) -> replication_pb2.ReplicationState:
    """Reads one virtual machine's side of its replication from one host, without its disks.

    Args:
        powershell: Where to run; a command's own, so that the reads bear its id.
        vm_id: Hyper-V's id.
        host: FQDN of the Hyper-V host.
        time_limit_seconds: For each of the pipelines.

    Raises:
        PowerShellFailure: For example when the host has no such machine (Get-VM).
        PowerShellTimeout, PowerShellGone: Reading again can help.
    """
    machine = cmdlet("Get-VM", ComputerName=host, Id=UUID(str(vm_id)))
    vm = (
        await powershell.run(machine, select(*VM_PROPERTIES), time_limit_seconds=time_limit_seconds)
    )[0]
    mode = vm.enum_name("ReplicationMode")
    if mode == "None":
        return replication_state(host, vm)

    reads = [
        (cmdlet("Get-VMReplication"), select(*REPLICATION_PROPERTIES)),
        (cmdlet("Measure-VMReplication"), select(*MEASURE_PROPERTIES)),
    ]
    if mode != "Primary":
        reads.append((cmdlet("Get-VMSnapshot"), select(*SNAPSHOT_PROPERTIES)))
    answers = await asyncio.gather(
        *(powershell.run(machine, *read, time_limit_seconds=time_limit_seconds) for read in reads)
    )
    return replication_state(
        host,
        vm,
        simple_relationship(answers[0]),
        simple_relationship(answers[1]),
        answers[2] if len(answers) > 2 else (),
    )


def simple_relationship(records: Iterable[PSRecord]) -> PSRecord | None:
    """The record of the relationship itself, not of its extension to a third site."""
    chosen = None
    for record in records:
        if record.optional_enum_name("ReplicationRelationshipType") != "Extended":
            return record
        chosen = chosen or record
    return chosen


def _add_relationship(state: replication_pb2.ReplicationState, replication: PSRecord) -> None:
    state.mode = replication.enum_name("ReplicationMode")
    state.state = replication.enum_name("ReplicationState")
    state.health = replication.enum_name("ReplicationHealth")
    state.primary_server = replication.optional_text("PrimaryServerName") or ""
    state.replica_server = replication.optional_text("ReplicaServerName") or ""
    state.current_replica_server = replication.optional_text("CurrentReplicaServerName") or ""
    state.frequency_seconds = replication.optional_integer("ReplicationFrequencySec") or 0
    _set_moment(state, "last_replication_time", replication.optional_moment("LastReplicationTime"))
    _set_moment(state, "last_applied_log_time", replication.optional_moment("LastAppliedLogTime"))
    _set_moment(
        state,
        "initial_replication_start_time",
        replication.optional_moment("InitialReplicationStartTime"),
    )
    _set_moment(
        state, "resynchronize_start_time", replication.optional_moment("ResynchronizeStartTime")
    )
    if state.mode == "Primary":
        _add_automatic(state, replication)
    else:
        state.test_vm_id, state.test_vm_name = tested_by(replication)


def tested_by(replication: PSRecord) -> tuple[str, str]:
    """Id and name of a replica's test virtual machine, both empty without one.

    It arrives as an object, or, being deep, as the text of one.
    """
    for item in replication.items("TestVirtualMachine"):
        if isinstance(item, PSRecord) and item.has("Id"):
            return str(item.guid("Id")), item.optional_text("Name") or ""
        if found := _VIRTUAL_MACHINE.search(str(item)):
            return found["id"].lower(), found["name"]
    return "", ""


def _add_automatic(state: replication_pb2.ReplicationState, replication: PSRecord) -> None:
    enabled = replication.optional_boolean("AutoResynchronizeEnabled")
    if enabled is None:
        return
    state.auto_resynchronize = enabled
    for field, name in (
        ("auto_resynchronize_start", "AutoResynchronizeIntervalStart"),
        ("auto_resynchronize_end", "AutoResynchronizeIntervalEnd"),
    ):
        since_midnight = replication.optional_duration(name)
        if since_midnight is not None:
            getattr(state, field).FromTimedelta(since_midnight)


def _add_figures(state: replication_pb2.ReplicationState, measure: PSRecord) -> None:
    state.pending_replication_bytes = measure.optional_integer("PendingReplicationSize") or 0
    state.average_replication_bytes = measure.optional_integer("AverageReplicationSize") or 0
    state.successful_replications = _count(measure, "SuccessfulReplicationCount")
    state.missed_replications = _count(measure, "MissedReplicationCount")
    state.replication_errors = _count(measure, "ReplicationErrors")
    state.health_details.extend(measure.strings("ReplicationHealthDetails"))
    latency = measure.optional_duration("AverageReplicationLatency")
    if latency is not None and latency >= timedelta(0):
        state.average_replication_latency.FromTimedelta(latency)
    _set_moment(state, "monitoring_start_time", measure.optional_moment("MonitoringStartTime"))
    _set_moment(
        state, "last_application_consistent_time", measure.optional_moment("LastVSSSnapshotTime")
    )
    if state.state in _COPYING:
        percent = _copy_percent(measure)
        if percent is not None:
            state.copy_percent = percent


def _copy_percent(measure: PSRecord) -> int | None:
    """Progress of the running copy; VMCurrentTask arrives as an object or as its text."""
    for task in measure.items("CurrentTask"):
        if isinstance(task, PSRecord) and task.has("PercentComplete"):
            return min(100, task.integer("PercentComplete"))
        found = _PERCENT.search(str(task))
        if found:
            return min(100, int(found[1]))
    return None


def _count(measure: PSRecord, name: str) -> int:
    return min(measure.optional_integer(name) or 0, _UINT32_MAX)


def _set_moment(
    state: replication_pb2.ReplicationState, field: str, moment: datetime | None
) -> None:
    if moment is not None:
        getattr(state, field).FromDatetime(moment)
