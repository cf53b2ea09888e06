"""The layout of a lab as records: what a topology says, checked and with all defaults filled in."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.lab.site.environment import GuestProfile
from deploy.lab.site.generations import Generation
from deploy.lab.site.model import IsolationType, VMState
from deploy.lab.site.toml_reader import TopologyError


@dataclass(frozen=True)
class LogicalNetworkLayout:
    name: str
    network_virtualization: bool = False
    free_subnet_vlans: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class SubnetLayout:
    name: str
    subnet: str
    vlan: int
    pool: tuple[str, str] | None


@dataclass(frozen=True)
class VmNetworkLayout:
    name: str
    logical_network: str
    isolation: IsolationType
    subnets: tuple[SubnetLayout, ...]


@dataclass(frozen=True)
class StorageLayout:
    """A volume (name empty) or file share; hosts are those that reach it.

    ``cluster`` names the cluster whose shared volume it is, empty for any other.
    """

    name: str
    path: str
    classification: str
    capacity_bytes: int
    free_bytes: int
    available_for_placement: bool
    hosts: tuple[str, ...]
    cluster: str = ""


@dataclass(frozen=True)
class HostLayout:
    """A host; switches are the logical networks it is connected to, updates ids of hot fixes."""

    fqdn: str
    generation: Generation
    host_group: str
    cluster: str
    processors: int
    memory_bytes: int
    switches: tuple[str, ...]
    updates: tuple[str, ...]


@dataclass(frozen=True)
class ClusterLayout:
    """A failover cluster; an empty broker is none."""

    fqdn: str
    nodes: tuple[str, ...]
    broker: str
    host_group: str


@dataclass(frozen=True)
class AdapterLayout:
    network: str
    subnet: str
    ip: str
    ipv6: str
    static: bool


@dataclass(frozen=True)
class DiskLayout:
    path: str
    size_bytes: int
    vhd_format: str
    pass_through: bool
    shared: bool


@dataclass(frozen=True)
class VmLayout:
    """A VM; ``quiet`` guests run without writing anything, for sites of very many of them.

    ``replica_of`` names the primary server of a VM that is somebody's replica already.
    """

    name: str
    host: str
    state: VMState
    generation: int
    processors: int
    memory_mib: int
    operating_system: str
    computer_name: str
    automatic_start_action: str
    highly_available: bool
    quiet: bool
    fibre_channel_adapters: int
    encrypted: bool
    shielded: bool
    integration_services: bool
    dr_protection_required: bool
    checkpoints: tuple[str, ...]
    replica_of: str
    disks: tuple[DiskLayout, ...]
    adapters: tuple[AdapterLayout, ...]


@dataclass(frozen=True)
class CloudLayout:
    name: str
    description: str
    hosts: tuple[str, ...]
    logical_networks: tuple[str, ...]
    storage_classifications: tuple[str, ...]
    capability_profiles: tuple[str, ...]
    vms: tuple[VmLayout, ...]

    @property
    def host_group(self) -> str:
        return self.name


@dataclass(frozen=True)
class SiteLayout:
    """A site; fabric_name is what people call its VMM server in Open Site Recovery.

    ``vms`` are those in no cloud.
    """

    name: str
    fabric_name: str
    vmm_server: str
    version: str
    installation_id: str
    logical_networks: tuple[LogicalNetworkLayout, ...]
    vm_networks: tuple[VmNetworkLayout, ...]
    storage_classifications: tuple[tuple[str, str], ...]
    volumes: tuple[StorageLayout, ...]
    file_shares: tuple[StorageLayout, ...]
    hosts: tuple[HostLayout, ...]
    clusters: tuple[ClusterLayout, ...]
    clouds: tuple[CloudLayout, ...]
    vms: tuple[VmLayout, ...]


@dataclass(frozen=True)
class Topology:
    description: str
    sites: tuple[SiteLayout, ...]
    guest: GuestProfile
    fill_share: float

    def site(self, name: str) -> SiteLayout:
        """Raises TopologyError when there is no such site."""
        for site in self.sites:
            if site.name.lower() == name.lower():
                return site
        known = ", ".join(site.name for site in self.sites)
        raise TopologyError(f"there is no site '{name}' in the topology (known: {known})")
