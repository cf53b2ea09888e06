"""Start-VMInitialReplication -DestinationPath: the first copy goes to a folder, changes follow."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from deploy.lab.site import checkpoint, disk, resync_trigger
from deploy.lab.site.durable_files import write_json
from deploy.lab.site.errors import HyperVError, invalid_state
from deploy.lab.site.log_sender import send_cycle
from deploy.lab.site.primary_link import primary_link
from deploy.lab.site.replication_model import (
    OfflineExport,
    Replication,
    ReplicationState,
    ReplicationType,
)
from deploy.lab.site.replication_states import Event, apply_event
from deploy.lab.site.transfer_paths import check_use

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host, VirtualMachine

log = structlog.get_logger(__name__)

CHUNK_BYTES = 128 * 1024
MANIFEST = "export.json"


class ExportEndedError(Exception):
    """The state changed under the export: it was stopped, or replication was removed."""


def begin(site: SiteCore, host: Host, vm: VirtualMachine, path: str) -> OfflineExport:
    """The export that is to run; the folder is <VMName>_<VMGUID>.

    Raises:
        HyperVError: The host cannot write to the path.
    """
    check_use(site, host, path, delegated=True)
    return OfflineExport(path=path, folder=f"{vm.name}_{vm.vm_id.upper()}")


async def export(site: SiteCore, vm: VirtualMachine, replication: Replication) -> None:
    """Write a checkpoint's disks to the folder; a failure waits for somebody to stop and start.

    What Hyper-V shows after an export that failed is not documented; here it is the state Error.
    """
    told = replication.export
    if told is None:
        return
    try:
        total_bytes = await _export(site, vm, replication, told)
    except ExportEndedError:
        replication.copy_percent = None
        return
    except (HyperVError, OSError) as error:
        log.warning("export.failed", vm=vm.name, site=site.name, reason=str(error))
        break_off(site, vm, replication, f"The export of the first copy failed: {error}")
        return
    replication.statistics.initial_size_bytes = total_bytes
    site.record(
        vm.host_fqdn,
        ("first_copy.exported", vm.vm_id),
        None,
        {"folder": told.folder, "size_bytes": total_bytes},
    )


def break_off(site: SiteCore, vm: VirtualMachine, replication: Replication, reason: str) -> None:
    """An export that did not end: nothing is tracked any more, somebody must stop and start it."""
    site.tracker(vm).stop()
    replication.log.tracking = False
    replication.copy_percent = None
    replication.last_error = reason
    apply_event(replication, Event.FAILED)
    site.save_vm(vm)


async def _export(
    site: SiteCore, vm: VirtualMachine, replication: Replication, told: OfflineExport
) -> int:
    host = site.host(vm.host_fqdn)
    sizes = {each.id: each.size_bytes for each in vm.disks}
    async with site.runtime(vm).lock:
        _check(vm, replication, told)
        folder = check_use(site, host, told.path, delegated=True) / told.folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        copies = await checkpoint.take(site, vm)
    total_bytes = sum(sizes[disk_id] for disk_id in copies)
    done_bytes = 0
    try:
        for disk_id, copy in copies.items():
            target = folder / f"{disk_id}.vhdx"
            disk.create(target, sizes[disk_id])
            for offset in range(0, sizes[disk_id], CHUNK_BYTES):
                _check(vm, replication, told)
                done_bytes += await _copy_chunk(site, copy, target, offset)
                replication.copy_percent = min(99, done_bytes * 100 // total_bytes)
            disk.sync(target)
        check_use(site, host, told.path, delegated=True)
        _write_manifest(folder, vm, replication, list(copies))
    finally:
        checkpoint.drop(site, vm)
    async with site.runtime(vm).lock:
        _check(vm, replication, told)
        told.finished = True
        replication.copy_percent = None
        site.save_vm(vm)
    return total_bytes


async def _copy_chunk(site: SiteCore, source: Path, target: Path, offset: int) -> int:
    bandwidth = site.faults.bandwidth_bytes_per_second
    chunk = await asyncio.to_thread(disk.read, source, offset, CHUNK_BYTES)
    if bandwidth is not None:
        await site.clock.pause(len(chunk) / bandwidth)
    if chunk.count(0) != len(chunk):
        await asyncio.to_thread(disk.write, target, offset, chunk)
    return len(chunk)


def _write_manifest(
    folder: Path, vm: VirtualMachine, replication: Replication, disk_ids: list[str]
) -> None:
    """Last of all: it says that the export is whole, and of which relationship it is."""
    write_json(
        folder / MANIFEST,
        {
            "vm_id": vm.vm_id,
            "relationship_id": replication.relationship_id,
            "disks": {disk_id: disk.digest(folder / f"{disk_id}.vhdx") for disk_id in disk_ids},
        },
    )


def _check(vm: VirtualMachine, replication: Replication, told: OfflineExport) -> None:
    if (
        vm.replication is not replication
        or replication.export is not told
        or replication.state is not ReplicationState.INITIAL_REPLICATION_IN_PROGRESS
        or (replication.copy_percent and replication.log.damaged)
    ):
        raise ExportEndedError


async def ship_before_import(site: SiteCore, vm: VirtualMachine, replication: Replication) -> None:
    """Changes since the export go over the network at once; the replica keeps them.

    When it answers that the import is done, the first copy is complete on this side too. When
    changes were lost since the export (the host lost power), a resynchronisation must follow; what
    Hyper-V does then is not documented.

    Raises:
        LinkError: As send_cycle.
    """
    damaged = replication.log.damaged
    if damaged:
        answer = await _ask_whether_imported(site, vm, replication)
    else:
        answer = await send_cycle(
            site, vm, replication, ReplicationType.REGULAR, before_import=True
        )
    if answer.get("imported") and (damaged or replication.log.tracking):
        apply_event(replication, Event.INITIAL_FINISHED)
        replication.log.initial_done = True
        replication.export = None
        site.save_vm(vm)
        if damaged:
            resync_trigger.require(site, vm, "Changes since the export were lost.")
        site.record(
            vm.host_fqdn, ("copy.finished", vm.vm_id), None, {"state": replication.state.value}
        )


async def _ask_whether_imported(
    site: SiteCore, vm: VirtualMachine, replication: Replication
) -> dict[str, Any]:
    """Send no log at all: its number is below any that could follow."""
    async with primary_link(site, vm, replication) as link:
        answer, _ = await link.request("log", sequence=0, before_import=True)
    return answer


def refuse_finished(vm: VirtualMachine, replication: Replication) -> None:
    """Raises HyperVError: an export that has ended cannot be undone."""
    if replication.export is not None and replication.export.finished:
        raise invalid_state(
            f"The initial replication of '{vm.name}' has been exported and cannot be stopped. "
            f"(Virtual machine ID {vm.vm_id.upper()})"
        )
