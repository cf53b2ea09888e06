"""Set-SCVirtualNetworkAdapter, and the module's function that relates adapter, network, subnet."""

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.vmm_networks import virtual_network_adapter
from deploy.lab.cmdlets.vmm_objects import check_connection, given_id, is_this_server
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation
from deploy.lab.site import virtual_networks
from deploy.lab.site.model import NetworkAdapter, VirtualMachine
from deploy.lab.site.site import Site

# What the lab does of Set-SCVirtualNetworkAdapter; other parameters are refused, not ignored.
_EMULATED = {"VirtualNetworkAdapter", "VMMServer", "NoLogicalNetwork", "NoConnection"}


def _show(site: Site, written: Written, vm: VirtualMachine, adapter: NetworkAdapter) -> None:
    written.output(virtual_network_adapter(site, vm, adapter, vm.adapters.index(adapter)))


async def set_sc_virtual_network_adapter(site: Site, call: Invocation, written: Written) -> None:
    """Disconnects. What connects takes objects that no pipeline can carry: see the function."""
    check_connection(site, call)
    others = sorted(set(call.parameters) - _EMULATED - {"ErrorAction"})
    if others or not arguments.switch(call, "NoConnection"):
        which = others[0] if others else "no -NoConnection"
        raise refusal("not_emulated", f"Set-SCVirtualNetworkAdapter with {which}")
    vm, adapter = virtual_networks.find_adapter(site, given_id(call, "VirtualNetworkAdapter") or "")
    virtual_networks.disconnect(site, vm, adapter, call.command_id)
    _show(site, written, vm, adapter)


async def connect_osr_virtual_network_adapter(
    site: Site, call: Invocation, written: Written
) -> None:
    """Connect-OsrVirtualNetworkAdapter of the product's module."""
    _check_server(site, call)
    vm, adapter = virtual_networks.find_adapter(
        site, str(arguments.guid(call, "VirtualNetworkAdapterID"))
    )
    if vm.host_fqdn.lower() != arguments.required_text(call, "VMHost").lower():
        raise refusal("vmm_object_gone", adapter.vmm_id)
    place = virtual_networks.find_network(
        site, str(arguments.guid(call, "VMNetworkID")), str(arguments.guid(call, "VMSubnetID"))
    )
    virtual_networks.connect(site, (vm, adapter), place, call.command_id)
    _show(site, written, vm, adapter)


def _check_server(site: Site, call: Invocation) -> None:
    server = arguments.required_text(call, "VMMServer")
    if not is_this_server(site, server):
        raise refusal("server_refused", server)
