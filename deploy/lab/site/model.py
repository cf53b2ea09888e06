"""The records of a site as Hyper-V and VMM keep them, all of them persistable as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from deploy.lab.site.replication_model import Replication

__all__ = ["Replication"]


class VMState(StrEnum):
    RUNNING = "Running"
    OFF = "Off"
    STARTING = "Starting"
    STOPPING = "Stopping"


class AuthenticationType(StrEnum):
    """What a replication server accepts."""

    KERBEROS = "Kerberos"
    CERTIFICATE = "Certificate"
    CERTIFICATE_AND_KERBEROS = "CertificateAndKerberos"


@dataclass(kw_only=True)
class AuthorizationEntry:
    allowed_primary_server: str
    replica_storage_location: str
    trust_group: str


@dataclass(kw_only=True)
class ReplicationServer:
    """A host's receiver settings; operational_status is "Ok" or "Error" (a listener is down)."""

    enabled: bool = False
    authentication: AuthenticationType | None = None
    kerberos_port: int = 80
    certificate_port: int = 443
    certificate_thumbprint: str = ""
    default_storage_location: str = ""
    allow_any_server: bool = False
    authorization_entries: list[AuthorizationEntry] = field(default_factory=list)
    monitoring_interval: timedelta = timedelta(hours=12)
    monitoring_start: timedelta = timedelta(hours=9)
    operational_status: str = "Ok"
    status_descriptions: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class FirewallRule:
    name: str
    display_name: str
    local_port: int
    enabled: bool = False


@dataclass(kw_only=True)
class VirtualSwitch:
    id: str
    name: str
    logical_network: str
    switch_type: str = "External"


@dataclass(kw_only=True)
class Host:
    """A Hyper-V host; site is the name of its site ("Shanghai")."""

    fqdn: str
    vmm_id: str
    site: str
    address: str
    host_group_path: str
    cluster_fqdn: str | None = None
    operating_system: str = "Microsoft Windows Server 2019 Datacenter"
    os_version: str = "10.0.17763.0"
    logical_processors: int = 16
    total_memory_bytes: int = 64 * 1024**3
    default_virtual_hard_disk_path: str = r"C:\Hyper-V\Virtual Hard Disks"
    default_virtual_machine_path: str = r"C:\Hyper-V"
    switches: list[VirtualSwitch] = field(default_factory=list)
    replication_server: ReplicationServer = field(default_factory=ReplicationServer)
    firewall_rules: list[FirewallRule] = field(default_factory=list)
    # DisableCertRevocationCheck under Virtualization\\Replication in the registry.
    revocation_check_disabled: bool = False
    powered: bool = True


@dataclass(kw_only=True)
class Disk:
    """A VHDX: path is what Hyper-V shows, file is the real file below the site's folder."""

    id: str
    path: str
    file: str
    size_bytes: int
    controller_type: str = "SCSI"
    controller_number: int = 0
    controller_location: int = 0
    classification: str | None = None


@dataclass(kw_only=True)
class NetworkAdapter:
    """An adapter; the VMM side names are empty while it is not connected."""

    id: str
    vmm_id: str
    name: str = "Network Adapter"
    mac_address: str = ""
    dynamic_mac_address: bool = True
    switch_name: str | None = None
    vm_network_id: str | None = None
    vm_subnet_id: str | None = None
    vlan_id: int | None = None
    ip_addresses: list[str] = field(default_factory=list)
    test_replica_switch_name: str | None = None
    failover_ipv4: dict[str, str] = field(default_factory=dict)
    failover_ipv6: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class VirtualMachine:
    """A VM on one host; vm_id is Hyper-V's GUID, equal on primary and replica.

    ``known_to_vmm`` turns true when VMM refreshes the host; ``was_running`` is what
    AutomaticStartAction "StartIfRunning" looks at when the host boots. ``boot_digests`` are the
    SHA-256 of each disk at the last boot, before the guest wrote anything.
    """

    vm_id: str
    vmm_id: str
    name: str
    host_fqdn: str
    created: datetime
    cloud_id: str | None = None
    state: VMState = VMState.OFF
    generation: int = 2
    processors: int = 2
    memory_startup_bytes: int = 2 * 1024**3
    disks: list[Disk] = field(default_factory=list)
    adapters: list[NetworkAdapter] = field(default_factory=list)
    replication: Replication | None = None
    highly_available: bool = False
    operating_system: str = "Windows Server 2019 Datacenter"
    path: str = ""
    notes: str = ""
    automatic_start_action: str = "StartIfRunning"
    automatic_stop_action: str = "ShutDown"
    started: datetime | None = None
    was_running: bool = False
    known_to_vmm: bool = False
    dr_protection_required: bool = False
    recovery_point_objective_seconds: int | None = None
    boot_digests: dict[str, str] = field(default_factory=dict)
    boot_ledger_last: int | None = None


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
    id: str
    fqdn: str
    host_group_path: str
    nodes: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Cloud:
    id: str
    name: str
    description: str = ""
    host_group_paths: list[str] = field(default_factory=list)
    logical_networks: list[str] = field(default_factory=list)
    storage_classifications: list[str] = field(default_factory=list)
    disaster_recovery_supported: bool = False
    is_dr_protected: bool = False
    is_dr_provider: bool = False


@dataclass(kw_only=True)
class LogicalNetwork:
    id: str
    name: str


@dataclass(kw_only=True)
class StaticPool:
    id: str
    name: str
    first_address: str
    last_address: str


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
    hosts: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Volume:
    """A host's volume; mount_point is a drive or a cluster shared volume's folder."""

    id: str
    mount_point: str
    host_fqdn: str
    classification: str | None = None
    label: str = ""
    capacity_bytes: int = 1024**4
    free_bytes: int = 900 * 1024**3
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
    storage_classifications: list[StorageClassification] = field(default_factory=list)
    file_shares: list[FileShare] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
