"""Moving a running VM to another host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.lab.site.clusters import replication_name
from deploy.lab.site.errors import invalid_parameter, operation_failed
from deploy.lab.site.guest_control import shown_to_judge
from deploy.lab.site.replication_model import ReplicationMode
from deploy.lab.site.replicator import ensure_replicator, send_now
from deploy.lab.site.space import place_at
from deploy.lab.site.storage_places import is_shared
from deploy.lab.site.test_failover import find_test_machine

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine


def _check(site: SiteCore, vm: VirtualMachine, source: Host, target: Host) -> None:
    if source is target:
        raise invalid_parameter(f"'{vm.name}' is on '{target.fqdn}' already.")
    if site.vm_by_key(target.fqdn, vm.vm_id) is not None:
        raise operation_failed(
            f"Virtual machine migration of '{vm.name}' failed: '{target.fqdn}' has a virtual "
            "machine with the same ID."
        )
    same_cluster = target.cluster_fqdn is not None and target.cluster_fqdn == source.cluster_fqdn
    if vm.highly_available and not same_cluster:
        raise operation_failed(f"'{vm.name}' is highly available and cannot leave its cluster.")
    if vm.test_replica_of or find_test_machine(site, vm) is not None:
        # Moving either apart breaks what holds replica and test machine together.
        raise operation_failed(
            f"'{vm.name}' is part of a test failover on '{source.fqdn}', to be stopped first."
        )
    for disk in vm.disks:
        shared = same_cluster and is_shared(site, source, disk.path)
        if not shared and place_at(site, target.fqdn, disk.path) is None:
            raise operation_failed(f"'{target.fqdn}' has no storage for '{disk.path}'.")


async def migrate(site: SiteCore, vm: VirtualMachine, target: Host, command_id: str | None) -> None:
    """Move the VM with its logs, whether it runs or not; the guest does not notice.

    Replication goes on, with its statistics. Within a cluster nobody else has to know: both sides
    go by the brokers' names. Between hosts that stand alone the disks' paths must exist on both;
    a primary goes on under its new server's name, which the replica server accepts from a server
    of the same trust group, but its certificate there is another one: until the relationship is
    told which, it is in error. The primary of a replica that left its server does not find it.
    A copy that runs begins again.
    """
    source = site.host(vm.host_fqdn)
    _check(site, vm, source, target)
    runtime = site.runtime(vm)
    async with runtime.lock, runtime.gate:
        site.move_vm(vm, target)
        if runtime.guest is not None:
            runtime.guest.find_files()
        replication = vm.replication
        if replication is not None and replication.mode is ReplicationMode.PRIMARY:
            replication.primary_server = replication_name(site, target)
        if replication is not None and replication.mode is ReplicationMode.REPLICA:
            replication.replica_server = replication_name(site, target)
            replication.current_replica_server = target.fqdn
        _switch(vm, target)
        site.save_vm(vm)
        site.record(
            target.fqdn,
            ("vm.migrated", vm.vm_id),
            command_id,
            {"name": vm.name, "from": source.fqdn, **shown_to_judge(vm)},
        )
    ensure_replicator(site, vm)
    send_now(site, vm)


def _switch(vm: VirtualMachine, target: Host) -> None:
    """Adapters stay connected to switches of the same name; others are not connected any more."""
    names = {each.name for each in target.switches}
    for adapter in vm.adapters:
        if adapter.switch_name not in names:
            adapter.switch_name = None
