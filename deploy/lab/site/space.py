"""How much room is left on shares and volumes: what they had, less what real files take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from deploy.lab.site.disk import allocated_bytes
from deploy.lab.site.model import FileShare, Volume

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host

Place: TypeAlias = FileShare | Volume


def path_of(place: Place) -> str:
    return place.path if isinstance(place, FileShare) else place.mount_point


def place_at(site: SiteCore, host_fqdn: str, path: str) -> Place | None:
    """The innermost share or volume that a Windows path lies in and the host reaches."""
    wanted = _as_folder(path)
    inside = [
        place
        for place in _places_of(site, host_fqdn)
        if wanted.startswith(_as_folder(path_of(place)))
    ]
    return max(inside, key=lambda place: len(_as_folder(path_of(place))), default=None)


def free_bytes(site: SiteCore, place: Place) -> int:
    """What is free: ``free_bytes`` of the record is what was there before the lab's own files.

    Only disks are counted, by the blocks their files really have: a VHDX grows as it is written to.
    """
    disks = [site.folder / file for file, _ in _disks_on(site, place)]
    return max(0, place.free_bytes - sum(allocated_bytes(file) for file in disks))


def has_room(site: SiteCore, host: Host, path: str, needed_bytes: int = 1) -> bool:
    """Whether so much more can be written at a Windows path of a host."""
    if site.faults.is_full(host.fqdn, path):
        return False
    place = place_at(site, host.fqdn, path)
    if place is None:
        return False
    # Most places are so large that all disks at their full size fit: then no file is looked at.
    if place.free_bytes >= needed_bytes + sum(size for _, size in _disks_on(site, place)):
        return True
    return free_bytes(site, place) >= needed_bytes


def _places_of(site: SiteCore, host_fqdn: str) -> Iterator[Place]:
    yield from (each for each in site.vmm.volumes if each.host_fqdn == host_fqdn)
    yield from (each for each in site.vmm.file_shares if host_fqdn in each.hosts)


def _disks_on(site: SiteCore, place: Place) -> Iterator[tuple[str, int]]:
    """Real file and full size of every disk on a share or volume, whichever host has the VM."""
    prefix = _as_folder(path_of(place))
    hosts = _hosts_of(site, place)
    # Shares lie in no volume: only volumes mounted inside this one take disks away from it.
    mounted = {
        _as_folder(other.mount_point) for other in site.vmm.volumes if other.host_fqdn in hosts
    }
    within = tuple(inner for inner in mounted if inner.startswith(prefix) and inner != prefix)
    for host in site.hosts:
        if host.fqdn not in hosts:
            continue
        for vm in site.vms_on(host):
            for disk in vm.disks:
                path = disk.path.lower()
                if path.startswith(prefix) and not path.startswith(within):
                    yield disk.file, disk.size_bytes


def _hosts_of(site: SiteCore, place: Place) -> frozenset[str]:
    """Hosts whose files lie there; nodes of a cluster share its volumes."""
    if isinstance(place, FileShare):
        return frozenset(place.hosts)
    clusters = {host.fqdn: host.cluster_fqdn for host in site.hosts}
    cluster = clusters.get(place.host_fqdn)
    if not place.is_cluster_shared_volume or cluster is None:
        return frozenset({place.host_fqdn})
    return frozenset(fqdn for fqdn, its in clusters.items() if its == cluster)


def _as_folder(path: str) -> str:
    return path.lower().rstrip("\\") + "\\"
