"""Reading a topology's TOML: sites with their hosts, clusters, clouds and VMs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from deploy.lab.site.environment import GuestProfile
from deploy.lab.site.generations import Generation
from deploy.lab.site.layouts import (
    CloudLayout,
    ClusterLayout,
    HostLayout,
    SiteLayout,
    Topology,
    VmLayout,
)
from deploy.lab.site.toml_reader import TableReader, TopologyError, unique
from deploy.lab.site.topology_networks import read_logical_networks, read_vm_network
from deploy.lab.site.topology_storage import read_classifications, read_storage
from deploy.lab.site.topology_vms import Places, read_templates, read_vms

TOPOLOGIES = Path(__file__).parent.parent / "topology"
DEFAULT_TOPOLOGY = TOPOLOGIES / "default.toml"
OTHER_HOSTS = "Hosts in no cloud"

__all__ = ["Topology", "TopologyError"]


def named_topologies() -> dict[str, Path]:
    """Name to file of the topologies that come with the lab, the default one first."""
    files = sorted(TOPOLOGIES.glob("*.toml"), key=lambda file: (file != DEFAULT_TOPOLOGY, file))
    return {file.stem: file for file in files}


def find_topology(name_or_path: str) -> Path:
    """The file of a topology that comes with the lab, or the path itself.

    Raises:
        TopologyError: It is neither.
    """
    known = named_topologies()
    if name_or_path in known:
        return known[name_or_path]
    path = Path(name_or_path)
    if path.is_file():
        return path.resolve()
    raise TopologyError(
        f"'{name_or_path}' is neither a file nor one of the topologies {', '.join(known)}"
    )


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
    description = reader.text("description", "")
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
    unique([name for site in sites for name in _computers(site)], "hosts and VMM servers")
    return Topology(description, sites, profile, fill_share)


def _computers(site: SiteLayout) -> Iterable[str]:
    """Every name that must be found in the name service once."""
    yield site.vmm_server
    yield from (host.fqdn for host in site.hosts)
    for cluster in site.clusters:
        yield cluster.fqdn
        if cluster.broker:
            yield cluster.broker


def _fqdn(table: TableReader, key: str) -> str:
    return _check_fqdn(table.text(key), table.place(key))


def _check_fqdn(name: str, where: str) -> str:
    if "." not in name or not all(name.split(".")) or "/" in name or " " in name:
        raise TopologyError(f"{where}: '{name}' is not a fully qualified name")
    return name.lower()


def _fqdns(table: TableReader, key: str) -> list[str]:
    return [_check_fqdn(each, table.place(key)) for each in table.texts(key)]


def _site(table: TableReader) -> SiteLayout:
    name = table.text("name")
    if "/" in name or name.startswith("."):
        raise TopologyError(f"{table.place('name')}: '{name}' cannot be a folder's name")
    networks = read_logical_networks(table)
    network_names = [each.name for each in networks]
    classifications = read_classifications(table)
    known = [each for each, _ in classifications]
    vm_networks = tuple(read_vm_network(each, networks) for each in table.tables("vm_networks"))
    unique([each.name for each in vm_networks], table.place("vm_networks"))
    # Clouds name hosts, VMs name storage, storage names hosts: hosts first, VMs last.
    cloud_tables = table.tables("clouds")
    groups = {host: cloud for each in cloud_tables for host, cloud in _hosts_of(each)}
    clusters = _clusters(table, groups)
    hosts = _hosts(table, groups, clusters, (network_names, cloud_tables))
    host_names = [each.fqdn for each in hosts]
    reachable = (host_names, {each.fqdn: each.nodes for each in clusters})
    volumes = tuple(read_storage(each, known, "", reachable) for each in table.tables("volumes"))
    shares = tuple(
        read_storage(each, known, "name", reachable) for each in table.tables("file_shares")
    )
    places = Places(vm_networks, (*volumes, *shares), read_templates(table), clusters)
    layout = SiteLayout(
        name=name,
        fabric_name=table.text("fabric_name", name),
        vmm_server=_fqdn(table, "vmm_server"),
        version=table.text("version", "10.19.2591.0"),
        installation_id=table.text("installation_id", ""),
        logical_networks=networks,
        vm_networks=vm_networks,
        storage_classifications=classifications,
        volumes=volumes,
        file_shares=shares,
        hosts=hosts,
        clusters=clusters,
        clouds=tuple(_cloud(each, network_names, known, places) for each in cloud_tables),
        vms=tuple(_vms(table, host_names, places)),
    )
    table.finish()
    _check_names(table, layout)
    return layout


def _check_names(table: TableReader, layout: SiteLayout) -> None:
    unique([cloud.name for cloud in layout.clouds], table.place("clouds"))
    machines = [vm.name for cloud in layout.clouds for vm in cloud.vms]
    unique([*machines, *(vm.name for vm in layout.vms)], table.place("clouds.vms"))


def _hosts_of(cloud: TableReader) -> list[tuple[str, str]]:
    """The hosts that a cloud's table names, each with the cloud's name."""
    hosts = _fqdns(cloud, "hosts")
    if not hosts:
        raise TopologyError(f"{cloud.place('hosts')}: at least one host is needed")
    unique(hosts, cloud.place("hosts"))
    name = cloud.text("name")
    return [(host, name) for host in hosts]


def _clusters(table: TableReader, groups: dict[str, str]) -> tuple[ClusterLayout, ...]:
    layouts = []
    for each in table.tables("clusters"):
        nodes = _fqdns(each, "nodes")
        if not nodes:
            raise TopologyError(f"{each.place('nodes')}: at least one node is needed")
        found = {groups.get(node, OTHER_HOSTS) for node in nodes}
        if len(found) > 1:
            raise TopologyError(f"{each.place('nodes')}: must all be of one cloud, or of none")
        layouts.append(
            ClusterLayout(
                fqdn=_fqdn(each, "fqdn"),
                nodes=tuple(nodes),
                broker=_fqdn(each, "broker") if each.has("broker") else "",
                host_group=found.pop(),
            )
        )
        each.finish()
    unique([node for each in layouts for node in each.nodes], table.place("clusters"))
    return tuple(layouts)


_Networks = tuple[list[str], list[TableReader]]


def _hosts(
    table: TableReader,
    groups: dict[str, str],
    clusters: tuple[ClusterLayout, ...],
    networks: _Networks,
) -> tuple[HostLayout, ...]:
    """Hosts described in ``hosts``, and those that are only named by clouds or clusters."""
    all_networks, cloud_tables = networks
    generation = _generation(table, "2019")
    described = {}
    for each in table.tables("hosts"):
        fqdn = _fqdn(each, "fqdn")
        if fqdn in described:
            raise TopologyError(f"{each.place('fqdn')}: '{fqdn}' is there twice")
        described[fqdn] = each
    of_cloud = {each.text("name"): each.texts("logical_networks") for each in cloud_tables}
    cluster_of = {node: each.fqdn for each in clusters for node in each.nodes}
    layouts = []
    for fqdn in dict.fromkeys([*groups, *cluster_of, *described]):
        reader = described.get(fqdn, TableReader({"fqdn": fqdn}, table.place("hosts")))
        reader.text("fqdn")
        layouts.append(
            HostLayout(
                fqdn=fqdn,
                generation=_generation(reader, generation),
                host_group=groups.get(fqdn, OTHER_HOSTS),
                cluster=cluster_of.get(fqdn, ""),
                processors=reader.integer("processors", 16, least=1),
                memory_bytes=reader.integer("memory_gib", 64, least=1) * 1024**3,
                switches=tuple(of_cloud.get(groups.get(fqdn, ""), all_networks)),
                updates=tuple(reader.texts("updates")),
            )
        )
        reader.finish()
    return tuple(layouts)


def _generation(table: TableReader, default: str) -> Generation:
    known = [each.value for each in Generation]
    value = table.text("windows_server", default)
    if value not in known:
        place = table.place("windows_server")
        raise TopologyError(f"{place}: '{value}' is not defined (known: {', '.join(known)})")
    return Generation(value)


def _cloud(
    table: TableReader, networks: list[str], classifications: list[str], places: Places
) -> CloudLayout:
    hosts = [host for host, _ in _hosts_of(table)]
    layout = CloudLayout(
        name=table.text("name"),
        description=table.text("description", ""),
        hosts=tuple(hosts),
        logical_networks=tuple(table.some_of("logical_networks", networks)),
        storage_classifications=tuple(table.some_of("storage_classifications", classifications)),
        capability_profiles=tuple(
            table.texts("capability_profiles") if table.has("capability_profiles") else ["Hyper-V"]
        ),
        vms=tuple(_vms(table, hosts, places)),
    )
    table.finish()
    return layout


def _vms(table: TableReader, hosts: list[str], places: Places) -> Iterable[VmLayout]:
    for each in table.tables("vms"):
        yield from read_vms(each, hosts, places)
