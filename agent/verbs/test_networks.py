"""Commands about the isolated VM network of a test failover: make it, remove it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.inventory_pb2 import VmSubnet
from opensiterecovery.provider.v1.test_failover_pb2 import (
    CreatedAddressPool,
    CreatedSubnet,
    CreateTestNetwork,
    RemoveTestNetwork,
    TestAddressPool,
    TestNetwork,
    TestNetworkRemoved,
    TestSubnet,
)

from agent.fabric.networks import (
    LOGICAL_NETWORKS,
    STATIC_ADDRESS_POOLS,
    VM_SUBNETS,
    static_address_pool,
    vm_subnet,
)
from agent.fabric.vmm import Question, object_id, optional_id
from agent.failures import CommandError, failure
from agent.powershell.cmdlet import Cmdlet, Value, cmdlet
from agent.powershell.records import PSRecord
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext

VLAN = "VLANNetwork"

_NETWORKS = Question(cmdlet("Get-SCVMNetwork"), ("ID", "Name", "Description", "LogicalNetwork"))
_SITES = Question(
    cmdlet("Get-SCLogicalNetworkDefinition"), ("ID", "Name", "LogicalNetwork", "SubnetVLans")
)


@dataclass(frozen=True)
class _Pool:
    id: str
    name: str
    first_address: str
    last_address: str
    default_gateways: tuple[str, ...]
    dns_servers: tuple[str, ...]


@dataclass(frozen=True)
class _Subnet:
    id: str
    name: str
    subnet: str
    vlan_id: int
    pools: tuple[_Pool, ...]


@dataclass(frozen=True)
class _Network:
    """What there is; no id: nothing."""

    id: str = ""
    description: str = ""
    subnets: tuple[_Subnet, ...] = ()


async def create_test_network(request: CreateTestNetwork, context: VerbContext) -> TestNetwork:
    """Makes a VM network with its subnets and pools.

    Idempotent: what is there of it is kept, and what is missing is added.

    Raises:
        CommandError: Another network has the name; no site of the logical network has a subnet that
            is free; or VMM refused.

    Source: New-SCVMNetwork, New-SCVMSubnet, New-SCStaticIPAddressPool.
    """
    goal = Goal(
        action="New-SCVMNetwork",
        expected=f"the VM network {request.name}",
        observe=lambda: _observe(context, request.name),
        reached=lambda network: _is_whole(network, request),
        describe=_described,
        refuse=lambda network: _not_ours(network, request.name, request.description),
    )

    async def make(network: _Network) -> None:
        await _complete(context, request, network)

    network = await reach(context, goal, make)
    return _told(request.name, network)


async def remove_test_network(
    request: RemoveTestNetwork, context: VerbContext
) -> TestNetworkRemoved:
    """Removes a VM network that was made for a test, with its pools and subnets.

    Idempotent: where there is none, nothing is done.

    Raises:
        CommandError: The network was not made for a test, or something is still connected to it.

    Source: Remove-SCStaticIPAddressPool, Remove-SCVMSubnet, Remove-SCVMNetwork.
    """
    goal = Goal(
        action="Remove-SCVMNetwork",
        expected="gone",
        observe=lambda: _observe(context, request.name),
        reached=lambda network: not network.id,
        describe=_described,
        refuse=lambda network: _not_ours(network, request.name, request.description),
    )

    async def remove(network: _Network) -> None:
        for subnet in network.subnets:
            for pool in subnet.pools:
                await _remove(context, "StaticIPAddressPool", pool.id)
            await _remove(context, "VMSubnet", subnet.id)
        await _remove(context, "VMNetwork", network.id)

    await reach(context, goal, remove)
    return TestNetworkRemoved(name=request.name)


async def _observe(context: VerbContext, name: str) -> _Network:
    for record in await _ask(context, _NETWORKS):
        if record.text("Name") == name:
            network_id = object_id(record)
            pools = await _ask(context, STATIC_ADDRESS_POOLS)
            subnets = [
                _subnet(each, pools)
                for each in await _ask(context, VM_SUBNETS)
                if optional_id(each, "VMNetworkID") == network_id
            ]
            description = record.optional_text("Description") or ""
            return _Network(network_id, description, tuple(subnets))
    return _Network()


def _subnet(record: PSRecord, pools: Iterable[PSRecord]) -> _Subnet:
    shown = vm_subnet(record)
    # A pool names its subnet; names of what is made for a test are theirs alone.
    own = [
        static_address_pool(each).static_address_pool
        for each in pools
        if each.optional_text("VMSubnet") == shown.name
    ]
    return _Subnet(
        shown.id,
        shown.name,
        next(iter(shown.subnets), ""),
        shown.vlan_id,
        tuple(
            _Pool(
                pool.id,
                pool.name,
                pool.first_address,
                pool.last_address,
                tuple(pool.default_gateways),
                tuple(pool.dns_servers),
            )
            for pool in own
        ),
    )


def _is_whole(network: _Network, request: CreateTestNetwork) -> bool:
    if not network.id or _not_ours(network, request.name, request.description) is not None:
        return False
    if request.isolation_type == VLAN:
        return bool(network.subnets)
    found = {subnet.name: subnet for subnet in network.subnets}
    return all(
        wanted.name in found
        and {pool.name for pool in wanted.pools} <= {pool.name for pool in found[wanted.name].pools}
        for wanted in request.subnets
    )


async def _complete(context: VerbContext, request: CreateTestNetwork, network: _Network) -> None:
    if not network.id:
        await _run(
            context,
            "New-OsrVMNetwork",
            Name=request.name,
            Description=request.description,
            LogicalNetworkID=UUID(request.logical_network_id),
            IsolationType=request.isolation_type,
        )
        network = await _observe(context, request.name)
    if request.isolation_type == VLAN and not network.subnets:
        free = await _free_subnet(context, request)
        await _add_subnet(context, network, request.name, next(iter(free.subnets)), free.vlan_id)
    for wanted in request.subnets:
        if not any(subnet.name == wanted.name for subnet in network.subnets):
            await _add_subnet(context, network, wanted.name, wanted.subnet, 0)
    await _add_pools(context, request.subnets, await _observe(context, request.name))


async def _add_subnet(
    context: VerbContext, network: _Network, name: str, subnet: str, vlan_id: int
) -> None:
    await _run(
        context,
        "New-OsrVMSubnet",
        VMNetworkID=UUID(network.id),
        Name=name,
        Subnet=subnet,
        VLanID=vlan_id,
    )


async def _add_pools(
    context: VerbContext, subnets: Iterable[TestSubnet], network: _Network
) -> None:
    found = {subnet.name: subnet for subnet in network.subnets}
    for wanted in subnets:
        there = {pool.name for pool in found[wanted.name].pools}
        for pool in wanted.pools:
            if pool.name not in there:
                await _add_pool(context, found[wanted.name], pool)


async def _add_pool(context: VerbContext, subnet: _Subnet, pool: TestAddressPool) -> None:
    await _run(
        context,
        "New-OsrStaticIPAddressPool",
        VMSubnetID=UUID(subnet.id),
        Name=pool.name,
        Subnet=subnet.subnet,
        IPAddressRangeStart=pool.first_address,
        IPAddressRangeEnd=pool.last_address,
        DefaultGateway=",".join(pool.default_gateways),
        DNSServer=",".join(pool.dns_servers),
    )


async def _free_subnet(context: VerbContext, request: CreateTestNetwork) -> VmSubnet:
    """A subnet with its VLAN of the logical network's sites that no VM network has."""
    networks = await _ask(context, LOGICAL_NETWORKS)
    names = {object_id(each): each.text("Name") for each in networks}
    logical_network = names.get(request.logical_network_id.lower(), "")
    taken = {vm_subnet(each).vlan_id for each in await _ask(context, VM_SUBNETS)}
    for record in await _ask(context, _SITES):
        if record.optional_text("LogicalNetwork") != logical_network:
            continue
        for item in record.items("SubnetVLans"):
            place = vm_subnet(_one_of(record, item))
            if place.subnets and place.vlan_id and place.vlan_id not in taken:
                return place
    raise CommandError(
        failure(
            "NoFreeSiteSubnet",
            f"No site of the logical network of {request.name} has a subnet with a VLAN that no VM"
            " network has.",
            ["Every VLAN of the logical network's sites is given to a VM network."],
            "Add a subnet with a VLAN of its own for tests to a site of the logical network, or"
            " choose an existing VM network for the test.",
        )
    )


def _one_of(record: PSRecord, item: object) -> PSRecord:
    """A site with only one of its subnets."""
    return PSRecord({**record.properties, "SubnetVLans": [item]}, record.type_names, str(record))


async def _ask(context: VerbContext, question: Question) -> list[PSRecord]:
    return await context.reader.run(
        *question.pipeline(context.vmm_server), time_limit_seconds=context.read_seconds()
    )


async def _run(context: VerbContext, name: str, **parameters: Value) -> None:
    await context.powershell.run(
        cmdlet(name, VMMServer=context.vmm_server, **parameters),
        time_limit_seconds=context.action_seconds(),
    )


async def _remove(context: VerbContext, noun: str, identifier: str) -> None:
    await context.powershell.run(
        _server(context),
        cmdlet(f"Get-SC{noun}", ID=UUID(identifier)),
        cmdlet(f"Remove-SC{noun}", Confirm=False),
        time_limit_seconds=context.action_seconds(),
    )


def _server(context: VerbContext) -> Cmdlet:
    return cmdlet("Get-SCVMMServer", ComputerName=context.vmm_server)


def _described(network: _Network) -> str:
    if not network.id:
        return "not there"
    pools = sum(len(subnet.pools) for subnet in network.subnets)
    return f"there, with {len(network.subnets)} subnets and {pools} pools"


def _not_ours(network: _Network, name: str, description: str) -> Failure | None:
    if not network.id or network.description == description:
        return None
    return failure(
        "TestNetworkNotOurs",
        f"The VM network {name} was not made for this test: its description is"
        f" {network.description!r}. It is left alone.",
        ["Somebody made a network of this name, or changed its description."],
        "Rename that network, or remove it if it is not needed; then repeat the operation.",
    )


def _told(name: str, network: _Network) -> TestNetwork:
    return TestNetwork(
        vm_network_id=network.id,
        name=name,
        subnets=[
            CreatedSubnet(
                vm_subnet_id=subnet.id,
                name=subnet.name,
                subnet=subnet.subnet,
                vlan_id=subnet.vlan_id,
                pools=[
                    CreatedAddressPool(
                        static_address_pool_id=pool.id,
                        name=pool.name,
                        first_address=pool.first_address,
                        last_address=pool.last_address,
                        default_gateways=pool.default_gateways,
                        dns_servers=pool.dns_servers,
                    )
                    for pool in subnet.pools
                ],
            )
            for subnet in network.subnets
        ],
        static_address_pool_ids=[pool.id for subnet in network.subnets for pool in subnet.pools],
    )
