"""What a host does with its VMs when it gets power: mend what the loss left, start those due."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog

from deploy.lab.site import (
    checkpoint,
    failover,
    first_copy_export,
    guest_control,
    received_copies,
    resync_trigger,
)
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.model import Host, VirtualMachine, VMState
from deploy.lab.site.replication_model import Replication, ReplicationMode, ReplicationState
from deploy.lab.site.replicator import ensure_replicator
from deploy.lab.site.test_failover import drop_half_made

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore

log = structlog.get_logger(__name__)


async def start_machines(site: SiteCore, host: Host) -> None:
    """Replicators of the host's primaries, and the VMs that start by themselves."""
    for vm in site.vms_on(host):
        ensure_replicator(site, vm)
        if not _starts_by_itself(vm):
            continue
        if vm.automatic_start_delay_seconds:
            site.runtime(vm).start_task = asyncio.create_task(
                _start_later(site, vm), name=f"automatic start of {vm.name}"
            )
        else:
            await _start(site, vm)


async def end_tasks(site: SiteCore, machines: Iterable[VirtualMachine]) -> None:
    """Whatever runs for the VMs ends where it is."""
    tasks = [
        task
        for vm in machines
        for task in (
            site.runtime(vm).replicator,
            site.runtime(vm).guest_task,
            site.runtime(vm).import_task,
            site.runtime(vm).start_task,
        )
        if task is not None
    ]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _starts_by_itself(vm: VirtualMachine) -> bool:
    action = vm.automatic_start_action
    return action == "Start" or (action == "StartIfRunning" and vm.was_running)


async def _start_later(site: SiteCore, vm: VirtualMachine) -> None:
    """After its AutomaticStartDelay, unless it has been told otherwise by then."""
    await site.clock.pause(site.clock.real_seconds(vm.automatic_start_delay_seconds))
    if _starts_by_itself(vm):
        await _start(site, vm)


async def _start(site: SiteCore, vm: VirtualMachine) -> None:
    try:
        host = site.host(vm.host_fqdn)
        await guest_control.start_vm(site, host, vm, None, cause=guest_control.AUTOMATIC)
        if vm.pause_when_started:
            await guest_control.pause_vm(site, host, vm, None)
    except HyperVError as error:
        log.info("automatic_start.refused", vm=vm.name, reason=error.message)


async def recover(site: SiteCore, vm: VirtualMachine, *, power_was_lost: bool) -> None:
    """A VM that ran is off; a log that was open then is not to be trusted.

    What a saved VM had in memory is on disk, with its logs closed.
    """
    if drop_half_made(site, vm):
        return
    ran = power_was_lost and vm.state not in (VMState.OFF, VMState.SAVED)
    if vm.state not in (VMState.OFF, VMState.SAVED):
        vm.state = VMState.OFF
        vm.started = None
        site.save_vm(vm)
    replication = vm.replication
    if replication is None:
        return
    checkpoint.drop(site, vm)
    if replication.mode is ReplicationMode.REPLICA:
        replication.copy_percent = None
        if replication.state is not ReplicationState.WAITING_FOR_INITIAL_REPLICATION:
            await _redo(site, vm, replication)
        failover.recover_after_power_loss(site, vm, replication, ran=ran)
        return
    failover.drop_base(site, vm)
    if replication.export is not None and not replication.export.finished:
        if replication.state is ReplicationState.INITIAL_REPLICATION_IN_PROGRESS:
            first_copy_export.break_off(
                site, vm, replication, "The export of the first copy was broken off."
            )
        return
    if ran and replication.log.tracking:
        resync_trigger.require(site, vm, "A change log was not closed when power was lost.")
    elif replication.log.tracking:
        site.tracker(vm).tidy(replication.log.sequence)


async def _redo(site: SiteCore, vm: VirtualMachine, replication: Replication) -> None:
    """Apply a stored log again, whole, if its effect was not yet noted; drop others."""
    received = site.received(vm)
    for sequence in received.stored():
        if sequence == replication.log.applied + 1:
            keep_undo = bool(replication.recovery_points)
            await asyncio.to_thread(
                received.apply, sequence, site.disk_files(vm), keep_undo=keep_undo
            )
            if sequence == received_copies.COMPARISON_SEQUENCE:
                received_copies.settle(site, vm, replication)
            else:
                replication.log.applied = sequence
                replication.last_applied_log_time = site.now_at(vm.host_fqdn)
                site.save_vm(vm)
        received.finish(sequence)
