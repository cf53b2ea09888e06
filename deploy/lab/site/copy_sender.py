"""Sending a VM's disks: all of them at first, or the blocks that differ."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.lab.site import checkpoint, disk
from deploy.lab.site.json_codec import to_json
from deploy.lab.site.log_message import log_of
from deploy.lab.site.primary_link import PrimaryLink, primary_link
from deploy.lab.site.replication_model import LogPosition, Replication, ReplicationState
from deploy.lab.site.replication_states import Event, apply_event

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import VirtualMachine

CHUNK_BYTES = 128 * 1024

_COMPARING = (
    ReplicationState.RESYNCHRONIZING,
    ReplicationState.WAITING_FOR_UPDATE_COMPLETION,
)


class CopyEndedError(Exception):
    """The state changed under the copy: it was stopped, suspended, or must begin again."""


class Copy:
    """One attempt to bring the replica's disks level, in the state it was started in."""

    def __init__(self, site: SiteCore, vm: VirtualMachine, replication: Replication) -> None:
        self._site = site
        self._vm = vm
        self._replication = replication
        self._state = replication.state
        self._sizes_bytes = {each.id: each.size_bytes for each in vm.disks}
        self._total_bytes = 0
        self._done_bytes = 0

    async def run(self) -> None:
        """Take a checkpoint and bring it over.

        Raises:
            LinkError: The attempt failed; the next begins with a new checkpoint.
            CopyEndedError: Somebody ended it.
        """
        compare = self._state in _COMPARING or self._replication.log.compare_at_initial
        async with self._site.runtime(self._vm).lock:
            self._check()
            self._replication.copy_percent = 0
            copies = await checkpoint.take(self._site, self._vm)
        self._total_bytes = sum(self._sizes_bytes[disk_id] for disk_id in copies)
        try:
            async with primary_link(self._site, self._vm, self._replication) as link:
                await link.request("copy_begin", compare=compare, disks=self._disks(copies))
                for disk_id, file in copies.items():
                    if compare:
                        await self._send_differences(link, disk_id, file)
                    else:
                        await self._send_disk(link, disk_id, file)
                await self._finish(link, compare=compare)
        finally:
            checkpoint.drop(self._site, self._vm)

    def _disks(self, copies: dict[str, Path]) -> object:
        """The disks that replicate, for a replica whose set is another one."""
        return [to_json(each) for each in self._vm.disks if each.id in copies]

    def _check(self) -> None:
        """Raises CopyEndedError when this copy has no right to go on."""
        if (
            self._vm.replication is not self._replication
            or self._replication.state is not self._state
            or (self._done_bytes > 0 and self._replication.log.damaged)
        ):
            raise CopyEndedError

    def _progress(self, length: int) -> None:
        self._done_bytes += length
        self._replication.copy_percent = min(99, self._done_bytes * 100 // self._total_bytes)

    async def _send_disk(self, link: PrimaryLink, disk_id: str, file: Path) -> None:
        for offset in range(0, self._sizes_bytes[disk_id], CHUNK_BYTES):
            self._check()
            chunk = await asyncio.to_thread(disk.read, file, offset, CHUNK_BYTES)
            if chunk.count(0) != len(chunk):  # the replica's disk is made empty
                await link.request("copy_chunk", chunk, disk_id=disk_id, offset=offset)
            self._progress(len(chunk))

    async def _send_differences(self, link: PrimaryLink, disk_id: str, file: Path) -> None:
        size_bytes = self._sizes_bytes[disk_id]
        _, packed = await link.request("compare_checksums", disk_id=disk_id, size_bytes=size_bytes)
        theirs = struct.unpack(f">{len(packed) // 8}Q", packed)
        ours = await asyncio.to_thread(disk.block_checksums, file)
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            self._check()
            offset = number * disk.BLOCK_BYTES
            if mine != other:
                block = await asyncio.to_thread(disk.read, file, offset, disk.BLOCK_BYTES)
                await link.request("compare_blocks", log_of([(offset, block)]), disk_id=disk_id)
            self._progress(min(disk.BLOCK_BYTES, size_bytes - offset))

    async def _finish(self, link: PrimaryLink, *, compare: bool) -> None:
        """Both sides replicate from here; the next log is number 1."""
        replication = self._replication
        async with self._site.runtime(self._vm).lock:
            self._check()
            await link.request("compare_finish" if compare else "copy_finish")
            self._check()
            if self._state is ReplicationState.RESYNCHRONIZING:
                apply_event(replication, Event.RESYNC_FINISHED)
            elif self._state is ReplicationState.WAITING_FOR_UPDATE_COMPLETION:
                apply_event(replication, Event.DISKS_FINISHED)
            else:
                apply_event(replication, Event.INITIAL_FINISHED)
                replication.statistics.initial_size_bytes = self._total_bytes
            replication.log = LogPosition(tracking=True, initial_done=True)
            replication.copy_percent = None
            replication.last_error = ""
            replication.last_replication_time = self._site.now_at(self._vm.host_fqdn)
            self._site.save_vm(self._vm)
