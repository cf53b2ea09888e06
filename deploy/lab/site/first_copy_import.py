"""Import-VMInitialReplication: a carried first copy goes into the replica's disks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.lab.site import disk
from deploy.lab.site.durable_files import read_json
from deploy.lab.site.errors import invalid_parameter, operation_failed
from deploy.lab.site.first_copy_export import CHUNK_BYTES, MANIFEST
from deploy.lab.site.replication_model import (
    Replication,
    ReplicationMode,
    ReplicationState,
    ReplicationType,
)
from deploy.lab.site.replication_states import Event, apply_event, wrong_state
from deploy.lab.site.transfer_paths import check_use
from deploy.lab.site.vm_replication import replication_of

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine


async def import_copy(
    site: SiteCore, host: Host, vm: VirtualMachine, path: str, command_id: str | None
) -> None:
    """Copy the exported disks, then apply what the primary sent since.

    It goes on when the caller leaves; a site that loses power begins anew when asked again.

    Raises:
        HyperVError: The VM does not wait for its first copy, an import runs, the folder is of
            another relationship or not whole, or the host may not read it.
    """
    runtime = site.runtime(vm)
    async with runtime.lock:
        replication = replication_of(vm, ReplicationMode.REPLICA)
        running = runtime.import_task is not None and not runtime.import_task.done()
        if replication.state is not ReplicationState.WAITING_FOR_INITIAL_REPLICATION or running:
            raise wrong_state()
        if host.fqdn in site.faults.full_hosts:
            raise operation_failed("There is not enough space on the disk. (0x80070070)")
        folder = _checked_folder(site, host, vm, replication, path)
        replication.copy_percent = 0
        runtime.import_task = asyncio.create_task(
            _import(site, vm, replication, folder), name=f"import {vm.name}"
        )
        site.record(
            host.fqdn, ("first_copy.import_began", vm.vm_id), command_id, {"folder": folder.name}
        )
    await asyncio.shield(runtime.import_task)


def _checked_folder(
    site: SiteCore, host: Host, vm: VirtualMachine, replication: Replication, path: str
) -> Path:
    folder = check_use(site, host, path, delegated=False)
    manifest = folder / MANIFEST
    if not manifest.exists():
        raise operation_failed(
            f"'{path}' holds no complete initial replica of '{vm.name}'. (0x80070002)"
        )
    told = read_json(manifest)
    if (told["vm_id"], told["relationship_id"]) != (vm.vm_id, replication.relationship_id):
        raise invalid_parameter(
            f"The initial replica in '{path}' is not of this replication of '{vm.name}'."
        )
    for each in vm.disks:
        file = folder / f"{each.id}.vhdx"
        whole = (
            each.id in told["disks"]
            and file.exists()
            and file.stat().st_size == each.size_bytes
            and disk.digest(file) == told["disks"][each.id]
        )
        if not whole and each.id not in replication.excluded_disk_ids:
            raise operation_failed(f"The disk '{file.name}' in '{path}' is missing or not whole.")
    return folder


async def _import(
    site: SiteCore, vm: VirtualMachine, replication: Replication, folder: Path
) -> None:
    files = site.disk_files(vm)
    total_bytes = sum(each.size_bytes for each in vm.disks if each.id in files)
    done_bytes = 0
    try:
        for disk_id, file in files.items():
            source = folder / f"{disk_id}.vhdx"
            for offset in range(0, source.stat().st_size, CHUNK_BYTES):
                if replication.state is not ReplicationState.WAITING_FOR_INITIAL_REPLICATION:
                    raise wrong_state()
                chunk = await asyncio.to_thread(disk.read, source, offset, CHUNK_BYTES)
                if (bandwidth := site.faults.bandwidth_bytes_per_second) is not None:
                    await site.clock.pause(len(chunk) / bandwidth)
                await asyncio.to_thread(disk.write, file, offset, chunk)
                done_bytes += len(chunk)
                replication.copy_percent = min(99, done_bytes * 100 // total_bytes)
            await asyncio.to_thread(disk.sync, file)
        async with site.runtime(vm).lock:
            await _finish(site, vm, replication)
    finally:
        replication.copy_percent = None


async def _finish(site: SiteCore, vm: VirtualMachine, replication: Replication) -> None:
    """The logs kept meanwhile are merged in order; from here the replica replicates."""
    if vm.replication is not replication:
        raise wrong_state()
    received = site.received(vm)
    stored = [number for number in received.stored() if number <= replication.log.stored]
    for sequence in stored:
        await asyncio.to_thread(received.apply, sequence, site.disk_files(vm), keep_undo=False)
    apply_event(replication, Event.INITIAL_FINISHED)
    log = replication.log
    log.applied, log.initial_done, log.compare_at_initial = log.stored, True, False
    replication.last_error = ""
    replication.last_replication_type = ReplicationType.REGULAR
    replication.last_applied_log_time = site.clock.now()
    site.received(vm).undo.drop_all()
    site.save_vm(vm)
    for sequence in stored:
        received.finish(sequence)
    site.record(vm.host_fqdn, ("first_copy.imported", vm.vm_id), None, {"logs": len(stored)})
