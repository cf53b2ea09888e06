"""Undo logs of a replica: the bytes that each applied log overwrote."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.lab.site import disk
from deploy.lab.site.change_log import LogRecord, encode_record
from deploy.lab.site.durable_files import write_durably
from deploy.lab.site.log_message import pack, unpack


class UndoLogs:
    """undo/<sequence>.hru below the VM's folder; the base disks always hold the newest data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "undo"

    def _file(self, sequence: int) -> Path:
        return self._folder / f"{sequence}.hru"

    def record(
        self, sequence: int, disks: Mapping[str, Path], logs: Mapping[str, Sequence[LogRecord]]
    ) -> None:
        """Save what the logs are about to overwrite. Must be called before any is applied.

        Idempotent: one saved already stays, because after a crash in the middle of applying the
        disks do not hold the old bytes any more.
        """
        if self._file(sequence).exists():
            return
        before = {
            disk_id: b"".join(
                encode_record(
                    record.offset, disk.read(disks[disk_id], record.offset, len(record.data))
                )
                for record in records
            )
            for disk_id, records in logs.items()
        }
        write_durably(self._file(sequence), pack(before, compress=True))

    def roll_back(self, disks: Mapping[str, Path], newest: int, target: int) -> None:
        """Take the disks from the log ``newest`` back to the one ``target``.

        Raises:
            FileNotFoundError: An undo log between them is missing: the point is damaged.
            DamagedLogError: An undo log is not readable.
        """
        for sequence in range(newest, target, -1):
            for disk_id, records in unpack(self._file(sequence).read_bytes()).items():
                apply_records(disks[disk_id], records)

    def drop_until(self, sequence: int) -> None:
        """Delete undo logs that no remaining point needs: those up to and with ``sequence``."""
        for file in self._files():
            if int(file.stem) <= sequence:
                file.unlink()

    def drop_all(self) -> None:
        for file in self._files():
            file.unlink()

    def _files(self) -> list[Path]:
        return list(self._folder.glob("*.hru")) if self._folder.exists() else []


def apply_records(path: Path, records: Sequence[LogRecord]) -> None:
    """Write the records in order and sync the disk.

    Raises:
        DiskBoundsError: A record reaches over the end of the disk (it was not resized here too).
    """
    if not records:
        return
    descriptor = os.open(path, os.O_WRONLY)
    try:
        for record in records:
            disk.write_at(descriptor, record.offset, record.data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
