"""Get- and Revoke-SCIPAddress, and the module's function that grants one."""

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.messages import refusal
from deploy.lab.cmdlets.vmm_objects import check_connection, given_id, is_this_server, vmm_object
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import Invocation, PSObject, Value
from deploy.lab.site import virtual_networks
from deploy.lab.site.model import AllocatedAddress
from deploy.lab.site.site import Site


def allocated_address(site: Site, given: AllocatedAddress) -> PSObject:
    """Microsoft.SystemCenter.VirtualMachineManager.AllocatedIPAddress; its name is the address."""
    properties: dict[str, Value] = {
        "Address": given.address,
        "AllocatingAddressPool": virtual_networks.find_pool(site, given.pool_id).name,
        "AssignedToID": given.assigned_to_id,
        "AssignedToType": "VirtualNetworkAdapter",
        "State": "Assigned",
        "Description": given.description,
    }
    return vmm_object(site, "AllocatedIPAddress", given.id, given.address, properties)


async def get_sc_ip_address(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    pool = given_id(call, "StaticIPAddressPool")
    adapter = arguments.guid(call, "GrantToObjectID")
    wanted = arguments.guid(call, "ID")
    address = arguments.text(call, "IPAddress")
    if arguments.switch(call, "UnAssigned"):
        return  # the lab gives nothing out but to adapters
    for given in virtual_networks.allocated(site):
        if pool is not None and given.pool_id.lower() != pool:
            continue
        if adapter is not None and given.assigned_to_id.lower() != str(adapter):
            continue
        if wanted is not None and given.id.lower() != str(wanted):
            continue
        if address in {None, given.address}:
            written.output(allocated_address(site, given))


async def revoke_sc_ip_address(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    given = virtual_networks.revoke(
        site, given_id(call, "AllocatedIPAddress") or "", call.command_id
    )
    written.output(allocated_address(site, given))


async def grant_osr_ip_address(site: Site, call: Invocation, written: Written) -> None:
    """Grant-OsrIPAddress of the product's module."""
    server = arguments.required_text(call, "VMMServer")
    if not is_this_server(site, server):
        raise refusal("server_refused", server)
    pool = virtual_networks.find_pool(site, str(arguments.guid(call, "StaticIPAddressPoolID")))
    given = virtual_networks.grant(
        site,
        pool,
        str(arguments.guid(call, "VirtualNetworkAdapterID")),
        (
            arguments.required_text(call, "IPAddress"),
            arguments.required_text(call, "Description"),
        ),
        call.command_id,
    )
    written.output(allocated_address(site, given))
