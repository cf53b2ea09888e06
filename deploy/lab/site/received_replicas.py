"""Making the replica VM when a primary server enables replication."""

from __future__ import annotations

import ntpath
from typing import TYPE_CHECKING, Any

from deploy.lab.site import disk as disk_files
from deploy.lab.site.authorization import storage_classification
from deploy.lab.site.clusters import replication_name
from deploy.lab.site.enable_checks import check_pair
from deploy.lab.site.json_codec import from_json
from deploy.lab.site.link_errors import LinkError, LinkFailure
from deploy.lab.site.model import Disk, NetworkAdapter, VirtualMachine, VMState
from deploy.lab.site.replica_lookup import authorized_entry, check_space
from deploy.lab.site.replication_model import (
    Replication,
    ReplicationMode,
    ReplicationState,
    ReplicationStatistics,
)
from deploy.lab.site.storage_places import is_shared

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.listener import Answer, Caller
    from deploy.lab.site.model import AuthorizationEntry, Host


async def create_replica(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any], body: bytes
) -> Answer:
    """Create the placeholder VM, or take one that waits for its first copy.

    Answers whether the copy here has data to compare with. Doing it again for the same primary
    server is the same as once: the relationship gets the newer id.
    """
    del body
    entry = authorized_entry(host, caller)
    check_pair(host, str(header["windows_server"]))
    check_space(site, host, [entry.replica_storage_location])
    source = from_json(VirtualMachine, header["vm"])
    offered = from_json(Replication, header["replication"])
    _check_cluster(site, host, offered, entry)
    existing = site.vm_by_key(host.fqdn, source.vm_id)
    if existing is not None:
        async with site.runtime(existing).lock:
            return _take_existing(site, existing, (caller, entry, offered), source), b""
    vm = _placeholder(site, host, source, entry)
    vm.highly_available = host.cluster_fqdn is not None
    vm.replication = _as_replica(offered, entry, site, host.fqdn)
    for each in vm.disks:
        disk_files.create(site.folder / each.file, each.size_bytes)
    site.save_vm(vm)
    site.record(
        host.fqdn,
        ("replica.created", vm.vm_id),
        header.get("command_id"),
        {"name": vm.name, "primary_server": caller.primary_server},
    )
    return {"compare": False, "copy": False, "server": host.fqdn}, b""


def _check_cluster(
    site: SiteCore, host: Host, offered: Replication, entry: AuthorizationEntry
) -> None:
    """Raises LinkError when a cluster's node is asked without its broker, or cannot share the VM.

    The broker makes each replica highly available, which needs storage that all nodes reach.
    """
    if host.cluster_fqdn is None:
        return
    if offered.replica_server.lower() != replication_name(site, host).lower():
        raise LinkError(
            LinkFailure.REFUSED,
            f"The Replica server '{host.fqdn}' is part of a failover cluster. Specify the name of "
            "its Hyper-V Replica Broker.",
        )
    if not is_shared(site, host, entry.replica_storage_location):
        raise LinkError(
            LinkFailure.STORAGE,
            f"'{entry.replica_storage_location}' is neither on a cluster shared volume nor on a "
            "file share.",
        )


def _as_replica(
    offered: Replication, entry: AuthorizationEntry, site: SiteCore, node: str
) -> Replication:
    offered.mode = ReplicationMode.REPLICA
    offered.state = ReplicationState.WAITING_FOR_INITIAL_REPLICATION
    offered.current_replica_server = node
    offered.allowed_primary_server = entry.allowed_primary_server
    offered.trust_group = entry.trust_group
    offered.certificate_thumbprint = ""
    offered.statistics = ReplicationStatistics(monitoring_start=site.now_at(node))
    return offered


def _take_existing(
    site: SiteCore,
    existing: VirtualMachine,
    offer: tuple[Caller, AuthorizationEntry, Replication],
    source: VirtualMachine,
) -> dict[str, Any]:
    caller, entry, offered = offer
    replication = existing.replication
    waiting = (
        replication is not None
        and replication.mode is ReplicationMode.REPLICA
        and replication.state is ReplicationState.WAITING_FOR_INITIAL_REPLICATION
    )
    if replication is None or not waiting or existing.state is not VMState.OFF:
        raise LinkError(
            LinkFailure.INVALID_STATE,
            f"The Replica server has a virtual machine with the ID {existing.vm_id.upper()} "
            "already, and it does not wait for a replication.",
        )
    prepared = not replication.relationship_id  # by Enable-VMReplication -AsReplica
    if not prepared and replication.primary_server.lower() != caller.primary_server.lower():
        raise LinkError(LinkFailure.INVALID_STATE, "The replica belongs to another primary server.")
    allowed = replication.primary_server.lower() if prepared else ""
    if allowed and allowed != caller.primary_server.lower():
        raise LinkError(
            LinkFailure.UNAUTHORIZED,
            f"The replica does not allow the primary server '{caller.primary_server}'.",
        )
    _check_disks(existing, source, offered)
    if replication_name(site, site.host(existing.host_fqdn)) != existing.host_fqdn:
        _check_available(existing)
    compare = not prepared and replication.log.compare_at_initial
    existing.replication = _as_replica(offered, entry, site, existing.host_fqdn)
    existing.replication.log.compare_at_initial = compare
    site.save_vm(existing)
    return {"compare": compare, "copy": prepared, "server": existing.host_fqdn}


def _check_available(existing: VirtualMachine) -> None:
    if not existing.highly_available:
        raise LinkError(
            LinkFailure.INVALID_STATE,
            f"The virtual machine '{existing.name}' on the Replica server is not highly available.",
        )


def _check_disks(existing: VirtualMachine, source: VirtualMachine, offered: Replication) -> None:
    """The copy must have the same disks by name (which says the format too) and size."""
    here = {disk.id: disk for disk in existing.disks}
    for disk in source.disks:
        if disk.id in offered.excluded_disk_ids:
            continue
        name, other = ntpath.basename(disk.path), here.get(disk.id)
        if other is None or ntpath.basename(other.path).lower() != name.lower():
            raise LinkError(LinkFailure.BOUNDS, f"The copy has no disk '{name}'.")
        if other.size_bytes != disk.size_bytes:
            raise LinkError(LinkFailure.BOUNDS, f"The disk '{name}' differs in size.")


def _placeholder(
    site: SiteCore, host: Host, source: VirtualMachine, entry: AuthorizationEntry
) -> VirtualMachine:
    """The same VM by id and name, off, its adapters there but not connected."""
    store = entry.replica_storage_location.rstrip("\\")
    usable, classification = storage_classification(site, host, store)
    if not store or not usable:
        raise LinkError(
            LinkFailure.STORAGE,
            f"Unable to open specified location to store Replica files '{store}'.",
        )
    guid = source.vm_id.upper()
    vm = VirtualMachine(
        vm_id=source.vm_id,
        vmm_id=site.environment.new_id(),
        name=source.name,
        host_fqdn=host.fqdn,
        created=site.clock.now(),
        generation=source.generation,
        processors=source.processors,
        memory_startup_bytes=source.memory_startup_bytes,
        operating_system=source.operating_system,
        path=rf"{store}\Hyper-V Replica\Virtual Machines\{guid}",
    )
    vm.disks = [
        Disk(
            id=disk.id,
            path=rf"{store}\Hyper-V Replica\Virtual hard disks\{guid}\{ntpath.basename(disk.path)}",
            file=f"hosts/{host.fqdn}/vms/{source.vm_id}/disks/{disk.id}.vhdx",
            size_bytes=disk.size_bytes,
            controller_type=disk.controller_type,
            controller_number=disk.controller_number,
            controller_location=disk.controller_location,
            classification=classification,
        )
        for disk in source.disks
    ]
    vm.adapters = [
        NetworkAdapter(
            id=adapter.id,
            vmm_id=site.environment.new_id(),
            name=adapter.name,
            mac_address=adapter.mac_address,
            dynamic_mac_address=adapter.dynamic_mac_address,
        )
        for adapter in source.adapters
    ]
    return vm
