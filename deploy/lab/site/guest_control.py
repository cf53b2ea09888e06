"""Starting and stopping VMs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from deploy.lab.site import disk, ledger
from deploy.lab.site.errors import operation_failed
from deploy.lab.site.guest import Guest
from deploy.lab.site.guest_addresses import take_failover_addresses
from deploy.lab.site.model import VMState
from deploy.lab.site.replication_model import ReplicationMode, ReplicationState
from deploy.lab.site.tasks import guarded

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine

log = structlog.get_logger(__name__)

_FAILED_OVER = (ReplicationState.FAILED_OVER_WAITING_COMPLETION, ReplicationState.FAILED_OVER)


def _check_startable(vm: VirtualMachine) -> None:
    replication = vm.replication
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
    """Boot: note the disks' digests and the ledger, then let the guest write."""
    runtime = site.runtime(vm)
    async with runtime.lock:
        if vm.state is VMState.RUNNING:
            return
        _check_startable(vm)
        files = site.all_disk_files(vm)
        digests = {each: await asyncio.to_thread(disk.digest, files[each]) for each in files}
        reading = await asyncio.to_thread(ledger.read, files[vm.disks[0].id])
        vm.state = VMState.RUNNING
        vm.started = site.clock.now()
        vm.was_running = True
        vm.boot_digests = digests
        vm.boot_ledger_last = reading.last
        taken = take_failover_addresses(vm)
        site.save_vm(vm)
        runtime.guest = Guest(site, vm, reading.last)
        runtime.guest_task = asyncio.create_task(
            guarded(f"guest {vm.name}", runtime.guest.run), name=f"guest {vm.name}"
        )
        site.record(
            host.fqdn,
            ("vm.started", vm.vm_id),
            command_id,
            {
                "name": vm.name,
                "cause": cause,
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
