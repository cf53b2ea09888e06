"""The layout of a lab: what its TOML file says of sites, clouds, hosts, networks, storage, VMs."""

from __future__ import annotations

import ipaddress
import tomllib
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.site.environment import GuestProfile
from deploy.lab.site.toml_reader import TableReader, TopologyError, unique

DEFAULT_TOPOLOGY = Path(__file__).parent.parent / "topology" / "default.toml"
LEAST_DISK_MIB = 2  # the ledger ends 1.5 MiB into the disk

__all__ = ["TopologyError"]


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
    subnets: tuple[SubnetLayout, ...]


@dataclass(frozen=True)
class StorageLayout:
    """A volume (name empty) or file share."""

    name: str
    path: str
    classification: str


@dataclass(frozen=True)
class AdapterLayout:
    network: str
    subnet: str
    ip: str


@dataclass(frozen=True)
class DiskLayout:
    path: str
    size_bytes: int


@dataclass(frozen=True)
class VmLayout:
    name: str
    host: str
    running: bool
    generation: int
    processors: int
    memory_mib: int
    operating_system: str
    automatic_start_action: str
    disks: tuple[DiskLayout, ...]
    adapters: tuple[AdapterLayout, ...]


@dataclass(frozen=True)
class CloudLayout:
    name: str
    description: str
    hosts: tuple[str, ...]
    logical_networks: tuple[str, ...]
    storage_classifications: tuple[str, ...]
    vms: tuple[VmLayout, ...]


@dataclass(frozen=True)
class SiteLayout:
    """A site; fabric_name is what people call its VMM server in Open Site Recovery."""

    name: str
    fabric_name: str
    vmm_server: str
    version: str
    installation_id: str
    logical_networks: tuple[str, ...]
    vm_networks: tuple[VmNetworkLayout, ...]
    storage_classifications: tuple[tuple[str, str], ...]
    volumes: tuple[StorageLayout, ...]
    file_shares: tuple[StorageLayout, ...]
    clouds: tuple[CloudLayout, ...]


@dataclass(frozen=True)
class Topology:
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


def load_topology(path: Path | None = None) -> Topology:
    """Read a file, the default topology when none is named.

    Raises:
        TopologyError: It cannot be read, or says something that makes no sense.
    """
    path = path or DEFAULT_TOPOLOGY
    try:
        return parse_topology(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TopologyError(f"{path}: {error}") from error


def parse_topology(text: str) -> Topology:
    """Raises TopologyError with the place and the reason."""
    try:
        reader = TableReader(tomllib.loads(text), "")
    except tomllib.TOMLDecodeError as error:
        raise TopologyError(f"not TOML: {error}") from error
    guest = reader.table("guest")
    profile = GuestProfile(
        interval_seconds=guest.number("interval_seconds", GuestProfile.interval_seconds),
        block_bytes=guest.integer("block_bytes", GuestProfile.block_bytes, least=512),
    )
    fill_share = guest.number("fill_share", 0.25, above=-1.0)
    if not 0 <= fill_share <= 1:
        raise TopologyError("guest.fill_share: must be between 0 and 1")
    guest.finish()
    sites = tuple(_site(table) for table in reader.tables("sites"))
    reader.finish()
    if not sites:
        raise TopologyError("sites: at least one site is needed")
    unique([site.name for site in sites], "sites")
    hosts = [host for site in sites for cloud in site.clouds for host in cloud.hosts]
    unique([*hosts, *(site.vmm_server for site in sites)], "hosts and VMM servers")
    return Topology(sites, profile, fill_share)


def _fqdn(table: TableReader, key: str) -> str:
    return _check_fqdn(table.text(key), table.place(key))


def _check_fqdn(name: str, where: str) -> str:
    if "." not in name or not all(name.split(".")) or "/" in name or " " in name:
        raise TopologyError(f"{where}: '{name}' is not a fully qualified name")
    return name.lower()


def _site(table: TableReader) -> SiteLayout:
    name = table.text("name")
    if "/" in name or name.startswith("."):
        raise TopologyError(f"{table.place('name')}: '{name}' cannot be a folder's name")
    networks = unique(table.texts("logical_networks"), table.place("logical_networks"))
    classifications = _classifications(table)
    known = [each for each, _ in classifications]
    volumes = tuple(_storage(each, known, "") for each in table.tables("volumes"))
    shares = tuple(_storage(each, known, "name") for each in table.tables("file_shares"))
    vm_networks = tuple(_vm_network(each, networks) for each in table.tables("vm_networks"))
    unique([each.name for each in vm_networks], table.place("vm_networks"))
    layout = SiteLayout(
        name=name,
        fabric_name=table.text("fabric_name", name),
        vmm_server=_fqdn(table, "vmm_server"),
        version=table.text("version", "10.19.2591.0"),
        installation_id=table.text("installation_id", ""),
        logical_networks=tuple(networks),
        vm_networks=vm_networks,
        storage_classifications=classifications,
        volumes=volumes,
        file_shares=shares,
        clouds=tuple(
            _cloud(each, networks, known, (vm_networks, (*volumes, *shares)))
            for each in table.tables("clouds")
        ),
    )
    table.finish()
    unique([cloud.name for cloud in layout.clouds], table.place("clouds"))
    unique([vm.name for cloud in layout.clouds for vm in cloud.vms], table.place("clouds.vms"))
    return layout


def _classifications(table: TableReader) -> tuple[tuple[str, str], ...]:
    found = []
    for each in table.tables("storage_classifications"):
        found.append((each.text("name"), each.text("description", "")))
        each.finish()
    unique([name for name, _ in found], table.place("storage_classifications"))
    return tuple(found)


def _storage(table: TableReader, classifications: list[str], name_key: str) -> StorageLayout:
    layout = StorageLayout(
        name=table.text(name_key) if name_key else "",
        path=table.text("path"),
        classification=table.one_of("classification", classifications, ""),
    )
    table.finish()
    return layout


def _vm_network(table: TableReader, logical_networks: list[str]) -> VmNetworkLayout:
    layout = VmNetworkLayout(
        name=table.text("name"),
        logical_network=table.one_of("logical_network", logical_networks),
        subnets=tuple(_subnet(each) for each in table.tables("subnets")),
    )
    table.finish()
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


_Places = tuple[tuple[VmNetworkLayout, ...], tuple[StorageLayout, ...]]


def _cloud(
    table: TableReader, networks: list[str], classifications: list[str], places: _Places
) -> CloudLayout:
    hosts = [_check_fqdn(each, table.place("hosts")) for each in table.texts("hosts")]
    if not hosts:
        raise TopologyError(f"{table.place('hosts')}: at least one host is needed")
    layout = CloudLayout(
        name=table.text("name"),
        description=table.text("description", ""),
        hosts=tuple(hosts),
        logical_networks=tuple(table.some_of("logical_networks", networks)),
        storage_classifications=tuple(table.some_of("storage_classifications", classifications)),
        vms=tuple(_vm(each, hosts, places) for each in table.tables("vms")),
    )
    table.finish()
    return layout


def _vm(table: TableReader, hosts: list[str], places: _Places) -> VmLayout:
    networks, storage = places
    layout = VmLayout(
        name=table.text("name"),
        host=table.one_of("host", hosts),
        running=table.flag("running", default=True),
        generation=table.integer("generation", 2, least=1),
        processors=table.integer("processors", 2, least=1),
        memory_mib=table.integer("memory_mib", 2048, least=32),
        operating_system=table.text("operating_system", "Windows Server 2019 Datacenter"),
        automatic_start_action=table.one_of(
            "automatic_start_action", ["Nothing", "StartIfRunning", "Start"], "StartIfRunning"
        ),
        disks=tuple(_disk(each, storage) for each in table.tables("disks")),
        adapters=tuple(_adapter(each, networks) for each in table.tables("networks")),
    )
    table.finish()
    if not layout.disks:
        raise TopologyError(f"{table.place('disks')}: at least one disk is needed")
    return layout


def _disk(table: TableReader, storage: tuple[StorageLayout, ...]) -> DiskLayout:
    layout = DiskLayout(
        path=table.one_of("path", [each.path for each in storage]),
        size_bytes=table.integer("mib", least=LEAST_DISK_MIB) * 1024**2,
    )
    table.finish()
    return layout


def _adapter(table: TableReader, networks: tuple[VmNetworkLayout, ...]) -> AdapterLayout:
    name = table.one_of("network", [each.name for each in networks])
    (network,) = [each for each in networks if each.name == name]
    layout = AdapterLayout(
        network=name,
        subnet=table.one_of("subnet", [each.name for each in network.subnets]),
        ip=table.text("ip", ""),
    )
    table.finish()
    return layout
