"""Commands about network adapters in VMM: read them, connect one, disconnect one."""

from __future__ import annotations

from uuid import UUID

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.network_pb2 import (
    ConnectNetworkAdapter,
    NetworkAdapter,
    NetworkAdapters,
    ReadNetworkAdapters,
)
from opensiterecovery.provider.v1.virtual_machine_pb2 import VirtualMachineRef

from agent.fabric.network_adapters import ADAPTER_PROPERTIES, KnownNetworks, device_of, vlan_of
from agent.fabric.networks import VM_NETWORKS, VM_SUBNETS, vm_networks
from agent.fabric.vmm import Question, object_id, unsigned
from agent.failures import CommandError, failure
from agent.powershell.cmdlet import Cmdlet, cmdlet, select
from agent.powershell.records import PSRecord
from agent.verbs.act import Goal, reach
from agent.verbs.addresses import allocated_addresses
from agent.verbs.context import VerbContext
from agent.verbs.machines import machine_id
from agent.verbs.removal import id_in_vmm


async def read_network_adapters(
    request: ReadNetworkAdapters, context: VerbContext
) -> NetworkAdapters:
    """Reads one copy's adapters and what some pools gave to others. Changes nothing.

    Raises:
        CommandError: VMM does not know the machine on that host.

    Source: Get-SCVirtualNetworkAdapter, Get-SCIPAddress.
    """
    adapters = await _adapters_of(context, request.vm)
    own = {adapter.id for adapter in adapters}
    pools = [
        await allocated_addresses(context, pool_id, own)
        for pool_id in request.static_address_pool_ids
    ]
    return NetworkAdapters(
        vm_id=request.vm.vm_id, host=request.vm.host, adapters=adapters, pools=pools
    )


async def connect_network_adapter(
    request: ConnectNetworkAdapter, context: VerbContext
) -> NetworkAdapter:
    """Connects an adapter to a subnet of a VM network, or to nothing.

    Idempotent: an adapter that is connected as wanted is left alone.

    Raises:
        CommandError: The machine has no such adapter, or VMM refused: the network is gone, or the
            host has no switch on its logical network.

    Source: Set-SCVirtualNetworkAdapter.
    """
    wanted = (request.vm_network_id, request.vm_subnet_id)
    if bool(wanted[0]) != bool(wanted[1]):
        raise CommandError(_half_a_place(request))
    goal = Goal(
        action="Set-SCVirtualNetworkAdapter",
        expected=f"connected to {wanted[0] or 'nothing'}",
        observe=lambda: _adapter(context, request),
        reached=lambda adapter: request.leave_as_it_is or _is_at(adapter, wanted),
        describe=_described,
    )
    return await reach(context, goal, lambda _: _connect(context, request))


async def _adapter(context: VerbContext, request: ConnectNetworkAdapter) -> NetworkAdapter:
    for adapter in await _adapters_of(context, request.vm):
        if adapter.id == request.adapter_id.lower():
            return adapter
    raise CommandError(
        failure(
            "NetworkAdapterNotFound",
            f"The virtual machine {request.vm.vm_id} on {request.vm.host} has no network adapter"
            f" {request.adapter_id or 'that belongs to the one of the machine'}.",
            [
                "An adapter was added to the machine only: Hyper-V adds none to a replica.",
                "The adapter was removed from the replica.",
            ],
            "Add or remove the adapter on the replica so that both have the same, then change the"
            " mapping or repeat the operation.",
        )
    )


async def _adapters_of(context: VerbContext, vm: VirtualMachineRef) -> list[NetworkAdapter]:
    server = cmdlet("Get-SCVMMServer", ComputerName=context.vmm_server)
    host = cmdlet("Get-SCVMHost", ComputerName=vm.host)
    known = await id_in_vmm(context, vm, (server, host))
    records = await context.reader.run(
        server,
        cmdlet("Get-SCVirtualMachine", ID=known),
        cmdlet("Get-SCVirtualNetworkAdapter"),
        select(*ADAPTER_PROPERTIES),
        time_limit_seconds=context.read_seconds(),
    )
    networks = KnownNetworks.of(
        vm_networks(await _ask(context, VM_NETWORKS), await _ask(context, VM_SUBNETS))
    )
    found = [_told(record, networks) for record in records]
    return sorted(found, key=lambda adapter: (adapter.slot, adapter.id))


async def _ask(context: VerbContext, question: Question) -> list[PSRecord]:
    return await context.reader.run(
        *question.pipeline(context.vmm_server), time_limit_seconds=context.read_seconds()
    )


def _told(record: PSRecord, networks: KnownNetworks) -> NetworkAdapter:
    device = device_of(record)
    connection = networks.connection(record)
    return NetworkAdapter(
        id=object_id(record),
        device_id=device[1] if device else "",
        slot=unsigned(record, "SlotId"),
        mac_address=record.optional_text("MACAddress") or "",
        vm_network_id=connection.network_id,
        vm_network=connection.network,
        vm_subnet_id=connection.subnet_id,
        vm_subnet=connection.subnet,
        vlan_id=vlan_of(record),
        virtual_network=record.optional_text("VirtualNetwork") or "",
        ipv4_address_type=record.optional_text("IPv4AddressType") or "",
        ipv4_addresses=record.strings("IPv4Addresses"),
    )


def _is_at(adapter: NetworkAdapter, wanted: tuple[str, str]) -> bool:
    if not wanted[0]:
        return not adapter.vm_network and not adapter.virtual_network
    place = (adapter.vm_network_id, adapter.vm_subnet_id)
    return place == (wanted[0].lower(), wanted[1].lower()) and bool(adapter.virtual_network)


async def _connect(context: VerbContext, request: ConnectNetworkAdapter) -> None:
    await context.powershell.run(
        *_connecting(context, request), time_limit_seconds=context.action_seconds()
    )


def _connecting(context: VerbContext, request: ConnectNetworkAdapter) -> tuple[Cmdlet, ...]:
    """Disconnecting is a pipeline; connecting relates three objects, which none can carry."""
    if not request.vm_network_id:
        return (
            cmdlet("Get-SCVMMServer", ComputerName=context.vmm_server),
            cmdlet("Get-SCVirtualNetworkAdapter", ID=UUID(request.adapter_id)),
            cmdlet("Set-SCVirtualNetworkAdapter", NoLogicalNetwork=True, NoConnection=True),
        )
    return (
        cmdlet(
            "Connect-OsrVirtualNetworkAdapter",
            VMMServer=context.vmm_server,
            VirtualNetworkAdapterID=UUID(request.adapter_id),
            VMNetworkID=UUID(request.vm_network_id),
            VMSubnetID=UUID(request.vm_subnet_id),
            VMHost=request.vm.host,
        ),
    )


def _described(adapter: NetworkAdapter) -> str:
    if not adapter.vm_network:
        return "connected to nothing"
    return f"connected to {adapter.vm_network}, subnet {adapter.vm_subnet or '(unknown)'}"


def _half_a_place(request: ConnectNetworkAdapter) -> Failure:
    machine_id(request.vm)
    return failure(
        "CommandInvalid",
        f"The command names half a place: network {request.vm_network_id!r}, subnet"
        f" {request.vm_subnet_id!r}.",
        ["The coordinator and the agent are of versions that do not fit together."],
        "Bring the agent to the coordinator's version.",
    )
