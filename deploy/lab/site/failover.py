"""Start-, Stop- and Complete-VMFailover on either side."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.lab.site import disk, resync_trigger
from deploy.lab.site.change_log import DamagedLogError
from deploy.lab.site.errors import invalid_state, operation_failed
from deploy.lab.site.guest_control import end_guest
from deploy.lab.site.link_errors import LinkError
from deploy.lab.site.log_sender import send_cycle
from deploy.lab.site.model import VMState
from deploy.lab.site.replication_model import (
    RecoveryPoint,
    Replication,
    ReplicationMode,
    ReplicationState,
    ReplicationType,
    SnapshotType,
)
from deploy.lab.site.replication_states import Event, apply_event, next_state
from deploy.lab.site.replicator import note_failure, send_now
from deploy.lab.site.test_failover import refuse_while_tested
from deploy.lab.site.vm_replication import chosen_point, replication_of

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine


def _label(vm: VirtualMachine) -> str:
    return f"'{vm.name}' (Virtual machine ID {vm.vm_id.upper()})"


async def prepare(site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
    """Send everything that the replica has not got, then lock the VM from starting."""
    async with site.runtime(vm).lock:
        replication = replication_of(vm, ReplicationMode.PRIMARY)
        next_state(replication.mode, replication.state, Event.PREPARED)
        if vm.state is not VMState.OFF:
            raise invalid_state(
                f"Planned failover cannot be prepared for virtual machine {_label(vm)}: the "
                "virtual machine is not off. The operation cannot be performed while the object "
                "is in its current state."
            )
        try:
            if site.tracker(vm).is_frozen(replication.log.sequence):
                await send_cycle(site, vm, replication, ReplicationType.REGULAR)
            await send_cycle(site, vm, replication, ReplicationType.PLANNED)
        except LinkError as error:
            note_failure(site, vm, replication, error)
            raise operation_failed(
                f"Hyper-V failed to prepare virtual machine {_label(vm)} for planned failover: "
                f"{error.text}"
            ) from error
        apply_event(replication, Event.PREPARED)
        replication.log.planned_sequence = replication.log.sequence - 1
        site.save_vm(vm)
        site.record(
            host.fqdn,
            ("failover.prepared", vm.vm_id),
            command_id,
            {
                "name": vm.name,
                "ledger_last": site.witness(vm).last()[0],
                "digests": await _digests(site, vm),
            },
        )


async def _digests(site: SiteCore, vm: VirtualMachine) -> dict[str, str]:
    files = site.disk_files(vm)
    return {each: await asyncio.to_thread(disk.digest, files[each]) for each in files}


def _base_files(site: SiteCore, vm: VirtualMachine) -> dict[str, Path]:
    """Where the newest disks are kept while a failover can be undone."""
    return {each: site.vm_folder(vm) / "failover" / each for each in site.disk_files(vm)}


def _failed_over_type(replication: Replication, point: RecoveryPoint | None) -> ReplicationType:
    if point is not None:
        consistent = point.type is SnapshotType.APP_CONSISTENT_REPLICA
        return ReplicationType.APPLICATION_CONSISTENT if consistent else ReplicationType.REGULAR
    return replication.last_replication_type


async def start(
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    command_id: str | None,
    recovery_point_id: str | None,
) -> None:
    """Keep the newest disks aside and move the disks to the chosen point; the VM stays off.

    It is a planned failover when the last log applied was the prepared primary's last one, and
    the latest point is chosen. Nothing here looks whether the primary still runs: no evidence is
    known that the cmdlet does.
    """
    async with site.runtime(vm).lock:
        replication = replication_of(vm, ReplicationMode.REPLICA)
        refuse_while_tested(site, vm)
        next_state(replication.mode, replication.state, Event.FAILOVER_STARTED)
        if not replication.log.initial_done:
            raise invalid_state(f"Initial replication of {_label(vm)} is not complete.")
        point = chosen_point(replication, recovery_point_id)
        kind = _failed_over_type(replication, point)
        files, bases = site.disk_files(vm), _base_files(site, vm)
        for disk_id, file in files.items():
            await asyncio.to_thread(disk.copy, file, bases[disk_id])
        apply_event(replication, Event.FAILOVER_STARTED)
        site.save_vm(vm)
        if point is not None:
            await _roll_back(site, vm, replication, point)
        apply_event(replication, Event.FAILED_OVER)
        replication.failed_over_type = kind
        planned = kind is ReplicationType.PLANNED
        if planned:
            # The old primary has the same disks, so the changes from here on are all it needs.
            site.tracker(vm).start()
        replication.log.tracking = planned
        replication.log.damaged = False
        site.save_vm(vm)
        site.record(
            host.fqdn,
            ("failover.started", vm.vm_id),
            command_id,
            {
                "name": vm.name,
                "type": kind.value,
                "recovery_point": recovery_point_id,
                "digests": await _digests(site, vm),
            },
        )


async def _roll_back(
    site: SiteCore, vm: VirtualMachine, replication: Replication, point: RecoveryPoint
) -> None:
    undo = site.received(vm).undo
    files = site.disk_files(vm)
    try:
        await asyncio.to_thread(undo.roll_back, files, replication.log.applied, point.sequence)
    except (OSError, DamagedLogError) as error:
        restore_base(site, vm)
        apply_event(replication, Event.FAILOVER_CANCELLED)
        site.save_vm(vm)
        raise operation_failed(
            f"Hyper-V failed to fail over to the selected recovery point for virtual machine "
            f"{_label(vm)}: operation aborted (0x80004004). Try a more recent recovery point."
        ) from error


def restore_base(site: SiteCore, vm: VirtualMachine) -> None:
    """Put the newest disks back. Goes on where a loss of power stopped it."""
    files = site.disk_files(vm)
    for disk_id, base in _base_files(site, vm).items():
        if base.exists():
            base.replace(files[disk_id])
            disk.sync(files[disk_id])


def drop_base(site: SiteCore, vm: VirtualMachine) -> None:
    for base in _base_files(site, vm).values():
        base.unlink(missing_ok=True)


async def cancel(site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
    """On a prepared primary: replicate on. On a failed-over replica: turn off and go back."""
    async with site.runtime(vm).lock:
        replication = replication_of(vm)
        if replication.mode is ReplicationMode.PRIMARY:
            apply_event(replication, Event.PREPARATION_CANCELLED)
            replication.log.planned_sequence = None
        else:
            await _discard(site, vm, replication)
        site.save_vm(vm)
        site.record(
            host.fqdn,
            ("failover.cancelled", vm.vm_id),
            command_id,
            {"name": vm.name, "mode": replication.mode.value},
        )
        send_now(site, vm)


async def _discard(site: SiteCore, vm: VirtualMachine, replication: Replication) -> None:
    if replication.state is ReplicationState.RECOVERY_IN_PROGRESS:
        raise invalid_state(f"Failover of {_label(vm)} is in progress.")
    next_state(replication.mode, replication.state, Event.DISCARD_STARTED)
    if vm.state is not VMState.OFF:
        await end_guest(site, vm, turn_off=True)
        vm.state = VMState.OFF
        vm.was_running = False
        vm.started = None
    # On disk before the first disk is put back: a loss of power in between must not leave a
    # machine that passes for failed over with one disk of each moment.
    apply_event(replication, Event.DISCARD_STARTED)
    replication.log.tracking = False
    replication.failed_over_type = ReplicationType.NONE
    site.save_vm(vm)
    site.tracker(vm).stop()
    await asyncio.to_thread(restore_base, site, vm)
    apply_event(replication, Event.FAILOVER_CANCELLED)


async def complete(site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
    """Commit the chosen point; all others are deleted, and there is no way back."""
    async with site.runtime(vm).lock:
        replication = replication_of(vm, ReplicationMode.REPLICA)
        apply_event(replication, Event.COMPLETED)
        replication.recovery_points.clear()
        site.save_vm(vm)
        site.received(vm).undo.drop_all()
        drop_base(site, vm)
        site.record(host.fqdn, ("failover.completed", vm.vm_id), command_id, {"name": vm.name})


def recover_after_power_loss(
    site: SiteCore, vm: VirtualMachine, replication: Replication, *, ran: bool
) -> None:
    """Bring a replica's disks and state to one another again, before anything runs."""
    if replication.state is ReplicationState.RECOVERY_IN_PROGRESS:
        restore_base(site, vm)
        apply_event(replication, Event.FAILOVER_CANCELLED)
        site.save_vm(vm)
    elif replication.state is not ReplicationState.FAILED_OVER_WAITING_COMPLETION:
        drop_base(site, vm)
    if ran and replication.log.tracking:
        resync_trigger.require(site, vm, "A change log was not closed when power was lost.")
