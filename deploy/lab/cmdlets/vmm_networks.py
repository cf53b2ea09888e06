"""VM networks, subnets, logical networks, address pools, adapters as VMM shows them."""

from uuid import UUID

from deploy.lab.cmdlets import arguments
from deploy.lab.cmdlets.vmm_objects import (
    by_name_or_id,
    check_connection,
    derived_id,
    given_id,
    vmm_object,
)
from deploy.lab.cmdlets.written import Written
from deploy.lab.invocation import U16, Invocation, PSObject, Value
from deploy.lab.site.model import (
    IsolationType,
    LogicalNetwork,
    NetworkAdapter,
    StaticPool,
    VirtualMachine,
    VmNetwork,
    VmSubnet,
)
from deploy.lab.site.site import Site


def logical_network(site: Site, network: LogicalNetwork) -> PSObject:
    properties: dict[str, Value] = {
        "Description": "",
        "NetworkVirtualizationEnabled": network.network_virtualization_enabled,
        "IsPVLAN": network.is_pvlan,
        "IsLogicalNetworkDefinitionIsolated": network.definitions_isolated,
        "ExternalId": UUID(network.id),
    }
    return vmm_object(site, "LogicalNetwork", network.id, network.name, properties)


def _logical_network_named(site: Site, name: str) -> PSObject | None:
    found = next((each for each in site.vmm.logical_networks if each.name == name), None)
    return None if found is None else logical_network(site, found)


def subnet_vlan(subnet: str, vlan_id: int) -> PSObject:
    return PSObject(
        ("Microsoft.SystemCenter.VirtualMachineManager.SubnetVLan", "System.Object"),
        f"{subnet}-{vlan_id}",
        {"Subnet": subnet, "VLanID": U16(vlan_id), "IsVlanEnabled": vlan_id > 0},
    )


def vm_subnet(site: Site, network: VmNetwork, subnet: VmSubnet) -> PSObject:
    properties: dict[str, Value] = {
        "Description": "",
        "VMNetwork": network.name,
        "VMNetworkID": UUID(network.id),
        "SubnetVLans": [subnet_vlan(subnet.subnet, subnet.vlan_id)],
    }
    return vmm_object(site, "VMSubnet", subnet.id, subnet.name, properties)


def vm_network(site: Site, network: VmNetwork) -> PSObject:
    properties: dict[str, Value] = {
        "Description": network.description,
        "LogicalNetwork": _logical_network_named(site, network.logical_network),
        "VMSubnet": [vm_subnet(site, network, subnet) for subnet in network.subnets],
        "IsolationType": network.isolation_type.value,
    }
    return vmm_object(site, "VMNetwork", network.id, network.name, properties)


def _definition_name(logical_network_name: str) -> str:
    """VMM's default name of a logical network's first site."""
    return f"{logical_network_name}_0"


def _logical_network_definition(site: Site, network: LogicalNetwork) -> PSObject:
    """A network site; the lab has one for each logical network, open to every host group."""
    vlans = [
        subnet_vlan(subnet.subnet, subnet.vlan_id)
        for each in site.vmm.vm_networks
        if each.logical_network == network.name
        for subnet in each.subnets
    ]
    taken = {str(vlan) for vlan in vlans}
    free = (subnet_vlan(each.subnet, each.vlan_id) for each in network.free_subnet_vlans)
    vlans += [vlan for vlan in free if str(vlan) not in taken]
    properties: dict[str, Value] = {
        "LogicalNetwork": logical_network(site, network),
        "IsIsolated": network.definitions_isolated,
        "HostGroups": [group.path for group in site.vmm.host_groups],
        "SubnetVLans": list[Value](vlans),
    }
    identifier = derived_id(network.id, "site")
    name = _definition_name(network.name)
    return vmm_object(site, "LogicalNetworkDefinition", identifier, name, properties)


def static_pool(site: Site, network: VmNetwork, subnet: VmSubnet, pool: StaticPool) -> PSObject:
    # Only a virtualized network has pools of its own: the others use those of their sites.
    own = network.isolation_type is IsolationType.WINDOWS_NETWORK_VIRTUALIZATION
    properties: dict[str, Value] = {
        "Description": "",
        "Subnet": subnet.subnet,
        "VMSubnet": vm_subnet(site, network, subnet) if own else None,
        "LogicalNetworkDefinition": None if own else _definition_name(network.logical_network),
        "VLanID": U16(subnet.vlan_id),
        "IPAddressRangeStart": pool.first_address,
        "IPAddressRangeEnd": pool.last_address,
        "AddressFamily": "InterNetwork",
        "DefaultGateways": list[Value](pool.default_gateways),
        "DNSServers": list[Value](pool.dns_servers),
        "IsIPv4": True,
    }
    return vmm_object(site, "StaticIPAddressPool", pool.id, pool.name, properties)


def virtual_network_adapter(
    site: Site, vm: VirtualMachine, adapter: NetworkAdapter, slot: int
) -> PSObject:
    """An adapter as VMM shows it: its name is the machine's, its MAC address has colons."""
    networks = {network.id: network for network in site.vmm.vm_networks}
    network = networks.get(adapter.vm_network_id or "")
    subnets = {} if network is None else {subnet.id: subnet for subnet in network.subnets}
    subnet = subnets.get(adapter.vm_subnet_id or "")
    digits = adapter.mac_address.replace(":", "").replace("-", "").upper()
    mac = ":".join(digits[index : index + 2] for index in range(0, len(digits), 2))
    kind = "Dynamic" if adapter.dynamic_mac_address else "Static"
    properties: dict[str, Value] = {
        "SlotId": slot,
        "VirtualNetwork": adapter.switch_name,
        "MACAddressType": kind,
        "MACAddress": mac,
        "EthernetAddressType": kind,
        "EthernetAddress": mac,
        "VirtualNetworkAdapterType": "Synthetic",
        "LogicalNetwork": None if network is None else network.logical_network,
        "VMNetwork": None if network is None else vm_network(site, network),
        "VMSubnet": (
            None if network is None or subnet is None else vm_subnet(site, network, subnet)
        ),
        "LogicalSwitch": None,
        "PortClassification": None,
        "VLanEnabled": bool(adapter.vlan_id),
        "VLanID": U16(adapter.vlan_id or 0),
        "IPv4AddressType": adapter.ipv4_address_type,
        "IPv6AddressType": "Dynamic",
        "IPv4Addresses": [address for address in adapter.ip_addresses if ":" not in address],
        "IPv6Addresses": [address for address in adapter.ip_addresses if ":" in address],
        "DeviceID": f"Microsoft:{vm.vm_id.upper()}\\{adapter.id.upper()}",
    }
    return vmm_object(site, "VirtualNetworkAdapter", adapter.vmm_id, vm.name, properties)


async def get_scvm_network(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    logical = next(iter(arguments.objects(call, "LogicalNetwork")), None)
    for network in by_name_or_id(call, site.vmm.vm_networks):
        if logical is None or network.logical_network == str(logical):
            written.output(vm_network(site, network))


async def get_scvm_subnet(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    wanted = given_id(call, "VMNetwork")
    address = arguments.text(call, "Subnet")
    for network in site.vmm.vm_networks:
        if wanted is not None and network.id.lower() != wanted:
            continue
        for subnet in by_name_or_id(call, network.subnets):
            if address in {None, subnet.subnet}:
                written.output(vm_subnet(site, network, subnet))


async def get_sc_logical_network(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    wanted = given_id(call, "Cloud")
    names: set[str] | None = None
    if wanted is not None:
        clouds = [cloud for cloud in site.vmm.clouds if cloud.id.lower() == wanted]
        names = {name for cloud in clouds for name in cloud.logical_networks}
    for network in by_name_or_id(call, site.vmm.logical_networks):
        if names is None or network.name in names:
            written.output(logical_network(site, network))


async def get_sc_static_ip_address_pool(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    wanted = given_id(call, "VMSubnet")
    for network in site.vmm.vm_networks:
        for subnet in network.subnets:
            if wanted is not None and subnet.id.lower() != wanted:
                continue
            for pool in by_name_or_id(call, subnet.static_pools):
                written.output(static_pool(site, network, subnet, pool))


async def get_sc_logical_network_definition(site: Site, call: Invocation, written: Written) -> None:
    check_connection(site, call)
    wanted = given_id(call, "LogicalNetwork")
    name = arguments.text(call, "Name")
    for network in site.vmm.logical_networks:
        if wanted is not None and network.id.lower() != wanted:
            continue
        if name is None or name.lower() == _definition_name(network.name).lower():
            written.output(_logical_network_definition(site, network))


async def get_scvm_host_network_adapter(site: Site, call: Invocation, written: Written) -> None:
    """A physical adapter for each switch of a host; what it reaches are its logical networks."""
    check_connection(site, call)
    wanted = given_id(call, "VMHost")
    for host in site.hosts:
        if wanted is not None and host.vmm_id.lower() != wanted:
            continue
        for number, switch in enumerate(host.switches):
            name = f"Ethernet {number + 1}"
            properties: dict[str, Value] = {
                "VMHost": host.fqdn,
                "ConnectionName": name,
                "ConnectionState": "Connected",
                "LogicalNetworks": [switch.logical_network],
                "VirtualNetworks": [switch.name],
            }
            identifier = derived_id(switch.id, "uplink")
            written.output(vmm_object(site, "HostNetworkAdapter", identifier, name, properties))
