"""Reads the fabric out of VMM: everything, or what is few and what has changed of the machines."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from opensiterecovery.provider.v1 import inventory_pb2

from agent.fabric import (
    clouds,
    hosts,
    management_server,
    networks,
    storage,
    virtual_machines,
)
from agent.fabric.inventory import Inventory, inventory_of
from agent.fabric.vmm import Question, is_hyper_v
from agent.powershell.interface import PowerShell
from agent.powershell.records import PSRecord

# Kinds of which a fabric has few however many machines it has: always read whole.
FEW: Final = (
    management_server.MANAGEMENT_SERVER,
    clouds.CLOUDS,
    clouds.HOST_GROUPS,
    clouds.CAPABILITY_PROFILES,
    hosts.HOSTS,
    hosts.HOST_CLUSTERS,
    hosts.HOST_NETWORK_ADAPTERS,
    networks.VM_NETWORKS,
    networks.VM_SUBNETS,
    networks.LOGICAL_NETWORKS,
    networks.LOGICAL_NETWORK_DEFINITIONS,
    networks.STATIC_ADDRESS_POOLS,
    storage.STORAGE_CLASSIFICATIONS,
    storage.FILE_SHARES,
    storage.VOLUMES,
)
MACHINES: Final = (
    virtual_machines.VIRTUAL_MACHINES,
    virtual_machines.DISK_DRIVES,
    virtual_machines.HARD_DISKS,
    virtual_machines.NETWORK_ADAPTERS,
)
QUESTIONS: Final = (*FEW, *MACHINES)

Answers: TypeAlias = Mapping[Question, list[PSRecord]]


@dataclass(frozen=True)
class Vmm:
    """Where questions go.

    Attributes:
        powershell: Where to run.
        server: Name of the VMM server or cluster role.
        time_limit_seconds: For each pipeline.
    """

    powershell: PowerShell
    server: str = "localhost"
    time_limit_seconds: float = 300.0

    async def ask(self, *questions: Question) -> dict[Question, list[PSRecord]]:
        """Asks side by side, each question in a pipeline of its own.

        Raises:
            PowerShellFailure, PowerShellTimeout, PowerShellGone: One could not be answered.
                Nothing is returned then: what was not seen must not look removed.
        """
        answers = await asyncio.gather(*map(self._ask, questions), return_exceptions=True)
        found: dict[Question, list[PSRecord]] = {}
        for question, answer in zip(questions, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            found[question] = answer
        return found

    async def ask_one(self, question: Question) -> list[PSRecord]:
        """Asks one question; raises as `ask` does."""
        return await self._ask(question)

    async def _ask(self, question: Question) -> list[PSRecord]:
        return await self.powershell.run(
            *question.pipeline(self.server), time_limit_seconds=self.time_limit_seconds
        )


@dataclass(frozen=True)
class Surroundings:
    """What there is besides machines.

    Attributes:
        inventory: All of it; clouds only those to be told of.
        networks: VM networks, which adapters point at.
        vmm_nodes: Names of the computers VMM runs on.
        chosen: Host group paths of the chosen clouds, lower case; None: all clouds are told of.
    """

    inventory: Inventory = field(default_factory=dict)
    networks: tuple[inventory_pb2.InventoryObject, ...] = ()
    vmm_nodes: tuple[str, ...] = ()
    chosen: frozenset[str] | None = None


async def read_inventory(
    powershell: PowerShell, *, vmm_server: str = "localhost", time_limit_seconds: float = 300.0
) -> Inventory:
    """Reads everything VMM says of a fabric, in as many pipelines as there are kinds of objects.

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
    found = await Vmm(powershell, vmm_server, time_limit_seconds).ask(*QUESTIONS)
    # Ten thousand machines take a second; heartbeats go on meanwhile.
    return await asyncio.to_thread(build_inventory, found)


def build_inventory(found: Answers) -> Inventory:
    """Puts the answers together; pure.

    Raises:
        PropertyError: An object lacks what every version of VMM has.
    """
    around = surroundings(found)
    return {**around.inventory, **inventory_of(machines(found, around))}


def surroundings(found: Answers, *, chosen_clouds_only: bool = False) -> Surroundings:
    """What the questions in FEW tell; pure. Raises as `build_inventory` does."""
    cloud_records = found[clouds.CLOUDS]
    if chosen_clouds_only:
        cloud_records = clouds.chosen_clouds(cloud_records)
    host_records = [record for record in found[hosts.HOSTS] if is_hyper_v(record)]
    cluster_records = [record for record in found[hosts.HOST_CLUSTERS] if is_hyper_v(record)]
    reach = storage.HostStorage(host_records, cluster_records)
    vm_networks = networks.vm_networks(found[networks.VM_NETWORKS], found[networks.VM_SUBNETS])
    reachable = hosts.reachable_networks(found[hosts.HOST_NETWORK_ADAPTERS])
    sites = networks.logical_networks_of_sites(found[networks.LOGICAL_NETWORK_DEFINITIONS])
    server = [
        management_server.management_server(record)
        for record in found[management_server.MANAGEMENT_SERVER]
    ]
    told = [clouds.cloud(record) for record in cloud_records]
    inventory = inventory_of(
        [
            *server,
            *told,
            *map(clouds.host_group, found[clouds.HOST_GROUPS]),
            *map(clouds.capability_profile, found[clouds.CAPABILITY_PROFILES]),
            *(hosts.host(record, reachable) for record in host_records),
            *map(hosts.host_cluster, cluster_records),
            *vm_networks,
            *map(networks.logical_network, found[networks.LOGICAL_NETWORKS]),
            *(
                networks.static_address_pool(record, vm_networks, sites)
                for record in found[networks.STATIC_ADDRESS_POOLS]
            ),
            *map(storage.storage_classification, found[storage.STORAGE_CLASSIFICATIONS]),
            *(storage.file_share(record, reach) for record in found[storage.FILE_SHARES]),
            *storage.volumes(found[storage.VOLUMES], reach),
        ]
    )
    paths = frozenset(path.lower() for item in told for path in item.cloud.host_group_paths)
    return Surroundings(
        inventory=inventory,
        networks=tuple(vm_networks),
        vmm_nodes=tuple(node for item in server for node in item.vmm_server.nodes),
        chosen=paths if chosen_clouds_only else None,
    )


def machines(
    found: Answers,
    around: Surroundings,
    disks: Question = virtual_machines.HARD_DISKS,
) -> Iterable[inventory_pb2.InventoryObject]:
    """Machines with their devices; pure. Raises as `build_inventory` does."""
    devices = virtual_machines.Devices(
        virtual_machines.disks_by_machine(found[virtual_machines.DISK_DRIVES], found[disks]),
        virtual_machines.adapters_by_machine(
            found[virtual_machines.NETWORK_ADAPTERS], around.networks
        ),
    )
    return virtual_machines.virtual_machines(
        found[virtual_machines.VIRTUAL_MACHINES], devices, around.vmm_nodes
    )
