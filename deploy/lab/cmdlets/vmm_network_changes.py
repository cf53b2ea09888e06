"""Removing VM networks, subnets and pools, and the module's functions that make them."""

import ipaddress

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.vmm_networks import static_pool, vm_network, vm_subnet
from deploy.lab.cmdlets.vmm_objects import check_connection, given_id, is_this_server
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation
from deploy.lab.site import virtual_networks, vm_network_changes
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import StaticPool
from deploy.lab.site.site import Site


def _check_server(site: Site, call: Invocation) -> None:
    server = arguments.required_text(call, "VMMServer")
    if not is_this_server(site, server):
        raise refusal("server_refused", server)


async def new_osr_vm_network(site: Site, call: Invocation, written: Written) -> None:
    """New-OsrVMNetwork of the product's module."""
    _check_server(site, call)
    network = vm_network_changes.add_network(
        site,
        (arguments.required_text(call, "Name"), arguments.required_text(call, "Description")),
        str(arguments.guid(call, "LogicalNetworkID")),
        arguments.required_text(call, "IsolationType"),
        call.command_id,
    )
    written.output(vm_network(site, network))


async def new_osr_vm_subnet(site: Site, call: Invocation, written: Written) -> None:
    """New-OsrVMSubnet of the product's module."""
    _check_server(site, call)
    network = vm_network_changes.network_with_id(site, str(arguments.guid(call, "VMNetworkID")))
    wanted = (
        arguments.required_text(call, "Name"),
        _subnet(call),
        arguments.number(call, "VLanID") or 0,
    )
    subnet = vm_network_changes.add_subnet(site, network, wanted, call.command_id)
    written.output(vm_subnet(site, network, subnet))


async def new_osr_static_ip_address_pool(site: Site, call: Invocation, written: Written) -> None:
    """New-OsrStaticIPAddressPool of the product's module."""
    _check_server(site, call)
    place = vm_network_changes.subnet_with_id(site, str(arguments.guid(call, "VMSubnetID")))
    pool = StaticPool(
        id=site.environment.new_id(),
        name=arguments.required_text(call, "Name"),
        first_address=arguments.required_text(call, "IPAddressRangeStart"),
        last_address=arguments.required_text(call, "IPAddressRangeEnd"),
        default_gateways=_list(call, "DefaultGateway"),
        dns_servers=_list(call, "DNSServer"),
    )
    vm_network_changes.add_pool(site, place, pool, _subnet(call), call.command_id)
    written.output(static_pool(site, *place, pool))


async def remove_scvm_network(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    network = vm_network_changes.network_with_id(site, given_id(call, "VMNetwork") or "")
    shown = vm_network(site, network)
    vm_network_changes.remove_network(site, network, call.command_id)
    written.output(shown)


async def remove_scvm_subnet(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    place = vm_network_changes.subnet_with_id(site, given_id(call, "VMSubnet") or "")
    shown = vm_subnet(site, *place)
    vm_network_changes.remove_subnet(site, place, call.command_id)
    written.output(shown)


async def remove_sc_static_ip_address_pool(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    del written
    pool = virtual_networks.find_pool(site, given_id(call, "StaticIPAddressPool") or "")
    vm_network_changes.remove_pool(site, pool, call.command_id)


def _list(call: Invocation, name: str) -> list[str]:
    return [each for each in arguments.required_text(call, name).split(",") if each]


def _subnet(call: Invocation) -> str:
    text = arguments.required_text(call, "Subnet")
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise HyperVError(
            "LabInvalidAddress", "InvalidArgument", f"'{text}' is no subnet: {error}"
        ) from None
