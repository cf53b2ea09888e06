"""The records of VMM's database: clouds, clusters, networks, storage."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from deploy.lab.site.replication_server_model import ReplicationServer


class IsolationType(StrEnum):
    """How a VM network is kept apart from others on its logical network; New-SCVMNetwork's."""

    NO_ISOLATION = "NoIsolation"
    VLAN = "VLANNetwork"
    WINDOWS_NETWORK_VIRTUALIZATION = "WindowsNetworkVirtualization"
    EXTERNAL = "External"


@dataclass(kw_only=True)
class VmmServer:
    id: str
    name: str
    fqdn: str
    installation_id: str
    port: int = 8100
    product_version: str = "10.19.2591.0"
    server_interface_version: str = "2.3.0"


@dataclass(kw_only=True)
class HostGroup:
    id: str
    name: str
    path: str
    parent_path: str | None = None


@dataclass(kw_only=True)
class HostCluster:
    """A failover cluster of hosts.

    ``broker_fqdn`` is the client access point of its Hyper-V Replica Broker, None without one;
    ``broker_address`` where it listens, ``broker_node`` which node owns it now. The settings of
    the replication server belong to the cluster and reach every node, later ones too.
    """

    id: str
    fqdn: str
    host_group_path: str
    nodes: list[str] = field(default_factory=list)
    broker_fqdn: str | None = None
    broker_address: str = ""
    broker_node: str = ""
    cluster_shared_volumes: list[str] = field(default_factory=list)
    replication_server: ReplicationServer = field(default_factory=ReplicationServer)


@dataclass(kw_only=True)
class Cloud:
    id: str
    name: str
    description: str = ""
    host_group_paths: list[str] = field(default_factory=list)
    logical_networks: list[str] = field(default_factory=list)
    storage_classifications: list[str] = field(default_factory=list)
    capability_profiles: list[str] = field(default_factory=lambda: ["Hyper-V"])
    disaster_recovery_supported: bool = False
    is_dr_protected: bool = False
    is_dr_provider: bool = False


@dataclass(kw_only=True)
class SubnetVLan:
    """A subnet of a logical network's site, with its VLAN; 0 is none."""

    subnet: str
    vlan_id: int = 0


@dataclass(kw_only=True)
class LogicalNetwork:
    """A logical network; ``free_subnet_vlans`` are those of its site that no VM network has."""

    id: str
    name: str
    network_virtualization_enabled: bool = False
    is_pvlan: bool = False
    definitions_isolated: bool = False
    free_subnet_vlans: list[SubnetVLan] = field(default_factory=list)


@dataclass(kw_only=True)
class StaticPool:
    id: str
    name: str
    first_address: str
    last_address: str
    default_gateways: list[str] = field(default_factory=list)
    dns_servers: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class AllocatedAddress:
    """An address that VMM has given out of a pool; assigned_to_id is VMM's id of an adapter."""

    id: str
    address: str
    pool_id: str
    assigned_to_id: str
    description: str = ""


@dataclass(kw_only=True)
class VmSubnet:
    id: str
    name: str
    subnet: str
    vlan_id: int = 0
    static_pools: list[StaticPool] = field(default_factory=list)


@dataclass(kw_only=True)
class VmNetwork:
    id: str
    name: str
    logical_network: str
    isolation_type: IsolationType = IsolationType.NO_ISOLATION
    description: str = ""
    subnets: list[VmSubnet] = field(default_factory=list)


@dataclass(kw_only=True)
class StorageClassification:
    id: str
    name: str
    description: str = ""


@dataclass(kw_only=True)
class FileShare:
    """An SMB share; path is the UNC path that hosts store VMs under."""

    id: str
    name: str
    path: str
    classification: str | None = None
    capacity_bytes: int = 1024**4
    free_bytes: int = 900 * 1024**3
    available_for_placement: bool = True
    hosts: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Volume:
    """A host's volume; mount_point is a drive or a cluster shared volume's folder.

    A cluster shared volume has one record for each node; what one of them says of free space the
    others say too.
    """

    id: str
    mount_point: str
    host_fqdn: str
    classification: str | None = None
    label: str = ""
    capacity_bytes: int = 1024**4
    free_bytes: int = 900 * 1024**3
    available_for_placement: bool = True
    is_cluster_shared_volume: bool = False


@dataclass(kw_only=True)
class VmmDatabase:
    """What the VMM server of the site knows besides hosts and VMs."""

    server: VmmServer
    host_groups: list[HostGroup] = field(default_factory=list)
    host_clusters: list[HostCluster] = field(default_factory=list)
    clouds: list[Cloud] = field(default_factory=list)
    logical_networks: list[LogicalNetwork] = field(default_factory=list)
    vm_networks: list[VmNetwork] = field(default_factory=list)
    allocated_addresses: list[AllocatedAddress] = field(default_factory=list)
    storage_classifications: list[StorageClassification] = field(default_factory=list)
    file_shares: list[FileShare] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
