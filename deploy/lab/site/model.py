"""The records of a site as Hyper-V and VMM keep them, all of them persistable as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from deploy.lab.site.generations import FACTS, Generation
from deploy.lab.site.qos_model import QosPolicy
from deploy.lab.site.replication_model import Replication
from deploy.lab.site.replication_server_model import (
    AuthenticationType,
    AuthorizationEntry,
    ReplicationServer,
)
from deploy.lab.site.vmm_model import (
    AllocatedAddress,
    Cloud,
    FileShare,
    HostCluster,
    HostGroup,
    IsolationType,
    LogicalNetwork,
    StaticPool,
    StorageClassification,
    SubnetVLan,
    VmmDatabase,
    VmmServer,
    VmNetwork,
    VmSubnet,
    Volume,
)

__all__ = [
    "AllocatedAddress",
    "AuthenticationType",
    "AuthorizationEntry",
    "Cloud",
    "FileShare",
    "Generation",
    "HostCluster",
    "HostGroup",
    "IsolationType",
    "LogicalNetwork",
    "Replication",
    "ReplicationServer",
    "StaticPool",
    "StorageClassification",
    "SubnetVLan",
    "VmNetwork",
    "VmSubnet",
    "VmmDatabase",
    "VmmServer",
    "Volume",
]


class VMState(StrEnum):
    RUNNING = "Running"
    OFF = "Off"
    STARTING = "Starting"
    STOPPING = "Stopping"
    SAVED = "Saved"
    PAUSED = "Paused"


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
    """A Hyper-V host; site is the name of its site ("Shanghai").

    A host that is not ``powered`` has crashed or was switched off, and answers nobody.
    """

    fqdn: str
    vmm_id: str
    site: str
    address: str
    host_group_path: str
    cluster_fqdn: str | None = None
    generation: Generation = Generation.WS2019
    operating_system: str = FACTS[Generation.WS2019].operating_system
    os_version: str = FACTS[Generation.WS2019].os_version
    logical_processors: int = 16
    total_memory_bytes: int = 64 * 1024**3
    default_virtual_hard_disk_path: str = r"C:\Hyper-V\Virtual Hard Disks"
    default_virtual_machine_path: str = r"C:\Hyper-V"
    switches: list[VirtualSwitch] = field(default_factory=list)
    replication_server: ReplicationServer = field(default_factory=ReplicationServer)
    firewall_rules: list[FirewallRule] = field(default_factory=list)
    qos_policies: list[QosPolicy] = field(default_factory=list)
    # DisableCertRevocationCheck under Virtualization\\Replication in the registry.
    revocation_check_disabled: bool = False
    # Ids of updates that Windows lists, for example "KB2961977".
    installed_updates: list[str] = field(default_factory=list)
    powered: bool = True
    # When its operating system started last.
    booted: datetime | None = None
    clock_skew_seconds: float = 0.0


@dataclass(kw_only=True)
class Disk:
    """A disk of a VM: path is what Hyper-V shows, file is the real file below the site's folder.

    A pass-through disk is a disk of the host itself, not a VHDX; a shared one belongs to several
    VMs at once.
    """

    id: str
    path: str
    file: str
    size_bytes: int
    controller_type: str = "SCSI"
    controller_number: int = 0
    controller_location: int = 0
    classification: str | None = None
    vhd_format: str = "VHDX"
    vhd_type: str = "DynamicallyExpanding"
    pass_through: bool = False
    shared: bool = False


@dataclass(kw_only=True)
class VmCheckpoint:
    """A checkpoint that somebody made; recovery points of replicas are not among them."""

    id: str
    name: str
    created: datetime
    type: str = "Standard"
    parent_id: str | None = None


@dataclass(kw_only=True)
class NetworkAdapter:
    """An adapter; the VMM side names are empty while it is not connected.

    ``ipv4_address_type`` is VMM's: Static when the address comes from a pool of VMM.
    """

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
    ipv4_address_type: str = "Dynamic"
    test_replica_switch_name: str | None = None
    failover_ipv4: dict[str, str] = field(default_factory=dict)
    failover_ipv6: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class VirtualMachine:
    """A VM on one host; vm_id is Hyper-V's GUID, equal on primary and replica.

    ``known_to_vmm`` turns true when VMM refreshes the host; ``was_running`` is what
    AutomaticStartAction "StartIfRunning" looks at when the host boots. ``boot_digests`` are the
    SHA-256 of each disk at the last boot, before the guest wrote anything. ``encrypted`` says that
    its state and migration traffic are, with a virtual TPM. Old integration services, or none, are
    an empty ``integration_services_version``. A ``quiet`` guest
    runs without writing anything; ``pause_when_started`` is of a VM that the topology wants paused.
    ``test_replica_of`` is the vm_id of the replica that a test virtual machine was made of.
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
    test_replica_of: str = ""
    highly_available: bool = False
    fibre_channel_adapters: int = 0
    encrypted: bool = False
    shielded: bool = False
    integration_services_version: str = "10.0.17763.0"
    checkpoints: list[VmCheckpoint] = field(default_factory=list)
    computer_name: str = ""
    operating_system: str = "Windows Server 2019 Datacenter"
    path: str = ""
    notes: str = ""
    automatic_start_action: str = "StartIfRunning"
    automatic_start_delay_seconds: int = 0
    automatic_stop_action: str = "ShutDown"
    started: datetime | None = None
    was_running: bool = False
    pause_when_started: bool = False
    paused_by_storage: bool = False
    quiet: bool = False
    known_to_vmm: bool = False
    dr_protection_required: bool = False
    recovery_point_objective_seconds: int | None = None
    boot_digests: dict[str, str] = field(default_factory=dict)
    boot_ledger_last: int | None = None
    # VMM's ModifiedTime, and of what; see `modification`.
    modified: datetime | None = None
    shown_digest: str = ""

    @property
    def guest_ipv6(self) -> bool:
        """Whether the guest uses an IPv6 address other than link-local ones."""
        addresses = [address for each in self.adapters for address in each.ip_addresses]
        return any(":" in each and not each.lower().startswith("fe80:") for each in addresses)
