"""Reads the replication of all watched machines of one host, in a fixed number of pipelines."""

import asyncio
from collections.abc import Collection, Iterable
from datetime import datetime

import structlog
from opensiterecovery.provider.v1 import replication_pb2

from agent.fabric.replication_state import (
    MEASURE_PROPERTIES,
    REPLICATION_PROPERTIES,
    SNAPSHOT_PROPERTIES,
    VM_PROPERTIES,
    replication_disks,
    replication_state,
    simple_relationship,
)
from agent.powershell.cmdlet import Cmdlet, cmdlet, select
from agent.powershell.errors import PowerShellFailure
from agent.powershell.interface import PowerShell
from agent.powershell.records import PSRecord

log = structlog.get_logger(__name__)

DISK_PROPERTIES = ("VMId", "Path")


def snapshots_of(host: str) -> tuple[Cmdlet, ...]:
    """Get-VMSnapshot lists a whole host only when machines come through the pipeline."""
    return (
        cmdlet("Get-VM", ComputerName=host),
        cmdlet("Get-VMSnapshot"),
        select(*SNAPSHOT_PROPERTIES),
    )


def disks_of(host: str) -> tuple[Cmdlet, ...]:
    """All disks of all machines, as they are attached now."""
    return (
        cmdlet("Get-VM", ComputerName=host),
        cmdlet("Get-VMHardDiskDrive"),
        select(*DISK_PROPERTIES),
    )


def replicated_disks_of(host: str) -> tuple[Cmdlet, ...]:
    """The disks that replicate; as a property of their relationship they would arrive as texts."""
    return (
        cmdlet("Get-VMReplication", ComputerName=host),
        cmdlet("Select-Object", ExpandProperty="ReplicatedDisks"),
        select(*DISK_PROPERTIES),
    )


async def read_boot_time(
    powershell: PowerShell, host: str, *, time_limit_seconds: float
) -> datetime | None:
    """When the host's operating system started; None where it is not told.

    A host that answers Hyper-V's questions may not answer this one: it needs WS-Management.
    """
    try:
        found = await powershell.run(
            cmdlet("Get-CimInstance", ClassName="Win32_OperatingSystem", ComputerName=host),
            select("LastBootUpTime"),
            time_limit_seconds=time_limit_seconds,
        )
    except PowerShellFailure as error:
        log.debug("host.boot_time_unknown", host=host, error=str(error))
        return None
    return found[0].optional_moment("LastBootUpTime") if found else None


async def read_host_replication(
    powershell: PowerShell, host: str, vm_ids: Collection[str], *, time_limit_seconds: float
) -> list[replication_pb2.ReplicationState]:
    """Asks a host about machines.

    Args:
        powershell: Where to run.
        host: FQDN of the Hyper-V host.
        vm_ids: Hyper-V's ids, lower case; those the host does not have are left out.
        time_limit_seconds: For each of the at most seven pipelines.

    Raises:
        PowerShellError, PropertyError: The host could not be read.
    """

    async def ask(name: str, properties: tuple[str, ...]) -> list[PSRecord]:
        return await powershell.run(
            cmdlet(name, ComputerName=host),
            select(*properties),
            time_limit_seconds=time_limit_seconds,
        )

    machines = _by_machine(await ask("Get-VM", VM_PROPERTIES), "Id", vm_ids)
    if not machines:
        return []
    booted_at, *answers = await asyncio.gather(
        read_boot_time(powershell, host, time_limit_seconds=time_limit_seconds),
        ask("Get-VMReplication", REPLICATION_PROPERTIES),
        ask("Measure-VMReplication", MEASURE_PROPERTIES),
    )
    relationships = _by_machine(answers[0], "VMId", machines)
    figures = _by_machine(answers[1], "VMId", machines)
    modes = _modes(relationships.values())

    async def ask_all(pipeline: tuple[Cmdlet, ...], *, wanted: bool) -> dict[str, list[PSRecord]]:
        if not wanted:
            return {}
        found = await powershell.run(*pipeline, time_limit_seconds=time_limit_seconds)
        return _by_machine(found, "VMId", machines)

    snapshots, disks, replicated = await asyncio.gather(
        ask_all(snapshots_of(host), wanted=bool(modes - {"Primary"})),
        ask_all(disks_of(host), wanted="Primary" in modes),
        ask_all(replicated_disks_of(host), wanted="Primary" in modes),
    )
    states = [
        replication_state(
            host,
            machine,
            simple_relationship(relationships.get(vm_id, ())),
            simple_relationship(figures.get(vm_id, ())),
            snapshots.get(vm_id, ()),
            replication_disks(disks.get(vm_id, ()), replicated.get(vm_id, ())),
        )
        for vm_id, [machine, *_] in machines.items()
    ]
    if booted_at is not None:
        for state in states:
            state.host_booted_at.FromDatetime(booted_at)
    return states


def _by_machine(
    records: Iterable[PSRecord], id_property: str, wanted: Collection[str]
) -> dict[str, list[PSRecord]]:
    found: dict[str, list[PSRecord]] = {}
    for record in records:
        vm_id = str(record.guid(id_property))
        if vm_id in wanted:
            found.setdefault(vm_id, []).append(record)
    return found


def _modes(relationships: Iterable[list[PSRecord]]) -> set[str]:
    return {record.enum_name("ReplicationMode") for found in relationships for record in found}
