"""Network adapters of machines as VMM shows them, with the ids behind its names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from opensiterecovery.provider.v1 import inventory_pb2

from agent.fabric.vmm import unsigned
from agent.powershell.records import PSRecord

ADAPTER_PROPERTIES = (
    "ID",
    "DeviceID",
    "SlotId",
    "MACAddress",
    "VMNetwork",
    "VMSubnet",
    "LogicalNetwork",
    "VirtualNetwork",
    "VLanEnabled",
    "VLanID",
    "IPv4AddressType",
    "IPv4Addresses",
    "IPv6Addresses",
)


@dataclass(frozen=True)
class Connection:
    """Where an adapter is connected; all empty: nowhere."""

    network_id: str
    network: str
    subnet_id: str
    subnet: str


@dataclass
class KnownNetworks:
    """VM networks by the names that adapters show of them."""

    _networks: dict[tuple[str, str], inventory_pb2.VmNetwork] = field(default_factory=dict)

    @classmethod
    def of(cls, items: Iterable[inventory_pb2.InventoryObject]) -> KnownNetworks:
        """From inventory objects that hold VM networks."""
        found = [item.vm_network for item in items]
        return cls({(each.name, each.logical_network): each for each in found})

    def connection(self, record: PSRecord) -> Connection:
        """Source: Get-SCVirtualNetworkAdapter, which shows networks by their names."""
        network = record.optional_text("VMNetwork") or ""
        subnet = record.optional_text("VMSubnet") or ""
        known = self._networks.get((network, record.optional_text("LogicalNetwork") or ""))
        if known is None:
            return Connection("", network, "", subnet)
        subnets = {each.name: each.id for each in known.subnets}
        return Connection(known.id, network, subnets.get(subnet, ""), subnet)


def device_of(record: PSRecord) -> tuple[str, str] | None:
    r"""Hyper-V's ids of machine and adapter out of `Microsoft:<machine>\<adapter>`, lower case."""
    text = (record.optional_text("DeviceID") or "").removeprefix("Microsoft:")
    machine, _, adapter = text.partition("\\")
    try:
        return str(UUID(machine)), adapter.lower()
    except ValueError:
        return None


def vlan_of(record: PSRecord) -> int:
    """The VLAN the adapter's traffic is tagged with; 0 for none."""
    return unsigned(record, "VLanID") if record.optional_boolean("VLanEnabled") else 0
