"""Test failover: a test virtual machine beside a replica, made and removed again."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from deploy.lab.site import disk as disk_files
from deploy.lab.site.change_log import DamagedLogError
from deploy.lab.site.errors import invalid_state, operation_failed
from deploy.lab.site.guest_control import end_guest
from deploy.lab.site.model import Disk, NetworkAdapter, VirtualMachine, VMState
from deploy.lab.site.replication_model import Replication, ReplicationMode, ReplicationState
from deploy.lab.site.replication_states import wrong_state
from deploy.lab.site.space import has_room
from deploy.lab.site.vm_replication import chosen_point, replication_of

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host
    from deploy.lab.site.replication_model import RecoveryPoint

# A replica in another state has no whole copy, is failed over, or is being compared.
_TESTABLE = (ReplicationState.REPLICATING, ReplicationState.SUSPENDED, ReplicationState.ERROR)


def find_test_machine(site: SiteCore, vm: VirtualMachine) -> VirtualMachine | None:
    """The test virtual machine of a replica; None when it has none, or somebody deleted it."""
    replication = vm.replication
    if replication is None or replication.test_vm_id is None:
        return None
    return site.vm_by_key(vm.host_fqdn, replication.test_vm_id)


def refuse_while_tested(site: SiteCore, vm: VirtualMachine) -> None:
    """What would take a replica's disks away from under its test machine.

    That Windows refuses a failover then is documented of the service above it only; the lab
    refuses it in any case.

    Raises:
        HyperVError: It has a test virtual machine.
    """
    if find_test_machine(site, vm) is not None:
        raise invalid_state(
            f"The operation cannot be performed on '{vm.name}': its test failover has not been "
            f"stopped. (Virtual machine ID {vm.vm_id.upper()})"
        )


async def start(
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    command_id: str | None,
    recovery_point_id: str | None,
) -> VirtualMachine:
    """Make the test virtual machine of a replica; it is not started.

    Its disks are whole copies in the lab, where Windows makes differencing disks: what it reads
    and writes is the same, and replication goes on underneath either way.

    Raises:
        HyperVError: The VM is no replica with a whole copy, is failed over or being compared, has
            a test machine already, or the recovery point is not there.
    """
    async with site.runtime(vm).lock:
        replication = replication_of(vm, ReplicationMode.REPLICA)
        refuse_while_tested(site, vm)
        if replication.state not in _TESTABLE or not replication.log.initial_done:
            raise wrong_state()
        point = chosen_point(replication, recovery_point_id)
        machine = _made(site, host, vm)
        _check_room(site, host, machine)
        try:
            await _copy_disks(site, (vm, machine), replication, point)
        except (OSError, DamagedLogError) as error:
            shutil.rmtree(site.vm_folder(machine), ignore_errors=True)
            raise operation_failed(
                f"Hyper-V failed to create the test virtual machine of '{vm.name}': operation "
                f"aborted (0x80004004). Try a more recent recovery point."
            ) from error
        site.save_vm(machine)
        replication.test_vm_id = machine.vm_id
        replication.last_test_failover = site.now_at(host.fqdn)
        site.save_vm(vm)
        files = site.all_disk_files(machine)
        site.record(
            host.fqdn,
            ("test_failover.started", vm.vm_id),
            command_id,
            {
                "name": vm.name,
                "test_vm": machine.vm_id,
                "recovery_point": recovery_point_id,
                "digests": {
                    each.id: await asyncio.to_thread(disk_files.digest, files[each.id])
                    for each in machine.disks
                },
            },
        )
        return machine


async def stop(site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
    """Turn the test virtual machine off and remove it with its disks.

    Raises:
        HyperVError: There is none.
    """
    async with site.runtime(vm).lock:
        replication = replication_of(vm, ReplicationMode.REPLICA)
        machine = find_test_machine(site, vm)
        if machine is None:
            raise wrong_state()
        async with site.runtime(machine).lock:
            if machine.state is not VMState.OFF:
                await end_guest(site, machine, turn_off=True)
            site.forget_vm(machine)
        replication.test_vm_id = None
        site.save_vm(vm)
        site.record(
            host.fqdn,
            ("test_failover.stopped", vm.vm_id),
            command_id,
            {"name": vm.name, "test_vm": machine.vm_id},
        )


def drop_half_made(site: SiteCore, vm: VirtualMachine) -> bool:
    """Forget a test machine that its replica does not know: power was lost while it was made.

    Returns:
        True when it is gone.
    """
    if not vm.test_replica_of:
        return False
    replica = site.vm_by_key(vm.host_fqdn, vm.test_replica_of)
    replication = None if replica is None else replica.replication
    if replica is None or (replication is not None and replication.test_vm_id == vm.vm_id):
        return False
    site.forget_vm(vm)
    return True


def _made(site: SiteCore, host: Host, vm: VirtualMachine) -> VirtualMachine:
    identifier = site.environment.new_id()
    return replace(
        vm,
        vm_id=identifier,
        vmm_id=site.environment.new_id(),
        name=f"{vm.name} - Test",
        created=site.now_at(host.fqdn),
        cloud_id=None,
        state=VMState.OFF,
        disks=[_disk(site, host, identifier, each) for each in _tested_disks(vm)],
        adapters=[_adapter(site, each) for each in vm.adapters],
        replication=None,
        test_replica_of=vm.vm_id,
        highly_available=False,
        checkpoints=[],
        path=f"{vm.path} - Test",
        started=None,
        was_running=False,
        pause_when_started=False,
        known_to_vmm=False,
        dr_protection_required=False,
        recovery_point_objective_seconds=None,
        boot_digests={},
        boot_ledger_last=None,
    )


def _check_room(site: SiteCore, host: Host, machine: VirtualMachine) -> None:
    """Differencing disks are small at first; a full place has not even room for that."""
    if not all(has_room(site, host, each.path) for each in machine.disks):
        raise operation_failed(
            f"Hyper-V failed to create '{machine.name}': there is not enough space on the disk "
            "(0x80070070)."
        )


def _tested_disks(vm: VirtualMachine) -> list[Disk]:
    excluded = vm.replication.excluded_disk_ids if vm.replication else []
    return [each for each in vm.disks if each.id not in excluded]


def _disk(site: SiteCore, host: Host, vm_id: str, parent: Disk) -> Disk:
    identifier = site.environment.new_id()
    stem, _, _ = parent.path.rpartition(".")
    return replace(
        parent,
        id=identifier,
        path=f"{stem}_{identifier.upper()}.avhdx",
        file=f"hosts/{host.fqdn}/vms/{vm_id}/disks/{identifier}.vhdx",
        vhd_type="Differencing",
    )


def _adapter(site: SiteCore, parent: NetworkAdapter) -> NetworkAdapter:
    """Connected to nothing but the replica adapter's test switch; failover addresses come along."""
    identifier = site.environment.new_id()
    mac = parent.mac_address
    if parent.dynamic_mac_address:
        mac = "00155D" + uuid.UUID(identifier).hex[:6].upper()
    return replace(
        parent,
        id=identifier,
        vmm_id=site.environment.new_id(),
        mac_address=mac,
        switch_name=parent.test_replica_switch_name,
        vm_network_id=None,
        vm_subnet_id=None,
        vlan_id=None,
        test_replica_switch_name=None,
        ip_addresses=list(parent.ip_addresses),
        failover_ipv4=dict(parent.failover_ipv4),
        failover_ipv6=dict(parent.failover_ipv6),
    )


async def _copy_disks(
    site: SiteCore,
    machines: tuple[VirtualMachine, VirtualMachine],
    replication: Replication,
    point: RecoveryPoint | None,
) -> None:
    """The disks as they were at the point; the replica's own are not touched."""
    replica, machine = machines
    sources, targets = site.disk_files(replica), site.all_disk_files(machine)
    pairs = list(zip(_tested_disks(replica), machine.disks, strict=True))
    for parent, child in pairs:
        await asyncio.to_thread(disk_files.copy_sparse, sources[parent.id], targets[child.id])
    if point is not None:
        undone = {parent.id: targets[child.id] for parent, child in pairs}
        undo = site.received(replica).undo
        await asyncio.to_thread(undo.roll_back, undone, replication.log.applied, point.sequence)
