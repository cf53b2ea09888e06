"""What people do to machines in VMM: make, rename, move to a cloud, change, delete them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deploy.lab.site import disk as disk_files
from deploy.lab.site import guest_control
from deploy.lab.site.clusters import cluster_of
from deploy.lab.site.errors import invalid_parameter, invalid_state, not_found
from deploy.lab.site.layouts import (
    ClusterLayout,
    StorageLayout,
    SubnetLayout,
    VmLayout,
    VmNetworkLayout,
)
from deploy.lab.site.model import Cloud, Disk, VirtualMachine, VmCheckpoint, VMState
from deploy.lab.site.replication_model import ReplicationMode
from deploy.lab.site.site_maker import make_disks
from deploy.lab.site.space import place_at
from deploy.lab.site.storage_places import is_shared
from deploy.lab.site.toml_reader import TableReader
from deploy.lab.site.topology_vms import Places, read_vms
from deploy.lab.site.vm_maker import VmMaker

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host

NEW_DISK_FILL = 0.25
# What `change` may set, with the type that it must have.
CHANGEABLE: dict[str, type] = {
    "dr_protection_required": bool,
    "recovery_point_objective_seconds": int,
    "fibre_channel_adapters": int,
    "encrypted": bool,
    "shielded": bool,
    "integration_services_version": str,
    "computer_name": str,
    "operating_system": str,
    "processors": int,
    "memory_startup_bytes": int,
    "notes": str,
}


def _host(site: SiteCore, vm: VirtualMachine) -> Host:
    return site.host(vm.host_fqdn)


def cloud_named(site: SiteCore, name: str) -> Cloud:
    for cloud in site.vmm.clouds:
        if cloud.name.lower() == name.lower():
            return cloud
    raise not_found(f"There is no cloud '{name}' at {site.name}.", name)


async def add(site: SiteCore, table: Mapping[str, Any], cloud: str | None) -> list[VirtualMachine]:
    """Make the VMs that a table says, written as in a topology, and start those that run.

    Raises:
        TopologyError: The table makes no sense here; nothing was made.
        HyperVError: There is no such cloud, or a name is taken.
    """
    group = cloud_named(site, cloud) if cloud else None
    hosts = [
        host.fqdn
        for host in site.hosts
        if host.powered and (group is None or host.host_group_path in group.host_group_paths)
    ]
    layouts = list(read_vms(TableReader(table, "vm"), hosts, _places(site)))
    taken = {vm.name.lower() for vm in site.virtual_machines}
    for layout in layouts:
        if layout.name.lower() in taken:
            raise invalid_parameter(f"There is a virtual machine '{layout.name}' already.")
    now = site.clock.now()
    maker = VmMaker(site.vmm, lambda _kind, _name: site.environment.new_id(), now)
    return [await _make(site, maker, each, group) for each in layouts]


async def _make(
    site: SiteCore, maker: VmMaker, layout: VmLayout, cloud: Cloud | None
) -> VirtualMachine:
    vm = maker.make(layout, cloud.id if cloud else None)
    make_disks(site.folder, vm, NEW_DISK_FILL)
    site.save_vm(vm)
    site.record(vm.host_fqdn, ("vm.created", vm.vm_id), None, {"name": vm.name})
    if vm.was_running:
        await guest_control.start_vm(site, _host(site, vm), vm, None, cause="created")
    if vm.pause_when_started:
        await guest_control.pause_vm(site, _host(site, vm), vm, None)
    return vm


def _places(site: SiteCore) -> Places:
    """What a site has now, in the words of a topology."""
    networks = tuple(
        VmNetworkLayout(
            each.name,
            each.logical_network,
            each.isolation_type,
            tuple(
                SubnetLayout(
                    subnet.name,
                    subnet.subnet,
                    subnet.vlan_id,
                    next(((p.first_address, p.last_address) for p in subnet.static_pools), None),
                )
                for subnet in each.subnets
            ),
        )
        for each in site.vmm.vm_networks
    )
    clusters = tuple(
        ClusterLayout(each.fqdn, tuple(each.nodes), each.broker_fqdn or "", each.host_group_path)
        for each in site.vmm.host_clusters
    )
    return Places(networks, tuple(_storage(site)), {}, clusters)


def _storage(site: SiteCore) -> list[StorageLayout]:
    found: dict[str, StorageLayout] = {}
    cluster_of_host = {host.fqdn: host.cluster_fqdn or "" for host in site.hosts}
    for volume in site.vmm.volumes:
        known = found.get(volume.mount_point)
        hosts = (*known.hosts, volume.host_fqdn) if known else (volume.host_fqdn,)
        shared = volume.is_cluster_shared_volume
        found[volume.mount_point] = StorageLayout(
            "",
            volume.mount_point,
            volume.classification or "",
            volume.capacity_bytes,
            volume.free_bytes,
            volume.available_for_placement,
            hosts,
            cluster_of_host.get(volume.host_fqdn, "") if shared else "",
        )
    shares = [
        StorageLayout(
            each.name,
            each.path,
            each.classification or "",
            each.capacity_bytes,
            each.free_bytes,
            each.available_for_placement,
            tuple(each.hosts),
        )
        for each in site.vmm.file_shares
    ]
    return [*found.values(), *shares]


def _save(site: SiteCore, vm: VirtualMachine, effect: str, details: dict[str, Any]) -> None:
    site.save_vm(vm)
    site.record(vm.host_fqdn, (effect, vm.vm_id), None, details)


async def rename(site: SiteCore, vm: VirtualMachine, name: str) -> None:
    """Give a new name; its replica, as with all settings, keeps the old one."""
    if not name.strip():
        raise invalid_parameter("A name is needed.")
    async with site.runtime(vm).lock:
        before, vm.name = vm.name, name
        _save(site, vm, "vm.renamed", {"from": before, "name": name})


async def move_to_cloud(site: SiteCore, vm: VirtualMachine, cloud: str | None) -> None:
    """Into another cloud, whose host groups must have the VM's host, or out of any."""
    target = cloud_named(site, cloud) if cloud else None
    group = _host(site, vm).host_group_path
    if target is not None and group not in target.host_group_paths:
        raise invalid_state(f"The host of '{vm.name}' is not in the host groups of '{cloud}'.")
    vm.cloud_id = target.id if target else None
    _save(site, vm, "vm.moved_to_cloud", {"name": vm.name, "cloud": cloud})


async def change(site: SiteCore, vm: VirtualMachine, values: Mapping[str, Any]) -> None:
    """Set what `CHANGEABLE` lists. Replicas are not told, as Hyper-V does not tell them."""
    for name, value in values.items():
        kind = CHANGEABLE.get(name)
        if kind is None:
            raise invalid_parameter(f"'{name}' is none of {', '.join(CHANGEABLE)}.")
        if type(value) is not kind:
            raise invalid_parameter(f"'{name}' must be of type {kind.__name__}.")
    for name, value in values.items():
        setattr(vm, name, value)
    _save(site, vm, "vm.changed", dict(values))


async def add_checkpoint(site: SiteCore, vm: VirtualMachine, name: str) -> None:
    """Note a checkpoint; what the disks were then is not kept."""
    parent = vm.checkpoints[-1].id if vm.checkpoints else None
    identifier, created = site.environment.new_id(), site.now_at(vm.host_fqdn)
    vm.checkpoints.append(VmCheckpoint(id=identifier, name=name, created=created, parent_id=parent))
    _save(site, vm, "vm.checkpoint_created", {"name": name})


async def add_disk(site: SiteCore, vm: VirtualMachine, path: str, size_bytes: int) -> Disk:
    """Attach a new empty disk, also to a VM that runs.

    A primary's new disk is not replicated until Set-VMReplication names it.
    """
    host = _host(site, vm)
    place = place_at(site, host.fqdn, path)
    if place is None:
        raise invalid_parameter(f"'{host.fqdn}' has no storage at '{path}'.")
    runtime = site.runtime(vm)
    async with runtime.lock, runtime.gate:
        number = len(vm.disks)
        identifier = site.environment.new_id()
        folder = path.rstrip("\\")
        disk = Disk(
            id=identifier,
            path=rf"{folder}\{vm.name}\{vm.name}-data{number}.vhdx",
            file=f"hosts/{vm.host_fqdn}/vms/{vm.vm_id}/disks/{identifier}.vhdx",
            size_bytes=size_bytes,
            controller_location=number,
            classification=place.classification,
        )
        disk_files.create(site.folder / disk.file, size_bytes)
        vm.disks.append(disk)
        replication = vm.replication
        if replication is not None and replication.mode is ReplicationMode.PRIMARY:
            replication.excluded_disk_ids.append(disk.id)
        if runtime.guest is not None:
            runtime.guest.find_files()
        _save(site, vm, "vm.disk_added", {"name": vm.name, "path": disk.path})
    return disk


async def make_highly_available(site: SiteCore, vm: VirtualMachine) -> None:
    host = _host(site, vm)
    if cluster_of(site, host) is None:
        raise invalid_state(f"'{host.fqdn}' is not a node of a failover cluster.")
    if not all(is_shared(site, host, disk.path) for disk in vm.disks):
        raise invalid_state(f"Not all disks of '{vm.name}' are on storage that all nodes share.")
    if not vm.highly_available:
        vm.highly_available = True
        _save(site, vm, "vm.made_highly_available", {"name": vm.name})


async def delete(site: SiteCore, vm: VirtualMachine) -> None:
    """Remove a VM that is off, with its disks; the other side of its replication stays as it is."""
    if vm.state not in (VMState.OFF, VMState.SAVED):
        raise invalid_state(f"'{vm.name}' must be off to be deleted.")
    async with site.runtime(vm).lock:
        task = site.runtime(vm).replicator
        if task is not None:
            task.cancel()
        site.forget_vm(vm)
        site.record(vm.host_fqdn, ("vm.removed", vm.vm_id), None, {"name": vm.name})
