"""Reads the replication of all watched machines of one host, in a fixed number of pipelines."""

import asyncio
from collections.abc import Collection, Iterable

from opensiterecovery.provider.v1 import replication_pb2

from agent.fabric.replication_state import (
    MEASURE_PROPERTIES,
    REPLICATION_PROPERTIES,
    SNAPSHOT_PROPERTIES,
    VM_PROPERTIES,
    replication_state,
    simple_relationship,
)
from agent.powershell.cmdlet import cmdlet, select
from agent.powershell.interface import PowerShell
from agent.powershell.records import PSRecord


async def read_host_replication(
    powershell: PowerShell, host: str, vm_ids: Collection[str], *, time_limit_seconds: float
) -> list[replication_pb2.ReplicationState]:
    """Asks a host about machines.

    Args:
        powershell: Where to run.
        host: FQDN of the Hyper-V host.
        vm_ids: Hyper-V's ids, lower case; those the host does not have are left out.
        time_limit_seconds: For each of the at most four pipelines.

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
    answers = await asyncio.gather(
        ask("Get-VMReplication", REPLICATION_PROPERTIES),
        ask("Measure-VMReplication", MEASURE_PROPERTIES),
    )
    relationships = _by_machine(answers[0], "VMId", machines)
    figures = _by_machine(answers[1], "VMId", machines)
    snapshots: dict[str, list[PSRecord]] = {}
    if _any_replica(relationships.values()):
        # Get-VMSnapshot lists a whole host only when machines come through the pipeline.
        found = await powershell.run(
            cmdlet("Get-VM", ComputerName=host),
            cmdlet("Get-VMSnapshot"),
            select(*SNAPSHOT_PROPERTIES),
            time_limit_seconds=time_limit_seconds,
        )
        snapshots = _by_machine(found, "VMId", machines)
    return [
        replication_state(
            host,
            machine,
            simple_relationship(relationships.get(vm_id, ())),
            simple_relationship(figures.get(vm_id, ())),
            snapshots.get(vm_id, ()),
        )
        for vm_id, [machine, *_] in machines.items()
    ]


def _by_machine(
    records: Iterable[PSRecord], id_property: str, wanted: Collection[str]
) -> dict[str, list[PSRecord]]:
    found: dict[str, list[PSRecord]] = {}
    for record in records:
        vm_id = str(record.guid(id_property))
        if vm_id in wanted:
            found.setdefault(vm_id, []).append(record)
    return found


def _any_replica(relationships: Iterable[list[PSRecord]]) -> bool:
    return any(
        record.enum_name("ReplicationMode") != "Primary"
        for found in relationships
        for record in found
    )
