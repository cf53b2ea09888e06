"""Taking a first copy, or the differing blocks of a resynchronisation."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any

from deploy.lab.site import disk
from deploy.lab.site.json_codec import from_json
from deploy.lab.site.link_errors import LinkError, LinkFailure
from deploy.lab.site.log_message import pack
from deploy.lab.site.model import Disk
from deploy.lab.site.received_disks import match_disks
from deploy.lab.site.replica_lookup import check_space, replica_of
from deploy.lab.site.replication_model import Replication, ReplicationState, ReplicationType
from deploy.lab.site.replication_states import Event, allows, apply_event

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.listener import Answer, Caller
    from deploy.lab.site.model import Host, VirtualMachine

# A comparison is applied as the log with this number, and the next log is number 1.
COMPARISON_SEQUENCE = 0


async def begin_copy(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any], body: bytes
) -> Answer:
    """A copy of whole disks (compare false) or a comparison begins; earlier parts are dropped."""
    del body
    vm, replication = replica_of(site, host, caller, header)
    async with site.runtime(vm).lock:
        check_space(site, host, _paths(vm))
        if replication.state is ReplicationState.SUSPENDED:
            raise LinkError(LinkFailure.PAUSED, "Replication is paused on the Replica server.")
        caller.state["blocks"] = {}
        if header["compare"] and replication.log.initial_done:
            _enter(replication, Event.RESYNC_STARTED)
            match_disks(site, vm, [from_json(Disk, each) for each in header["disks"]])
        elif replication.state is ReplicationState.REPLICATING and replication.log.applied == 0:
            # The primary lost power before it learnt that its first copy was complete.
            _enter(replication, Event.INITIAL_RESTARTED)
            replication.log.initial_done = False
        if not header["compare"]:
            _check_waiting(replication)
            for each in vm.disks:
                disk.create(site.folder / each.file, each.size_bytes)
        site.save_vm(vm)
        return {}, b""


def _enter(replication: Replication, event: Event) -> None:
    if not allows(replication, event):
        raise LinkError(
            LinkFailure.INVALID_STATE,
            f"The Replica virtual machine is in the state {replication.state}.",
        )
    apply_event(replication, event)


def _check_waiting(replication: Replication) -> None:
    if replication.state is not ReplicationState.WAITING_FOR_INITIAL_REPLICATION:
        raise LinkError(
            LinkFailure.INVALID_STATE,
            f"The Replica virtual machine is in the state {replication.state}.",
        )


async def take_chunk(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any], body: bytes
) -> Answer:
    """Write a part of a first copy."""
    vm, replication = replica_of(site, host, caller, header)
    async with site.runtime(vm).lock:
        _check_waiting(replication)
        check_space(site, host, [_disk(vm, header).path], len(body))
        file = _disk_file(site, vm, header)
        try:
            await asyncio.to_thread(disk.write, file, int(header["offset"]), body)
        except disk.DiskBoundsError as error:
            raise LinkError(LinkFailure.BOUNDS, str(error)) from error
        return {}, b""


async def finish_copy(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any], body: bytes
) -> Answer:
    """The disks are complete as of the checkpoint; logs follow from number 1."""
    del body
    vm, replication = replica_of(site, host, caller, header)
    async with site.runtime(vm).lock:
        _check_waiting(replication)
        for file in site.disk_files(vm).values():
            await asyncio.to_thread(disk.sync, file)
        settle(site, vm, replication)
        return {}, b""


async def checksums(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any], body: bytes
) -> Answer:
    """Checksums of all blocks of one disk."""
    del body
    vm, _ = replica_of(site, host, caller, header)
    file = _disk_file(site, vm, header)
    if file.stat().st_size != int(header["size_bytes"]):
        raise LinkError(LinkFailure.BOUNDS, "The disks differ in size.")
    numbers = await asyncio.to_thread(disk.block_checksums, file)
    return {}, struct.pack(f">{len(numbers)}Q", *numbers)


async def stage_blocks(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any], body: bytes
) -> Answer:
    """Keep differing blocks until all are here; the disks stay as they are."""
    vm, _ = replica_of(site, host, caller, header)
    check_space(site, host, [_disk(vm, header).path], len(body))
    blocks: dict[str, bytes] = caller.state["blocks"]
    blocks[str(header["disk_id"])] = blocks.get(str(header["disk_id"]), b"") + body
    return {}, b""


async def finish_compare(
    site: SiteCore, host: Host, caller: Caller, header: dict[str, Any], body: bytes
) -> Answer:
    """Apply all differing blocks at once; older recovery points are gone."""
    del body
    vm, replication = replica_of(site, host, caller, header)
    async with site.runtime(vm).lock:
        if replication.state not in (
            ReplicationState.RESYNCHRONIZING,
            ReplicationState.WAITING_FOR_INITIAL_REPLICATION,
        ):
            raise LinkError(
                LinkFailure.INVALID_STATE,
                f"The Replica virtual machine is in the state {replication.state}.",
            )
        received = site.received(vm)
        message = pack(caller.state["blocks"], compress=True)
        await asyncio.to_thread(received.store, COMPARISON_SEQUENCE, message)
        replication.log.applied = COMPARISON_SEQUENCE - 1
        replication.recovery_points.clear()
        site.save_vm(vm)
        files = site.disk_files(vm)
        await asyncio.to_thread(received.apply, COMPARISON_SEQUENCE, files, keep_undo=False)
        settle(site, vm, replication)
        received.finish(COMPARISON_SEQUENCE)
        return {}, b""


def settle(site: SiteCore, vm: VirtualMachine, replication: Replication) -> None:
    """The replica's disks are whole: it replicates from here, with no older points."""
    event = (
        Event.RESYNC_FINISHED
        if replication.state is ReplicationState.RESYNCHRONIZING
        else Event.INITIAL_FINISHED
    )
    apply_event(replication, event)
    replication.log.applied = COMPARISON_SEQUENCE
    replication.log.initial_done = True
    replication.log.compare_at_initial = False
    replication.log.planned_sequence = None
    replication.recovery_points.clear()
    replication.last_error = ""
    replication.last_replication_type = ReplicationType.REGULAR
    now = site.now_at(vm.host_fqdn)
    replication.last_replication_time = replication.last_applied_log_time = now
    site.received(vm).undo.drop_all()
    site.save_vm(vm)


def _paths(vm: VirtualMachine) -> list[str]:
    return [each.path for each in vm.disks]


def _disk(vm: VirtualMachine, header: dict[str, Any]) -> Disk:
    for each in vm.disks:
        if each.id == str(header["disk_id"]):
            return each
    raise LinkError(LinkFailure.NOT_FOUND, "The Replica virtual machine has no such disk.")


def _disk_file(site: SiteCore, vm: VirtualMachine, header: dict[str, Any]) -> Any:
    file = site.disk_files(vm).get(str(header["disk_id"]))
    if file is None:
        raise LinkError(LinkFailure.NOT_FOUND, "The Replica virtual machine has no such disk.")
    return file
