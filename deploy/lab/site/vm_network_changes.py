"""What VMM does when VM networks, their subnets and pools are made and removed."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from deploy.lab.site.model import IsolationType, StaticPool, VmNetwork, VmSubnet
from deploy.lab.site.virtual_networks import allocated, refused

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.errors import HyperVError
    from deploy.lab.site.model import LogicalNetwork


def _gone(what: str, identifier: str) -> HyperVError:
    return refused(
        "LabObjectGone", "ObjectNotFound", f"VMM cannot find the {what} '{identifier}'.", identifier
    )


def _logical_network(site: SiteCore, identifier: str) -> LogicalNetwork:
    for network in site.vmm.logical_networks:
        if network.id.lower() == identifier.lower():
            return network
    raise _gone("logical network", identifier)


def network_with_id(site: SiteCore, identifier: str) -> VmNetwork:
    """A VM network by VMM's id.

    Raises:
        HyperVError: There is none.
    """
    for network in site.vmm.vm_networks:
        if network.id.lower() == identifier.lower():
            return network
    raise _gone("VM network", identifier)


def subnet_with_id(site: SiteCore, identifier: str) -> tuple[VmNetwork, VmSubnet]:
    """A VM subnet by VMM's id, with its network.

    Raises:
        HyperVError: There is none.
    """
    for network in site.vmm.vm_networks:
        for subnet in network.subnets:
            if subnet.id.lower() == identifier.lower():
                return network, subnet
    raise _gone("VM subnet", identifier)


def add_network(
    site: SiteCore,
    named: tuple[str, str],
    logical_network_id: str,
    isolation: str,
    command_id: str | None,
) -> VmNetwork:
    """Makes a VM network, named by name and description.

    Raises:
        HyperVError: The name is taken, or the logical network does not allow the isolation.
    """
    name, description = named
    logical = _logical_network(site, logical_network_id)
    if any(each.name.lower() == name.lower() for each in site.vmm.vm_networks):
        raise refused(
            "LabNameTaken", "ResourceExists", f"There is a VM network '{name}' already.", name
        )
    kind = next((each for each in IsolationType if each.value == isolation), None)
    possible = {
        IsolationType.WINDOWS_NETWORK_VIRTUALIZATION: logical.network_virtualization_enabled,
        IsolationType.VLAN: logical.definitions_isolated,
        # VMM allows one; there the VM network is the logical network itself.
        IsolationType.NO_ISOLATION: not any(
            each.logical_network == logical.name
            and each.isolation_type is IsolationType.NO_ISOLATION
            for each in site.vmm.vm_networks
        ),
    }
    if kind is None or not possible.get(kind, False):
        raise refused(
            "LabIsolationNotPossible",
            "InvalidOperation",
            f"A VM network with the isolation '{isolation}' cannot be made on '{logical.name}'.",
            name,
        )
    network = VmNetwork(
        id=site.environment.new_id(),
        name=name,
        logical_network=logical.name,
        isolation_type=kind,
        description=description,
    )
    site.vmm.vm_networks.append(network)
    site.save_vmm()
    _record(site, "vm_network.created", network, command_id, {"isolation": isolation})
    return network


def add_subnet(
    site: SiteCore, network: VmNetwork, wanted: tuple[str, str, int], command_id: str | None
) -> VmSubnet:
    """Adds a subnet: its name, its addresses, its VLAN.

    Raises:
        HyperVError: No site of the logical network has it, another VM network has it already, or
            it overlaps with one of the same network.
    """
    name, addresses, vlan = wanted
    if network.isolation_type is IsolationType.VLAN:
        _check_vlan(site, network, addresses, vlan)
    elif vlan:
        raise refused(
            "LabVlanNotPossible", "InvalidArgument", f"'{network.name}' is not isolated by VLANs."
        )
    new = ipaddress.ip_network(addresses)
    for each in network.subnets:
        if new.overlaps(ipaddress.ip_network(each.subnet)):
            raise refused(
                "LabSubnetOverlaps",
                "InvalidArgument",
                f"The subnet {addresses} overlaps with {each.subnet} of '{network.name}'.",
                name,
            )
    subnet = VmSubnet(id=site.environment.new_id(), name=name, subnet=addresses, vlan_id=vlan)
    network.subnets.append(subnet)
    site.save_vmm()
    _record(site, "vm_subnet.created", network, command_id, {"subnet": addresses, "vlan": vlan})
    return subnet


def _check_vlan(site: SiteCore, network: VmNetwork, addresses: str, vlan: int) -> None:
    logical = next(
        each for each in site.vmm.logical_networks if each.name == network.logical_network
    )
    known = {(each.subnet, each.vlan_id) for each in logical.free_subnet_vlans}
    if (addresses, vlan) not in known:
        raise refused(
            "LabNoSuchSite",
            "ObjectNotFound",
            f"No site of '{logical.name}' has the subnet {addresses} with the VLAN {vlan}.",
        )
    for other in site.vmm.vm_networks:
        if other.logical_network == logical.name and any(
            each.vlan_id == vlan for each in other.subnets
        ):
            raise refused(
                "LabVlanTaken", "ResourceExists", f"'{other.name}' has the VLAN {vlan} already."
            )


def add_pool(
    site: SiteCore,
    place: tuple[VmNetwork, VmSubnet],
    pool: StaticPool,
    addresses: str,
    command_id: str | None,
) -> StaticPool:
    """Adds a pool to a subnet.

    Raises:
        HyperVError: Its range is not within the subnet.
    """
    network, subnet = place
    inside = ipaddress.ip_network(subnet.subnet)
    ends = [ipaddress.ip_address(each) for each in (pool.first_address, pool.last_address)]
    if addresses != subnet.subnet or not all(each in inside for each in ends):
        raise refused(
            "LabAddressOutsidePool",
            "InvalidArgument",
            f"The range {pool.first_address}-{pool.last_address} is not in {subnet.subnet}.",
        )
    subnet.static_pools.append(pool)
    site.save_vmm()
    _record(site, "address_pool.created", network, command_id, {"pool": pool.name})
    return pool


def remove_pool(site: SiteCore, pool: StaticPool, command_id: str | None) -> None:
    """Removes a pool.

    Raises:
        HyperVError: Addresses of it are given out.
    """
    if any(each.pool_id == pool.id for each in allocated(site)):
        raise _in_use("static address pool", pool.name)
    for network in site.vmm.vm_networks:
        for subnet in network.subnets:
            if pool in subnet.static_pools:
                subnet.static_pools.remove(pool)
                site.save_vmm()
                _record(site, "address_pool.removed", network, command_id, {"pool": pool.name})


def remove_subnet(
    site: SiteCore, place: tuple[VmNetwork, VmSubnet], command_id: str | None
) -> None:
    """Removes a subnet.

    Raises:
        HyperVError: It has pools, or adapters are connected to it.
    """
    network, subnet = place
    if subnet.static_pools or _is_used(site, subnet.id):
        raise _in_use("VM subnet", subnet.name)
    network.subnets.remove(subnet)
    site.save_vmm()
    _record(site, "vm_subnet.removed", network, command_id, {"subnet": subnet.subnet})


def remove_network(site: SiteCore, network: VmNetwork, command_id: str | None) -> None:
    """Removes a VM network.

    Raises:
        HyperVError: It has subnets. What VMM does then is not documented; the lab refuses.
    """
    if network.subnets:
        raise _in_use("VM network", network.name)
    site.vmm.vm_networks.remove(network)
    site.save_vmm()
    _record(site, "vm_network.removed", network, command_id, {})


def _is_used(site: SiteCore, subnet_id: str) -> bool:
    return any(
        adapter.vm_subnet_id == subnet_id for vm in site.virtual_machines for adapter in vm.adapters
    )


def _in_use(what: str, name: str) -> HyperVError:
    return refused(
        "LabObjectInUse", "InvalidOperation", f"The {what} '{name}' is still in use.", name
    )


def _record(
    site: SiteCore,
    effect: str,
    network: VmNetwork,
    command_id: str | None,
    details: dict[str, object],
) -> None:
    details = {"network": network.name, **details}
    site.record(site.vmm.server.fqdn, (effect, network.id), command_id, details)
