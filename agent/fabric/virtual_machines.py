"""Virtual machines with their disks and network adapters."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Final, NamedTuple
from uuid import UUID

from opensiterecovery.provider.v1 import inventory_pb2

from agent.fabric.network_adapters import (
    ADAPTER_PROPERTIES,
    KnownNetworks,
    device_of,
    vlan_of,
)
from agent.fabric.vmm import Question, is_hyper_v, object_id, optional_id, unsigned
from agent.powershell.cmdlet import Cmdlet, cmdlet
from agent.powershell.records import PSRecord

_EVERY_MACHINE: Final = cmdlet("Get-SCVirtualMachine", All=True)

VIRTUAL_MACHINES: Final = Question(
    _EVERY_MACHINE,
    (
        "ID",
        "VMId",
        "Name",
        "HostName",
        "HostType",
        "VirtualizationPlatform",
        "CloudId",
        "VirtualMachineState",
        "Generation",
        "OperatingSystem",
        "CPUCount",
        "Memory",
        "IsHighlyAvailable",
        "IsPrimaryVM",
        "IsRecoveryVM",
        "IsTestReplicaVM",
        "HasPassthroughDisk",
        "HasSharedStorage",
        "HasVirtualFibreChannelAdapters",
        "IsShielded",
        "IsEncrypted",
        "HasVMAdditions",
        "VMAddition",
        "VMCheckpoints",
        "ComputerNameString",
        "IsDRProtectionRequired",
        "ModifiedTime",
    ),
)
# A device does not say whose it is, so the machine's id and host are put beside it while it is
# unfolded: under one VMM a machine and its replica have one id.
_OWNER: Final = ("VMId", "HostName")
DISK_DRIVES: Final = Question(
    _EVERY_MACHINE,
    (
        *_OWNER,
        "ID",
        "VirtualHardDiskId",
        "PassThroughDisk",
        "HasSharedStorage",
        "Classification",
        "BusType",
        "Bus",
        "Lun",
    ),
    between=(Cmdlet("Select-Object", {"Property": _OWNER, "ExpandProperty": "VirtualDiskDrives"}),),
)
HARD_DISKS: Final = Question(
    cmdlet("Get-SCVirtualHardDisk", All=True),
    ("ID", "Name", "Location", "Size", "MaximumSize", "VHDFormatType", "Classification"),
)
NETWORK_ADAPTERS: Final = Question(
    _EVERY_MACHINE,
    (*_OWNER, *ADAPTER_PROPERTIES),
    between=(
        Cmdlet("Select-Object", {"Property": _OWNER, "ExpandProperty": "VirtualNetworkAdapters"}),
    ),
)
# The same of some machines only: unfolded from them, instead of listing all there is.
HARD_DISKS_OF_MACHINES: Final = Question(
    _EVERY_MACHINE,
    HARD_DISKS.properties,
    between=(Cmdlet("Select-Object", {"ExpandProperty": "VirtualHardDisks"}),),
)
_MEBIBYTE: Final = 1024 * 1024
_ON_A_HOST: Final = "VMHost"
# What VMM shows as the computer name of a guest that told none.
_NO_NAME: Final = frozenset({"", "unknown"})


class Owner(NamedTuple):
    """A machine: Hyper-V's id, and its host, both lower case."""

    vm_id: str
    host: str


@dataclass(frozen=True)
class Devices:
    """What belongs to machines."""

    disks: Mapping[Owner, list[inventory_pb2.VirtualDisk]] = field(default_factory=dict)
    adapters: Mapping[Owner, list[inventory_pb2.VirtualNetworkAdapter]] = field(
        default_factory=dict
    )


def virtual_machines(
    records: Iterable[PSRecord], devices: Devices, vmm_nodes: Collection[str] = ()
) -> Iterable[inventory_pb2.InventoryObject]:
    """Source: Get-SCVirtualMachine; machines of other hypervisors or in a library are left out."""
    for record in records:
        stored = (record.optional_text("HostType") or _ON_A_HOST) != _ON_A_HOST
        vm_id = record.optional_guid("VMId")
        if vm_id is not None and not stored and is_hyper_v(record):
            yield virtual_machine(record, vm_id, devices, vmm_nodes)


def virtual_machine(
    record: PSRecord, vm_id: UUID, devices: Devices, vmm_nodes: Collection[str] = ()
) -> inventory_pb2.InventoryObject:
    """Source: Get-SCVirtualMachine, whose Memory is in MB."""
    hyper_v_id = str(vm_id)
    owner = Owner(hyper_v_id, (record.optional_text("HostName") or "").lower())
    return inventory_pb2.InventoryObject(
        virtual_machine=inventory_pb2.VirtualMachine(
            id=object_id(record),
            vm_id=hyper_v_id,
            name=record.text("Name"),
            host_fqdn=record.optional_text("HostName") or "",
            cloud_id=optional_id(record, "CloudId"),
            state=record.enum_name("VirtualMachineState"),
            generation=unsigned(record, "Generation"),
            operating_system=record.optional_text("OperatingSystem") or "",
            processors=unsigned(record, "CPUCount"),
            memory_bytes=unsigned(record, "Memory") * _MEBIBYTE,
            highly_available=bool(record.optional_boolean("IsHighlyAvailable")),
            primary=bool(record.optional_boolean("IsPrimaryVM")),
            recovery=bool(record.optional_boolean("IsRecoveryVM")),
            test_replica=bool(record.optional_boolean("IsTestReplicaVM")),
            disks=devices.disks.get(owner, ()),
            adapters=devices.adapters.get(owner, ()),
            fibre_channel=record.optional_boolean("HasVirtualFibreChannelAdapters"),
            pass_through=record.optional_boolean("HasPassthroughDisk"),
            shared_storage=record.optional_boolean("HasSharedStorage"),
            encrypted=_encrypted(record),
            integration_services=_integration_services(record),
            integration_services_detected=record.optional_boolean("HasVMAdditions"),
            checkpoints=len(record.items("VMCheckpoints")),
            runs_vmm=runs_vmm(record, vmm_nodes),
            dr_protection_required=bool(record.optional_boolean("IsDRProtectionRequired")),
        )
    )


def runs_vmm(record: PSRecord, vmm_nodes: Collection[str]) -> bool:
    """Whether VMM itself, or a node of its cluster, runs in the machine.

    The guest tells its computer name through the integration services. One that tells none is
    known by the machine's own name: better refused by mistake than VMM cut off by a failover.

    Args:
        record: From Get-SCVirtualMachine.
        vmm_nodes: Names of the computers VMM runs on, FQDNs or short.
    """
    told = (record.optional_text("ComputerNameString") or "").casefold()
    name = told if told not in _NO_NAME else (record.optional_text("Name") or "").casefold()
    for node in map(str.casefold, vmm_nodes):
        both_full = "." in name and "." in node
        if name == node or (not both_full and name.partition(".")[0] == node.partition(".")[0]):
            return True
    return False


def _encrypted(record: PSRecord) -> bool | None:
    # VMM 2016 and later; 2012 R2 has neither of the two.
    told = [record.optional_boolean(name) for name in ("IsShielded", "IsEncrypted")]
    return None if told == [None, None] else any(told)


def _integration_services(record: PSRecord) -> str:
    told = record.optional_text("VMAddition") or ""
    return "" if told == "Not Detected" else told


def disks_by_machine(
    drives: Iterable[PSRecord], hard_disks: Iterable[PSRecord]
) -> dict[Owner, list[inventory_pb2.VirtualDisk]]:
    """Joins drives with the files behind them, in the order of their places on the bus."""
    files = {object_id(record): record for record in hard_disks}
    placed: dict[Owner, list[tuple[tuple[str, int, int], inventory_pb2.VirtualDisk]]] = {}
    for drive in drives:
        owner = _owner(drive)
        if owner is None:
            continue  # of a machine that is on no host, which is left out as well
        disk = _disk(drive, files.get(optional_id(drive, "VirtualHardDiskId")))
        place = (
            drive.optional_text("BusType") or "",
            unsigned(drive, "Bus"),
            unsigned(drive, "Lun"),
        )
        placed.setdefault(owner, []).append((place, disk))
    return {
        owner: [disk for _, disk in sorted(found, key=lambda one: (one[0], one[1].id))]
        for owner, found in placed.items()
    }


def _owner(device: PSRecord) -> Owner | None:
    vm_id = device.optional_guid("VMId")
    host = device.optional_text("HostName") or ""
    return None if vm_id is None else Owner(str(vm_id), host.lower())


def adapters_by_machine(
    records: Iterable[PSRecord], networks: Iterable[inventory_pb2.InventoryObject]
) -> dict[Owner, list[inventory_pb2.VirtualNetworkAdapter]]:
    """Those of machines that are on a host, in the order of their slots."""
    known = KnownNetworks.of(networks)
    placed: dict[Owner, list[tuple[int, inventory_pb2.VirtualNetworkAdapter]]] = {}
    for record in records:
        owner, device = _owner(record), device_of(record)
        if owner is not None and device is not None:
            adapter = _adapter(record, device[1], known)
            placed.setdefault(owner, []).append((unsigned(record, "SlotId"), adapter))
    return {
        owner: [adapter for _, adapter in sorted(found, key=lambda one: (one[0], one[1].id))]
        for owner, found in placed.items()
    }


def _disk(drive: PSRecord, file: PSRecord | None) -> inventory_pb2.VirtualDisk:
    pass_through = drive.optional_text("PassThroughDisk")
    disk = inventory_pb2.VirtualDisk(
        id=object_id(drive),
        name=pass_through or "",
        pass_through=pass_through is not None,
        shared=bool(drive.optional_boolean("HasSharedStorage")),
        classification=drive.optional_text("Classification") or "",
    )
    if file is not None:
        disk.name = file.text("Name")
        disk.path = file.optional_text("Location") or ""
        disk.size_bytes = unsigned(file, "Size")
        disk.maximum_size_bytes = unsigned(file, "MaximumSize")
        disk.format = file.optional_text("VHDFormatType") or ""
        disk.classification = disk.classification or file.optional_text("Classification") or ""
    return disk


def _adapter(
    record: PSRecord, device_id: str, known: KnownNetworks
) -> inventory_pb2.VirtualNetworkAdapter:
    connection = known.connection(record)
    return inventory_pb2.VirtualNetworkAdapter(
        id=object_id(record),
        mac_address=record.optional_text("MACAddress") or "",
        device_id=device_id,
        slot=unsigned(record, "SlotId"),
        vm_network_id=connection.network_id,
        vm_network=connection.network,
        vm_subnet_id=connection.subnet_id,
        vm_subnet=connection.subnet,
        vlan_id=vlan_of(record),
        virtual_network=record.optional_text("VirtualNetwork") or "",
        logical_network=record.optional_text("LogicalNetwork") or "",
        ipv4_address_type=record.optional_text("IPv4AddressType") or "",
        ipv4_addresses=record.strings("IPv4Addresses"),
        ipv6=any(map(_is_routed_ipv6, record.strings("IPv6Addresses"))),
    )


def _is_routed_ipv6(address: str) -> bool:
    """False for link-local ones, which every Windows guest has, and for what is no address."""
    try:
        return not IPv6Address(address.partition("%")[0]).is_link_local
    except ValueError:
        return False
