"""VM networks with their subnets, logical networks, static address pools."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from opensiterecovery.provider.v1 import inventory_pb2

from agent.fabric.vmm import Question, object_id, optional_id, unsigned
from agent.powershell.cmdlet import cmdlet
from agent.powershell.records import PSRecord

NO_SITES: Final[Mapping[str, str]] = MappingProxyType({})

VM_NETWORKS: Final = Question(
    cmdlet("Get-SCVMNetwork"), ("ID", "Name", "LogicalNetwork", "IsolationType")
)
VM_SUBNETS: Final = Question(
    cmdlet("Get-SCVMSubnet"), ("ID", "Name", "VMNetwork", "VMNetworkID", "SubnetVLans")
)
LOGICAL_NETWORKS: Final = Question(
    cmdlet("Get-SCLogicalNetwork"),
    ("ID", "Name", "NetworkVirtualizationEnabled", "IsLogicalNetworkDefinitionIsolated"),
)
STATIC_ADDRESS_POOLS: Final = Question(
    cmdlet("Get-SCStaticIPAddressPool"),
    (
        "ID",
        "Name",
        "Subnet",
        "VMSubnet",
        "LogicalNetworkDefinition",
        "LogicalNetwork",
        "IPAddressRangeStart",
        "IPAddressRangeEnd",
        "DefaultGateways",
        "DNSServers",
    ),
)
# A pool names its site and not the logical network the site is of.
LOGICAL_NETWORK_DEFINITIONS: Final = Question(
    cmdlet("Get-SCLogicalNetworkDefinition"), ("ID", "Name", "LogicalNetwork")
)
# The text of a SubnetVLan: subnet and VLAN, "10.0.1.0/24-7".
_IPV4: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_SUBNET_VLAN: Final = re.compile(r"([0-9A-Fa-f.:]+/\d+)(?:\s*-\s*(\d+))?")


def vm_networks(
    networks: Iterable[PSRecord], subnets: Iterable[PSRecord]
) -> list[inventory_pb2.InventoryObject]:
    """Sources: Get-SCVMNetwork and Get-SCVMSubnet, joined by the network's id or, without, name."""
    of_network: dict[str, list[inventory_pb2.VmSubnet]] = {}
    for record in subnets:
        network = optional_id(record, "VMNetworkID") or record.optional_text("VMNetwork") or ""
        of_network.setdefault(network, []).append(vm_subnet(record))
    found = []
    for record in networks:
        network_id, name = object_id(record), record.text("Name")
        its_subnets = of_network.get(network_id, []) + of_network.get(name, [])
        found.append(
            inventory_pb2.InventoryObject(
                vm_network=inventory_pb2.VmNetwork(
                    id=network_id,
                    name=name,
                    logical_network=record.optional_text("LogicalNetwork") or "",
                    isolation_type=record.optional_text("IsolationType") or "",
                    subnets=sorted(its_subnets, key=lambda subnet: (subnet.name, subnet.id)),
                )
            )
        )
    return found


def vm_subnet(record: PSRecord) -> inventory_pb2.VmSubnet:
    """Source: Get-SCVMSubnet. A SubnetVLan arrives as an object or, being deep, as its text."""
    subnets, vlan_id = [], 0
    for item in record.items("SubnetVLans"):
        if isinstance(item, PSRecord) and item.has("Subnet"):
            subnets.append(item.text("Subnet"))
            vlan_id = vlan_id or unsigned(item, "VLanID")
        elif found := _SUBNET_VLAN.search(str(item)):
            subnets.append(found[1])
            vlan_id = vlan_id or int(found[2] or 0)
    return inventory_pb2.VmSubnet(
        id=object_id(record), name=record.text("Name"), subnets=subnets, vlan_id=vlan_id
    )


def logical_network(record: PSRecord) -> inventory_pb2.InventoryObject:
    """Source: Get-SCLogicalNetwork."""
    isolated = record.optional_boolean("IsLogicalNetworkDefinitionIsolated")
    return inventory_pb2.InventoryObject(
        logical_network=inventory_pb2.LogicalNetwork(
            id=object_id(record),
            name=record.text("Name"),
            network_virtualization=bool(record.optional_boolean("NetworkVirtualizationEnabled")),
            definitions_isolated=bool(isolated),
        )
    )


def logical_networks_of_sites(records: Iterable[PSRecord]) -> dict[str, str]:
    """Source: Get-SCLogicalNetworkDefinition; the logical network of each site, by name."""
    return {record.text("Name"): record.optional_text("LogicalNetwork") or "" for record in records}


def static_address_pool(
    record: PSRecord,
    networks: Iterable[inventory_pb2.InventoryObject] = (),
    sites: Mapping[str, str] = NO_SITES,
) -> inventory_pb2.InventoryObject:
    """Source: Get-SCStaticIPAddressPool, with the networks and sites its names are looked up in."""
    site = record.optional_text("LogicalNetworkDefinition") or ""
    logical_network_name = record.optional_text("LogicalNetwork") or sites.get(site, site)
    subnet = record.optional_text("Subnet") or ""
    vm_subnet_name = record.optional_text("VMSubnet") or ""
    return inventory_pb2.InventoryObject(
        static_address_pool=inventory_pb2.StaticAddressPool(
            id=object_id(record),
            name=record.text("Name"),
            subnet=subnet,
            vm_subnet=vm_subnet_name,
            vm_subnet_id=_subnet_id(networks, vm_subnet_name, subnet),
            logical_network=logical_network_name,
            first_address=record.optional_text("IPAddressRangeStart") or "",
            last_address=record.optional_text("IPAddressRangeEnd") or "",
            default_gateways=_addresses(record, "DefaultGateways"),
            dns_servers=_addresses(record, "DNSServers"),
        )
    )


def _subnet_id(networks: Iterable[inventory_pb2.InventoryObject], name: str, addresses: str) -> str:
    """The VM subnet a pool belongs to; its name alone may be that of several networks' subnets."""
    for item in networks if name else ():
        for subnet in item.vm_network.subnets:
            if subnet.name == name and addresses in subnet.subnets:
                return subnet.id
    return ""


def _addresses(record: PSRecord, name: str) -> list[str]:
    """IPv4 addresses of a list; a gateway arrives as an object or, being deep, as its text."""
    texts = (
        item.optional_text("IPAddress") or str(item) if isinstance(item, PSRecord) else str(item)
        for item in record.items(name)
    )
    return [found[0] for text in texts if (found := _IPV4.search(text))]
