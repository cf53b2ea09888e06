"""Starting and stopping VMs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from deploy.lab.site import disk, ledger
from deploy.lab.site.errors import HyperVError, invalid_state, operation_failed
from deploy.lab.site.guest import Guest
from deploy.lab.site.guest_addresses import take_failover_addresses
from deploy.lab.site.model import VMState
from deploy.lab.site.modification import stamp_modification
from deploy.lab.site.replication_model import ReplicationMode, ReplicationState
from deploy.lab.site.storage_places import LOST_SHARE, lost_share
from deploy.lab.site.tasks import guarded

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine

log = structlog.get_logger(__name__)

AUTOMATIC = "automatic start"

_FAILED_OVER = (ReplicationState.FAILED_OVER_WAITING_COMPLETION, ReplicationState.FAILED_OVER)


def _wrong_state(vm: VirtualMachine) -> HyperVError:
    return invalid_state(
        f"The operation cannot be performed on '{vm.name}' while the object is in its current "
        f"state. (Virtual machine ID {vm.vm_id.upper()})"
    )


def _check_startable(site: SiteCore, vm: VirtualMachine) -> None:
    if vm.state is VMState.PAUSED:
        raise _wrong_state(vm)  # Resume-VM is for that
    replication = vm.replication
    if lost_share(site, vm):
        raise operation_failed(
            f"'{vm.name}' failed to start. (Virtual machine ID {vm.vm_id.upper()}) {LOST_SHARE}"
        )
    if not vm.disks:
        raise operation_failed(
            f"'{vm.name}' failed to start. (Virtual machine ID {vm.vm_id.upper()}) There is "
            "nothing to start from."
        )
    if replication is None:
        return
    why = ""
    if replication.mode is ReplicationMode.REPLICA and replication.state not in _FAILED_OVER:
        why = "The virtual machine is a Replica virtual machine and has not been failed over."
    if replication.state is ReplicationState.PREPARED_FOR_FAILOVER:
        why = "The virtual machine is prepared for planned failover."
    if why:
        raise operation_failed(
            f"'{vm.name}' failed to start. (Virtual machine ID {vm.vm_id.upper()}) {why}"
        )


async def start_vm(
    site: SiteCore,
    host: Host,
    vm: VirtualMachine,
    command_id: str | None,
    cause: str = "command",
) -> None:
    """Boot: note the disks' digests and the ledger, then let the guest write.

    A saved VM is restored instead: for its guest no time has passed. A quiet one does nothing.
    """
    runtime = site.runtime(vm)
    async with runtime.lock:
        if vm.state is VMState.RUNNING:
            return
        _check_startable(site, vm)
        if vm.quiet and cause == AUTOMATIC:
            # Of thousands of these nobody reads the journal; what is on disk says that it ran.
            vm.state, vm.started, vm.was_running = VMState.RUNNING, site.now_at(host.fqdn), True
            stamp_modification(vm, site.clock.now())
            return
        if vm.state is VMState.SAVED or vm.quiet:
            await _start_lightly(site, host, vm, command_id)
            return
        files = site.all_disk_files(vm)
        digests = {each: await asyncio.to_thread(disk.digest, files[each]) for each in files}
        reading = await asyncio.to_thread(ledger.read, files[vm.disks[0].id])
        vm.state = VMState.RUNNING
        vm.started = site.now_at(host.fqdn)
        vm.was_running = True
        vm.boot_digests = digests
        vm.boot_ledger_last = reading.last
        taken = take_failover_addresses(vm)
        site.save_vm(vm)
        _let_run(site, vm, reading.last)
        site.record(
            host.fqdn,
            ("vm.started", vm.vm_id),
            command_id,
            {
                "name": vm.name,
                "cause": cause,
                **shown_to_judge(vm),
                "boot_digests": digests,
                "ledger_last": reading.last,
                "ledger_count": reading.count,
                "ledger_gaps": reading.gaps,
                **({"failover_addresses": taken} if taken else {}),
            },
        )


async def stop_vm(
    site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None, *, turn_off: bool
) -> None:
    """Shut down in order (the guest flushes), or turn off at once."""
    async with site.runtime(vm).lock:
        if vm.state is VMState.OFF:
            return
        if vm.state is VMState.SAVED or (vm.state is VMState.PAUSED and not turn_off):
            raise _wrong_state(vm)
        await end_guest(site, vm, turn_off=turn_off)
        vm.state = VMState.OFF
        vm.started = None
        vm.was_running = False
        site.save_vm(vm)
        site.record(
            host.fqdn,
            ("vm.turned_off" if turn_off else "vm.stopped", vm.vm_id),
            command_id,
            {"name": vm.name, "ledger_last": site.witness(vm).last()[0]},
        )


def _let_run(site: SiteCore, vm: VirtualMachine, last: int) -> None:
    runtime = site.runtime(vm)
    runtime.guest = Guest(site, vm, last)
    runtime.guest_task = asyncio.create_task(
        guarded(f"guest {vm.name}", runtime.guest.run), name=f"guest {vm.name}"
    )


async def _start_lightly(
    site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None
) -> None:
    """Let a saved VM go on, or a quiet one run: nothing is read of the disks but the ledger."""
    restored = vm.state is VMState.SAVED
    vm.state = VMState.RUNNING
    vm.started = site.now_at(host.fqdn)
    vm.was_running = True
    site.save_vm(vm)
    if not vm.quiet:
        files = site.all_disk_files(vm)
        reading = await asyncio.to_thread(ledger.read, files[vm.disks[0].id])
        _let_run(site, vm, reading.last)
    effect = "vm.restored" if restored else "vm.started"
    site.record(host.fqdn, (effect, vm.vm_id), command_id, {"name": vm.name, **shown_to_judge(vm)})


def shown_to_judge(vm: VirtualMachine) -> dict[str, object]:
    """Where a VM that runs is on the network, for `deploy.lab.judge`."""
    return {
        "switches": {adapter.id: adapter.switch_name for adapter in vm.adapters},
        "test_vm": bool(vm.test_replica_of),
    }


async def pause_vm(site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
    """Suspend-VM: the guest stands still; its memory stays where it is."""
    await _change_running(site, host, vm, command_id, VMState.PAUSED)


async def resume_vm(site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None) -> None:
    """Resume-VM: of a paused one."""
    await _change_running(site, host, vm, command_id, VMState.RUNNING)


_PAUSING = {
    VMState.PAUSED: (VMState.RUNNING, "vm.paused"),
    VMState.RUNNING: (VMState.PAUSED, "vm.resumed"),
}


async def _change_running(
    site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None, after: VMState
) -> None:
    before, effect = _PAUSING[after]
    runtime = site.runtime(vm)
    async with runtime.lock:
        if vm.state is not before:
            raise _wrong_state(vm)
        if runtime.guest is not None:
            (runtime.guest.pause if after is VMState.PAUSED else runtime.guest.resume)()
        vm.state = after
        site.save_vm(vm)
        site.record(host.fqdn, (effect, vm.vm_id), command_id, {"name": vm.name})


async def save_state(
    site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None
) -> None:
    """Save-VM: memory goes to disk, the VM runs no more; starting it lets it go on."""
    async with site.runtime(vm).lock:
        if vm.state not in (VMState.RUNNING, VMState.PAUSED):
            raise _wrong_state(vm)
        guest = site.runtime(vm).guest
        if guest is not None:
            guest.resume()
        await end_guest(site, vm, turn_off=False)
        vm.state = VMState.SAVED
        vm.started = None
        vm.was_running = False
        site.save_vm(vm)
        site.record(host.fqdn, ("vm.saved", vm.vm_id), command_id, {"name": vm.name})


async def remove_saved_state(
    site: SiteCore, host: Host, vm: VirtualMachine, command_id: str | None
) -> None:
    """Remove-VMSavedState: of a saved VM. What its guest wrote to its disks stays."""
    async with site.runtime(vm).lock:
        if vm.state is not VMState.SAVED:
            raise _wrong_state(vm)
        vm.state = VMState.OFF
        site.save_vm(vm)
        site.record(host.fqdn, ("vm.saved_state_removed", vm.vm_id), command_id, {"name": vm.name})


async def end_guest(site: SiteCore, vm: VirtualMachine, *, turn_off: bool) -> None:
    """End the guest's task; a burst of writes that has begun is finished in both cases."""
    runtime = site.runtime(vm)
    guest, task = runtime.guest, runtime.guest_task
    runtime.guest = runtime.guest_task = None
    if guest is None or task is None:
        return
    if turn_off:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return
    guest.shut_down()
    await task
