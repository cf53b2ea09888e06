"""Reading the networks of a site from its topology."""

from __future__ import annotations

import ipaddress

from deploy.lab.site.layouts import LogicalNetworkLayout, SubnetLayout, VmNetworkLayout
from deploy.lab.site.model import IsolationType
from deploy.lab.site.toml_reader import TableReader, TopologyError, unique


def read_logical_networks(table: TableReader) -> tuple[LogicalNetworkLayout, ...]:
    """Names, or tables where more is to be said than the name."""
    found = []
    for each in table.names_or_tables("logical_networks"):
        found.append(
            LogicalNetworkLayout(
                each.text("name"),
                each.flag("network_virtualization", default=False),
                tuple(map(_subnet_vlan, each.tables("free_subnet_vlans"))),
            )
        )
        each.finish()
    unique([each.name for each in found], table.place("logical_networks"))
    return tuple(found)


def _subnet_vlan(table: TableReader) -> tuple[str, int]:
    subnet = table.text("subnet")
    try:
        ipaddress.ip_network(subnet)
    except ValueError as error:
        raise TopologyError(f"{table.where}: {error}") from error
    found = subnet, table.integer("vlan")
    table.finish()
    return found


def read_vm_network(
    table: TableReader, logical_networks: tuple[LogicalNetworkLayout, ...]
) -> VmNetworkLayout:
    """One VM network with its subnets."""
    known = {each.name: each for each in logical_networks}
    isolation = table.one_of(
        "isolation", [each.value for each in IsolationType], IsolationType.NO_ISOLATION.value
    )
    layout = VmNetworkLayout(
        name=table.text("name"),
        logical_network=table.one_of("logical_network", list(known)),
        isolation=IsolationType(isolation),
        subnets=tuple(_subnet(each) for each in table.tables("subnets")),
    )
    table.finish()
    virtualized = layout.isolation is IsolationType.WINDOWS_NETWORK_VIRTUALIZATION
    if virtualized and not known[layout.logical_network].network_virtualization:
        raise TopologyError(
            f"{table.place('isolation')}: '{layout.logical_network}' does not allow network "
            "virtualization"
        )
    if layout.isolation is IsolationType.VLAN and not all(each.vlan for each in layout.subnets):
        raise TopologyError(f"{table.place('subnets')}: each needs a vlan on a {isolation}")
    if not layout.subnets:
        raise TopologyError(f"{table.place('subnets')}: at least one subnet is needed")
    unique([subnet.name for subnet in layout.subnets], table.place("subnets"))
    return layout


def _subnet(table: TableReader) -> SubnetLayout:
    subnet = table.text("subnet")
    pool = table.texts("pool")
    try:
        network = ipaddress.ip_network(subnet)
        inside = all(ipaddress.ip_address(address) in network for address in pool)
    except ValueError as error:
        raise TopologyError(f"{table.where}: {error}") from error
    if len(pool) not in (0, 2) or not inside:
        raise TopologyError(f"{table.place('pool')}: must be two addresses of {subnet}")
    layout = SubnetLayout(
        name=table.text("name"),
        subnet=subnet,
        vlan=table.integer("vlan", 0),
        pool=(pool[0], pool[1]) if pool else None,
    )
    table.finish()
    return layout
