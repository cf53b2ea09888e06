"""Reading VMs from a topology: one by one, or many from one table."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from deploy.lab.site.layouts import (
    AdapterLayout,
    ClusterLayout,
    DiskLayout,
    StorageLayout,
    SubnetLayout,
    VmLayout,
    VmNetworkLayout,
)
from deploy.lab.site.model import VMState
from deploy.lab.site.toml_reader import TableReader, TopologyError, unique

LEAST_DISK_MIB = 2  # the ledger ends 1.5 MiB into the disk
NUMBER = "{number}"
_STATES = [VMState.RUNNING, VMState.OFF, VMState.SAVED, VMState.PAUSED]


@dataclass(frozen=True)
class Places:
    """What a VM may refer to: networks, storage, templates (as written), clusters."""

    networks: tuple[VmNetworkLayout, ...]
    storage: tuple[StorageLayout, ...]
    templates: Mapping[str, Mapping[str, Any]]
    clusters: tuple[ClusterLayout, ...]


def read_templates(table: TableReader) -> dict[str, dict[str, Any]]:
    """Name to the keys that VMs of the template take when they do not have them."""
    found: dict[str, dict[str, Any]] = {}
    for each in table.tables("templates"):
        name = each.text("name")
        unique([*found, name], table.place("templates"))
        found[name] = {key: value for key, value in each.raw().items() if key != "name"}
    return found


def read_vms(table: TableReader, hosts: list[str], places: Places) -> Iterator[VmLayout]:
    """One VM, or as many as ``count`` says, spread over ``hosts``, with a number in their names."""
    template = table.one_of("template", list(places.templates), "")
    reader = table.with_defaults(places.templates[template]) if template else table
    reader.one_of("template", list(places.templates), "")
    if not reader.has("count"):
        layout = _vm(reader, reader.one_of("host", hosts), places)
        reader.finish()
        yield layout
        return
    count = reader.integer("count", least=1)
    spread = reader.some_of("hosts", hosts) if reader.has("hosts") else hosts
    first = _vm(reader, spread[0], places)
    reader.finish()
    if NUMBER not in first.name:
        raise TopologyError(f"{table.place('name')}: must hold {NUMBER} where there is a count")
    if any(each.ip or each.ipv6 for each in first.adapters):
        raise TopologyError(f"{table.place('networks')}: many VMs cannot have one address")
    width = len(str(count))
    for number in range(count):
        text = str(number + 1).zfill(width)
        yield replace(
            first,
            name=first.name.replace(NUMBER, text),
            computer_name=first.computer_name.replace(NUMBER, text),
            host=spread[number % len(spread)],
        )


def _vm(table: TableReader, host: str, places: Places) -> VmLayout:
    state = _state(table)
    layout = VmLayout(
        name=table.text("name"),
        host=host,
        state=state,
        generation=table.integer("generation", 2, least=1),
        processors=table.integer("processors", 2, least=1),
        memory_mib=table.integer("memory_mib", 2048, least=32),
        operating_system=table.text("operating_system", "Windows Server 2019 Datacenter"),
        computer_name=table.text("computer_name", ""),
        automatic_start_action=table.one_of(
            "automatic_start_action", ["Nothing", "StartIfRunning", "Start"], "StartIfRunning"
        ),
        highly_available=table.flag("highly_available", default=False),
        quiet=table.flag("quiet", default=False),
        fibre_channel_adapters=table.integer("fibre_channel_adapters", 0),
        encrypted=table.flag("encrypted", default=False),
        shielded=table.flag("shielded", default=False),
        integration_services=table.flag("integration_services", default=True),
        dr_protection_required=table.flag("dr_protection_required", default=False),
        checkpoints=tuple(table.texts("checkpoints")),
        replica_of=table.text("replica_of", ""),
        disks=tuple(disk for each in table.tables("disks") for disk in _disks(each, places, host)),
        adapters=tuple(_adapter(each, places.networks) for each in table.tables("networks")),
    )
    _check(table, layout, places)
    return layout


def _state(table: TableReader) -> VMState:
    """``state``, or the shorter ``running``."""
    if table.has("state") and table.has("running"):
        raise TopologyError(f"{table.where}: either state or running")
    running = table.flag("running", default=True)
    default = VMState.RUNNING if running else VMState.OFF
    known = [each.value for each in _STATES]
    return VMState(table.one_of("state", known, default.value))


def _check(table: TableReader, layout: VmLayout, places: Places) -> None:
    if not layout.disks and not table.flag("diskless", default=False):
        raise TopologyError(f"{table.place('disks')}: at least one disk is needed (or diskless)")
    if not layout.disks and layout.state is not VMState.OFF:
        raise TopologyError(f"{table.where}: a VM without a disk has nothing to start from")
    if layout.replica_of and layout.state is not VMState.OFF:
        raise TopologyError(f"{table.where}: a replica is off")
    if layout.highly_available and not any(layout.host in each.nodes for each in places.clusters):
        raise TopologyError(f"{table.place('host')}: '{layout.host}' is in no cluster")
    if layout.highly_available:
        shared = {each.path for each in places.storage if each.cluster or each.name}
        for disk in layout.disks:
            if disk.path not in shared:
                raise TopologyError(f"{table.place('disks')}: '{disk.path}' is not shared")


def _disks(table: TableReader, places: Places, host: str) -> list[DiskLayout]:
    reachable = [each.path for each in places.storage if host in each.hosts]
    layout = DiskLayout(
        path=table.one_of("path", reachable),
        size_bytes=table.integer("mib", least=LEAST_DISK_MIB) * 1024**2,
        vhd_format=table.one_of("format", ["VHD", "VHDX"], "VHDX"),
        pass_through=table.flag("pass_through", default=False),
        shared=table.flag("shared", default=False),
    )
    count = table.integer("count", 1, least=1)
    table.finish()
    return [layout] * count


def _adapter(table: TableReader, networks: tuple[VmNetworkLayout, ...]) -> AdapterLayout:
    name = table.one_of("network", [each.name for each in networks])
    (network,) = [each for each in networks if each.name == name]
    subnet_name = table.one_of("subnet", [each.name for each in network.subnets])
    (subnet,) = [each for each in network.subnets if each.name == subnet_name]
    ip = table.text("ip", "")
    pooled = _in_pool(table, ip, subnet)
    static = table.flag("static", default=pooled)
    layout = AdapterLayout(name, subnet_name, ip, table.text("ipv6", ""), static)
    table.finish()
    if static and not pooled:
        raise TopologyError(f"{table.place('static')}: needs an ip of the subnet's pool")
    return layout


def _in_pool(table: TableReader, ip: str, subnet: SubnetLayout) -> bool:
    """Whether an address is one that VMM gave from the subnet's pool."""
    if not ip or subnet.pool is None:
        return False
    try:
        address, (first, last) = ipaddress.IPv4Address(ip), subnet.pool
        return ipaddress.IPv4Address(first) <= address <= ipaddress.IPv4Address(last)
    except ValueError as error:
        raise TopologyError(f"{table.place('ip')}: {error}") from error
