"""The operating system of one running VM, as far as its disks can tell."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.lab.site import disk, ledger
from deploy.lab.site.resync_trigger import note_write

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import VirtualMachine


class Guest:
    """Writes a ledger record and some random data again and again.

    Args:
        site: Where the VM runs.
        vm: Its record.
        last: Sequence number found on the disk at boot; writing goes on with the next.
    """

    def __init__(self, site: SiteCore, vm: VirtualMachine, last: int) -> None:
        self._site = site
        self._vm = vm
        self.sequence = last
        self._stop = asyncio.Event()
        self._random = site.environment.random
        self._resumed = asyncio.Event()
        self._resumed.set()
        self.find_files()

    def find_files(self) -> None:
        """Where its disks are; to be called again when the VM has moved to another host."""
        self._files = self._site.all_disk_files(self._vm)
        self._witness = self._site.witness(self._vm)

    async def run(self) -> None:
        """Write until told to stop, then flush."""
        while not self._stop.is_set():
            await self.write_record()
            await self._pause()
            await self._resumed.wait()
        for file in self._files.values():
            await asyncio.to_thread(disk.sync, file)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._site.environment.guest.interval_seconds):
                await self._stop.wait()
        except TimeoutError:
            return

    def shut_down(self) -> None:
        """Ask for an orderly end; ``run`` returns when everything is flushed."""
        self._stop.set()

    def pause(self) -> None:
        """Stand still; the record that is being written is finished."""
        self._resumed.clear()

    def resume(self) -> None:
        self._resumed.set()

    async def write_much(self, length: int) -> None:
        """Overwrite so many bytes in one go, as a copy of large files within the guest does."""
        async with self._site.runtime(self._vm).gate:
            written = 0
            while written < length:
                for disk_id, file in self._files.items():
                    self._write_block(disk_id, file)
                written += self._site.environment.guest.block_bytes * len(self._files)
            note_write(self._site, self._vm)

    async def write_record(self) -> int:
        """One burst: data on every disk, then the ledger, then the witness.

        Returns:
            The sequence number written.
        """
        async with self._site.runtime(self._vm).gate:
            self.sequence += 1
            unix_time = self._site.clock.now().timestamp()
            for disk_id, file in self._files.items():
                self._write_block(disk_id, file)
            offset, record = ledger.encode(self.sequence, unix_time)
            # On every disk, the first one last: a replica whose disks do not all end with the
            # same record is torn.
            for disk_id in reversed(self._files):
                self._write(disk_id, offset, record)
            self._witness.note(self.sequence, unix_time)
            note_write(self._site, self._vm)
            return self.sequence

    def _write_block(self, disk_id: str, file: Path) -> None:
        block = self._site.environment.guest.block_bytes
        first = ledger.REGION_OFFSET + ledger.REGION_BYTES
        blocks = (file.stat().st_size - first) // block
        if blocks > 0:
            offset = first + self._random.randrange(blocks) * block
            self._write(disk_id, offset, self._random.randbytes(block))

    def _write(self, disk_id: str, offset: int, data: bytes) -> None:
        """The host's write path: first the change log, then the disk, with no await between."""
        if self._vm.replication is not None and self._vm.replication.log.tracking:
            self._site.tracker(self._vm).append(disk_id, offset, data)
        disk.write(self._files[disk_id], offset, data)
