"""What is wrong with the storage below a VM's disks, as its host meets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.lab.site.model import FileShare
from deploy.lab.site.space import place_at

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine

LOST_SHARE = "The network path was not found. (0x80070035)"


def is_shared(site: SiteCore, host: Host, path: str) -> bool:
    """Whether all nodes of the host's cluster reach the path."""
    place = place_at(site, host.fqdn, path)
    return isinstance(place, FileShare) or (place is not None and place.is_cluster_shared_volume)


def lost_share(site: SiteCore, vm: VirtualMachine) -> bool:
    """Whether one of the VM's disks is on a share that nobody reaches now."""
    return any(site.faults.is_lost(disk.path) for disk in vm.disks)


def full_volume(site: SiteCore, vm: VirtualMachine) -> bool:
    """Whether nothing more can be written beside one of the VM's disks, by a fault."""
    return any(
        site.faults.is_full(vm.host_fqdn, disk.path)
        for disk in vm.disks
        if vm.host_fqdn not in site.faults.full_hosts
    )
