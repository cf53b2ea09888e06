"""Reads the whole fabric out of VMM, in as many pipelines as there are kinds of objects."""

import asyncio
from typing import Final

from agent.fabric import clouds, hosts, networks, storage, virtual_machines
from agent.fabric.inventory import Inventory, inventory_of
from agent.fabric.vmm import Question, is_hyper_v
from agent.powershell.interface import PowerShell
from agent.powershell.records import PSRecord

QUESTIONS: Final = (
    clouds.CLOUDS,
    hosts.HOSTS,
    hosts.HOST_CLUSTERS,
    networks.VM_NETWORKS,
    networks.VM_SUBNETS,
    networks.LOGICAL_NETWORKS,
    networks.STATIC_ADDRESS_POOLS,
    storage.STORAGE_CLASSIFICATIONS,
    storage.FILE_SHARES,
    storage.VOLUMES,
    virtual_machines.VIRTUAL_MACHINES,
    virtual_machines.DISK_DRIVES,
    virtual_machines.HARD_DISKS,
    virtual_machines.NETWORK_ADAPTERS,
)


async def read_inventory(
    powershell: PowerShell, *, vmm_server: str = "localhost", time_limit_seconds: float = 300.0
) -> Inventory:
    """Reads everything the product keeps of a fabric.

    Args:
        powershell: Where to run; the number of pipelines does not grow with the fabric.
        vmm_server: Name of the VMM server or cluster role.
        time_limit_seconds: For each pipeline.

    Returns:
        All objects; an empty fabric gives an empty inventory.

    Raises:
        PowerShellFailure, PowerShellTimeout, PowerShellGone: One kind could not be read. Nothing
            is returned then: what was not seen must not look removed.
        PropertyError: An object lacks what every version of VMM has.
    """
    answers = await asyncio.gather(
        *(_ask(powershell, question, vmm_server, time_limit_seconds) for question in QUESTIONS),
        return_exceptions=True,
    )
    found: dict[Question, list[PSRecord]] = {}
    for question, answer in zip(QUESTIONS, answers, strict=True):
        if isinstance(answer, BaseException):
            raise answer
        found[question] = answer
    # Ten thousand machines take a second; heartbeats go on meanwhile.
    return await asyncio.to_thread(build_inventory, found)


def build_inventory(found: dict[Question, list[PSRecord]]) -> Inventory:
    """Puts the answers together; pure.

    Raises:
        PropertyError: An object lacks what every version of VMM has.
    """
    host_records = [record for record in found[hosts.HOSTS] if is_hyper_v(record)]
    cluster_records = [record for record in found[hosts.HOST_CLUSTERS] if is_hyper_v(record)]
    reach = storage.HostStorage(host_records, cluster_records)
    vm_networks = networks.vm_networks(found[networks.VM_NETWORKS], found[networks.VM_SUBNETS])
    devices = virtual_machines.Devices(
        virtual_machines.disks_by_machine(
            found[virtual_machines.DISK_DRIVES], found[virtual_machines.HARD_DISKS]
        ),
        virtual_machines.adapters_by_machine(found[virtual_machines.NETWORK_ADAPTERS], vm_networks),
    )
    return inventory_of(
        [
            *map(clouds.cloud, found[clouds.CLOUDS]),
            *map(hosts.host, host_records),
            *map(hosts.host_cluster, cluster_records),
            *vm_networks,
            *map(networks.logical_network, found[networks.LOGICAL_NETWORKS]),
            *map(networks.static_address_pool, found[networks.STATIC_ADDRESS_POOLS]),
            *map(storage.storage_classification, found[storage.STORAGE_CLASSIFICATIONS]),
            *(storage.file_share(record, reach) for record in found[storage.FILE_SHARES]),
            *storage.volumes(found[storage.VOLUMES], reach),
            *virtual_machines.virtual_machines(found[virtual_machines.VIRTUAL_MACHINES], devices),
        ]
    )


async def _ask(
    powershell: PowerShell, question: Question, vmm_server: str, time_limit_seconds: float
) -> list[PSRecord]:
    return await powershell.run(
        *question.pipeline(vmm_server), time_limit_seconds=time_limit_seconds
    )
