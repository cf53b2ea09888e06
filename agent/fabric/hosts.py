"""Hyper-V hosts and host clusters."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from opensiterecovery.provider.v1 import inventory_pb2

from agent.fabric.vmm import Question, object_id, unsigned
from agent.powershell.cmdlet import cmdlet
from agent.powershell.records import PSRecord

NOTHING_REACHABLE: Final[Mapping[str, list[str]]] = MappingProxyType({})

HOSTS: Final = Question(
    cmdlet("Get-SCVMHost"),
    (
        "ID",
        "FullyQualifiedDomainName",
        "VMHostGroup",
        "HostCluster",
        "OperatingSystem",
        "OperatingSystemVersion",
        "CommunicationState",
        "OverallState",
        "OverallStateString",
        "LogicalProcessorCount",
        "TotalMemory",
        "AvailableMemory",
        "AvailableForPlacement",
        "MaintenanceHost",
        "VMPaths",
        "VirtualizationPlatform",
        "RegisteredStorageFileShares",
    ),
)
HOST_CLUSTERS: Final = Question(
    cmdlet("Get-SCVMHostCluster"),
    (
        "ID",
        "Name",
        "HostGroup",
        "VirtualizationPlatform",
        "Nodes",
        "RegisteredStorageFileShares",
    ),
)
# Physical adapters say which logical networks a host reaches.
HOST_NETWORK_ADAPTERS: Final = Question(
    cmdlet("Get-SCVMHostNetworkAdapter"), ("VMHost", "LogicalNetworks")
)
_MEBIBYTE: Final = 1024 * 1024


def reachable_networks(records: Iterable[PSRecord]) -> dict[str, list[str]]:
    """Source: Get-SCVMHostNetworkAdapter; names of logical networks by host, lower case."""
    found: dict[str, set[str]] = {}
    for record in records:
        name = (record.optional_text("VMHost") or "").lower()
        found.setdefault(name, set()).update(record.strings("LogicalNetworks"))
    return {name: sorted(networks) for name, networks in found.items()}


def host(
    record: PSRecord, reachable: Mapping[str, list[str]] = NOTHING_REACHABLE
) -> inventory_pb2.InventoryObject:
    """Source: Get-SCVMHost. TotalMemory is in bytes, AvailableMemory in MB."""
    return inventory_pb2.InventoryObject(
        host=inventory_pb2.Host(
            id=object_id(record),
            fqdn=record.text("FullyQualifiedDomainName"),
            host_group_path=record.optional_text("VMHostGroup") or "",
            cluster_fqdn=record.optional_text("HostCluster") or "",
            operating_system=(record.optional_text("OperatingSystem") or "").strip(),
            operating_system_version=record.optional_text("OperatingSystemVersion") or "",
            communication_state=record.optional_text("CommunicationState") or "",
            overall_state=_overall_state(record),
            logical_processors=unsigned(record, "LogicalProcessorCount"),
            total_memory_bytes=unsigned(record, "TotalMemory"),
            available_memory_bytes=unsigned(record, "AvailableMemory") * _MEBIBYTE,
            available_for_placement=bool(record.optional_boolean("AvailableForPlacement")),
            maintenance=bool(record.optional_boolean("MaintenanceHost")),
            vm_paths=record.strings("VMPaths"),
            logical_networks=reachable.get(record.text("FullyQualifiedDomainName").lower(), ()),
        )
    )


def host_cluster(record: PSRecord) -> inventory_pb2.InventoryObject:
    """Source: Get-SCVMHostCluster, whose Name is the cluster's FQDN.

    VMM knows no replica broker; it stays empty until a host is asked for it.
    """
    return inventory_pb2.InventoryObject(
        host_cluster=inventory_pb2.HostCluster(
            id=object_id(record),
            fqdn=record.text("Name"),
            host_group_path=record.optional_text("HostGroup") or "",
            node_fqdns=sorted(record.strings("Nodes")),
        )
    )


def _overall_state(record: PSRecord) -> str:
    shown = record.optional_text("OverallStateString")
    return shown if shown is not None else record.optional_text("OverallState") or ""
