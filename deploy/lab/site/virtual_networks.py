"""What VMM does to adapters and static pools: it connects, gives out, takes back."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import AllocatedAddress

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import (
        Host,
        NetworkAdapter,
        StaticPool,
        VirtualMachine,
        VirtualSwitch,
        VmNetwork,
        VmSubnet,
    )

CARMINE_EXCEPTION = "Microsoft.VirtualManager.Utils.CarmineException"


def refused(error_id: str, category: str, message: str, target: str = "") -> HyperVError:
    """VMM's refusal; its real error numbers for these are not publicly known."""
    return HyperVError(error_id, category, message, CARMINE_EXCEPTION, target)


def find_adapter(site: SiteCore, vmm_id: str) -> tuple[VirtualMachine, NetworkAdapter]:
    """An adapter of a machine VMM knows.

    Raises:
        HyperVError: There is none.
    """
    for vm in site.virtual_machines:
        for adapter in vm.adapters:
            if vm.known_to_vmm and adapter.vmm_id.lower() == vmm_id.lower():
                return vm, adapter
    raise refused(
        "LabObjectGone",
        "ObjectNotFound",
        f"VMM cannot find the virtual network adapter '{vmm_id}'.",
        vmm_id,
    )


def find_network(site: SiteCore, network_id: str, subnet_id: str) -> tuple[VmNetwork, VmSubnet]:
    """A VM network and a subnet of it.

    Raises:
        HyperVError: There is no such network, or the subnet is another network's.
    """
    for network in site.vmm.vm_networks:
        if network.id.lower() != network_id.lower():
            continue
        for subnet in network.subnets:
            if subnet.id.lower() == subnet_id.lower():
                return network, subnet
        raise refused(
            "LabSubnetNotOfNetwork",
            "InvalidArgument",
            f"The VM network '{network.name}' has no subnet '{subnet_id}'.",
            subnet_id,
        )
    raise refused(
        "LabObjectGone", "ObjectNotFound", f"VMM cannot find the VM network '{network_id}'."
    )


def connect(
    site: SiteCore,
    adapter: tuple[VirtualMachine, NetworkAdapter],
    place: tuple[VmNetwork, VmSubnet],
    command_id: str | None,
) -> None:
    """Connects an adapter by the host's switch on the network's logical network.

    Raises:
        HyperVError: The host has no such switch, or does not answer.
    """
    vm, nic = adapter
    network, subnet = place
    host = site.host(vm.host_fqdn)
    switch = _switch(host, network)
    if (nic.vm_subnet_id, nic.switch_name) == (subnet.id, switch.name):
        return
    nic.vm_network_id, nic.vm_subnet_id = network.id, subnet.id
    nic.vlan_id = subnet.vlan_id or None
    nic.switch_name = switch.name
    site.save_vm(vm)
    site.record(
        host.fqdn,
        ("network_adapter.connected", vm.vm_id),
        command_id,
        {
            "adapter": nic.id,
            "network": network.name,
            "subnet": subnet.name,
            "switch": switch.name,
            "vlan": nic.vlan_id,
        },
    )


def disconnect(
    site: SiteCore, vm: VirtualMachine, adapter: NetworkAdapter, command_id: str | None
) -> None:
    """Takes an adapter off its network and its switch."""
    if adapter.vm_network_id is None and adapter.switch_name is None:
        return
    host = site.host(vm.host_fqdn)
    adapter.vm_network_id = adapter.vm_subnet_id = adapter.vlan_id = adapter.switch_name = None
    site.save_vm(vm)
    site.record(
        host.fqdn,
        ("network_adapter.disconnected", vm.vm_id),
        command_id,
        {"adapter": adapter.id, "switch": None},
    )


def _switch(host: Host, network: VmNetwork) -> VirtualSwitch:
    for switch in host.switches:
        if switch.logical_network == network.logical_network:
            return switch
    raise refused(
        "LabNoVirtualNetwork",
        "ObjectNotFound",
        f"The host '{host.fqdn}' has no virtual switch on the logical network"
        f" '{network.logical_network}' of the VM network '{network.name}'.",
        host.fqdn,
    )


def find_pool(site: SiteCore, pool_id: str) -> StaticPool:
    """A static pool by VMM's id.

    Raises:
        HyperVError: There is none.
    """
    for network in site.vmm.vm_networks:
        for subnet in network.subnets:
            for pool in subnet.static_pools:
                if pool.id.lower() == pool_id.lower():
                    return pool
    raise refused(
        "LabObjectGone", "ObjectNotFound", f"VMM cannot find the static pool '{pool_id}'.", pool_id
    )


def grant(
    site: SiteCore,
    pool: StaticPool,
    adapter_id: str,
    asked: tuple[str, str],
    command_id: str | None,
) -> AllocatedAddress:
    """Gives an address out of a pool to an adapter; `asked` is the address and a description.

    Raises:
        HyperVError: The address is none of the pool, or is given out already.
    """
    address, description = asked
    vm, adapter = find_adapter(site, adapter_id)
    try:
        number = IPv4Address(address)
    except ValueError:
        raise refused(
            "LabInvalidAddress", "InvalidArgument", f"'{address}' is no IPv4 address.", address
        ) from None
    if not IPv4Address(pool.first_address) <= number <= IPv4Address(pool.last_address):
        raise refused(
            "LabAddressOutsidePool",
            "InvalidArgument",
            f"The address {address} is not in the range of the pool '{pool.name}'.",
            address,
        )
    if any((each.pool_id, each.address) == (pool.id, address) for each in allocated(site)):
        raise refused(
            "LabAddressAllocated",
            "ResourceExists",
            f"The address {address} of the pool '{pool.name}' is allocated already.",
            address,
        )
    given = AllocatedAddress(
        id=site.environment.new_id(),
        address=address,
        pool_id=pool.id,
        assigned_to_id=adapter.vmm_id,
        description=description,
    )
    site.vmm.allocated_addresses.append(given)
    site.save_vmm()
    details = {"adapter": adapter.id, "address": address, "pool": pool.name}
    site.record(vm.host_fqdn, ("address.granted", vm.vm_id), command_id, details)
    return given


def revoke(site: SiteCore, allocation_id: str, command_id: str | None) -> AllocatedAddress:
    """Takes an address back.

    Raises:
        HyperVError: It is not given out.
    """
    for given in site.vmm.allocated_addresses:
        if given.id.lower() == allocation_id.lower():
            site.vmm.allocated_addresses.remove(given)
            site.save_vmm()
            details = {"address": given.address, "adapter": given.assigned_to_id}
            site.record(
                site.vmm.server.fqdn, ("address.revoked", given.address), command_id, details
            )
            return given
    raise refused(
        "LabObjectGone", "ObjectNotFound", f"VMM cannot find the address '{allocation_id}'."
    )


def allocated(site: SiteCore) -> tuple[AllocatedAddress, ...]:
    """What is given out; VMM forgets what it gave to an adapter when the adapter is gone."""
    known = {adapter.vmm_id for vm in site.virtual_machines for adapter in vm.adapters}
    return tuple(each for each in site.vmm.allocated_addresses if each.assigned_to_id in known)


def give_out_from_start(site: SiteCore) -> None:
    """Machines with a static address have had it from VMM since they were made."""
    pools = {
        subnet.id: pool
        for network in site.vmm.vm_networks
        for subnet in network.subnets
        for pool in subnet.static_pools
    }
    held = {(each.pool_id, each.address) for each in site.vmm.allocated_addresses}
    before = len(held)
    for vm in site.virtual_machines:
        for adapter in vm.adapters:
            pool = pools.get(adapter.vm_subnet_id or "")
            address = next((each for each in adapter.ip_addresses if ":" not in each), "")
            if adapter.ipv4_address_type != "Static" or pool is None or not address:
                continue
            if (pool.id, address) in held:
                continue
            held.add((pool.id, address))
            site.vmm.allocated_addresses.append(
                AllocatedAddress(
                    id=site.environment.new_id(),
                    address=address,
                    pool_id=pool.id,
                    assigned_to_id=adapter.vmm_id,
                    description=vm.name,
                )
            )
    if len(held) > before:
        site.save_vmm()
