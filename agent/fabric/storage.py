"""Storage classifications, and the places disks can go to: file shares and volumes."""

from collections.abc import Iterable
from typing import Final

from opensiterecovery.provider.v1 import inventory_pb2

from agent.fabric.vmm import Question, object_id, unsigned
from agent.powershell.cmdlet import cmdlet
from agent.powershell.records import PSRecord

STORAGE_CLASSIFICATIONS: Final = Question(
    cmdlet("Get-SCStorageClassification"), ("ID", "Name", "Description")
)
FILE_SHARES: Final = Question(
    cmdlet("Get-SCStorageFileShare"),
    (
        "ID",
        "Name",
        "SharePath",
        "MountPoints",
        "Classification",
        "Capacity",
        "FreeSpace",
        "IsAvailableForPlacement",
    ),
)
VOLUMES: Final = Question(
    cmdlet("Get-SCStorageVolume"),
    (
        "ID",
        "Name",
        "MountPoints",
        "Classification",
        "Capacity",
        "FreeSpace",
        "IsAvailableForPlacement",
        "IsClusterSharedVolume",
        "VMHost",
    ),
)


class HostStorage:
    """Which hosts reach what: VMM says it at the hosts and clusters, not at the shares."""

    def __init__(self, hosts: Iterable[PSRecord], clusters: Iterable[PSRecord]) -> None:
        self._of_share: dict[str, set[str]] = {}
        self._neighbours: dict[str, frozenset[str]] = {}
        nodes: dict[str, set[str]] = {}
        for host in hosts:
            fqdn = host.text("FullyQualifiedDomainName")
            self._add_shares(host, {fqdn})
            cluster = host.optional_text("HostCluster")
            if cluster:
                nodes.setdefault(cluster.casefold(), set()).add(fqdn)
        for cluster_record in clusters:
            its_nodes = nodes.get(cluster_record.text("Name").casefold(), set())
            self._add_shares(cluster_record, its_nodes)
        for members in nodes.values():
            for fqdn in members:
                self._neighbours[fqdn.casefold()] = frozenset(members)

    def reaching_share(self, share: str) -> list[str]:
        """FQDNs of the hosts on which the share is registered."""
        return sorted(self._of_share.get(share.casefold(), ()))

    def reaching_volume(self, host: str, *, shared: bool) -> list[str]:
        """The host, and for a cluster shared volume every node of its cluster."""
        neighbours = self._neighbours.get(host.casefold(), frozenset()) if shared else frozenset()
        return sorted(neighbours or {host})

    def _add_shares(self, owner: PSRecord, hosts: set[str]) -> None:
        for share in owner.strings("RegisteredStorageFileShares"):
            self._of_share.setdefault(share.casefold(), set()).update(hosts)


def storage_classification(record: PSRecord) -> inventory_pb2.InventoryObject:
    """Source: Get-SCStorageClassification."""
    return inventory_pb2.InventoryObject(
        storage_classification=inventory_pb2.StorageClassification(
            id=object_id(record),
            name=record.text("Name"),
            description=record.optional_text("Description") or "",
        )
    )


def file_share(record: PSRecord, reach: HostStorage) -> inventory_pb2.InventoryObject:
    """Source: Get-SCStorageFileShare. The text of a registered share is its name or its path."""
    location = _location(record)
    location.file_share = True
    location.path = record.optional_text("SharePath") or location.path
    hosts = {*reach.reaching_share(location.name), *reach.reaching_share(location.path)}
    location.host_fqdns.extend(sorted(hosts))
    return inventory_pb2.InventoryObject(storage_location=location)


def volumes(
    records: Iterable[PSRecord], reach: HostStorage
) -> Iterable[inventory_pb2.InventoryObject]:
    """Source: Get-SCStorageVolume. Volumes of library servers, which have no host, are left out."""
    for record in records:
        host = record.optional_text("VMHost")
        if host:
            location = _location(record)
            shared = bool(record.optional_boolean("IsClusterSharedVolume"))
            location.cluster_shared_volume = shared
            location.host_fqdns.extend(reach.reaching_volume(host, shared=shared))
            yield inventory_pb2.InventoryObject(storage_location=location)


def _location(record: PSRecord) -> inventory_pb2.StorageLocation:
    name = record.text("Name")
    return inventory_pb2.StorageLocation(
        id=object_id(record),
        name=name,
        path=next(iter(record.strings("MountPoints")), name),
        classification=record.optional_text("Classification") or "",
        capacity_bytes=unsigned(record, "Capacity"),
        free_bytes=unsigned(record, "FreeSpace"),
        # Unknown is not closed: versions of VMM before it had the property place everywhere.
        closed_to_placement=record.optional_boolean("IsAvailableForPlacement") is False,
    )
