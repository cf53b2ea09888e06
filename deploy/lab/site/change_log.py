"""Change tracking of one VM: .hrl logs that take offset and data of every write."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct(">QII")


class DamagedLogError(Exception):
    """A log is cut short or a record's checksum is wrong."""


@dataclass(frozen=True)
class LogRecord:
    offset: int
    data: bytes


def encode_record(offset: int, data: bytes) -> bytes:
    return _HEADER.pack(offset, len(data), zlib.crc32(data)) + data


def decode_records(log: bytes) -> Iterator[LogRecord]:
    """Records in the order they were written.

    Raises:
        DamagedLogError: The log is not whole.
    """
    position = 0
    while position < len(log):
        if position + _HEADER.size > len(log):
            raise DamagedLogError(f"record header cut short at {position}")
        offset, length, checksum = _HEADER.unpack_from(log, position)
        position += _HEADER.size
        data = log[position : position + length]
        if len(data) != length or zlib.crc32(data) != checksum:
            raise DamagedLogError(f"record at {position} is damaged")
        position += length
        yield LogRecord(offset, data)


class ChangeTracker:
    """The logs of one VM, one a disk: <disk>.hrl is open, <disk>.<sequence>.hrl is frozen.

    Args:
        folder: The VM's own folder; logs are kept in its logs/.
        disk_ids: The replicated disks.
    """

    def __init__(self, folder: Path, disk_ids: Sequence[str]) -> None:
        self._folder = folder / "logs"
        self._disk_ids = tuple(disk_ids)

    def _open_log(self, disk_id: str) -> Path:
        return self._folder / f"{disk_id}.hrl"

    def _frozen_log(self, disk_id: str, sequence: int) -> Path:
        return self._folder / f"{disk_id}.{sequence}.hrl"

    @property
    def tracked_disks(self) -> tuple[str, ...]:
        return self._disk_ids

    def start(self) -> None:
        """Begin with empty logs; whatever was logged before is gone."""
        self.stop()
        self._folder.mkdir(parents=True, exist_ok=True)
        for disk_id in self._disk_ids:
            self._open_log(disk_id).touch()

    def stop(self) -> None:
        """Delete all logs."""
        if self._folder.exists():
            for log in self._folder.glob("*.hrl"):
                log.unlink()

    def append(self, disk_id: str, offset: int, data: bytes) -> None:
        """Log one write; writes to a disk that is not replicated are not logged."""
        if disk_id not in self._disk_ids:
            return
        descriptor = os.open(self._open_log(disk_id), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, encode_record(offset, data))
        finally:
            os.close(descriptor)

    def freeze(self, sequence: int) -> None:
        """Close the open logs of all disks at one moment and begin new ones.

        The caller must not await between the writes of one moment and this. Idempotent: logs
        frozen under this number already stay as they are, which also completes a freeze that a
        loss of power cut in the middle.
        """
        for disk_id in self._disk_ids:
            frozen = self._frozen_log(disk_id, sequence)
            if not frozen.exists():
                self._open_log(disk_id).touch()
                self._open_log(disk_id).rename(frozen)
                self._open_log(disk_id).touch()

    def is_frozen(self, sequence: int) -> bool:
        """Whether any disk's log was frozen under this number."""
        return any(self._frozen_log(disk_id, sequence).exists() for disk_id in self._disk_ids)

    def frozen_logs(self, sequence: int) -> dict[str, bytes]:
        """Disk id to log; disks without changes have an empty log."""
        return {
            disk_id: self._frozen_log(disk_id, sequence).read_bytes() for disk_id in self._disk_ids
        }

    def sync_frozen(self, sequence: int) -> None:
        for disk_id in self._disk_ids:
            with self._frozen_log(disk_id, sequence).open("rb") as log:
                os.fsync(log.fileno())

    def discard(self, sequence: int) -> None:
        """Delete the logs that the replica has acknowledged."""
        for disk_id in self._disk_ids:
            self._frozen_log(disk_id, sequence).unlink(missing_ok=True)

    def tidy(self, sequence: int) -> None:
        """After a loss of power: delete what was acknowledged, complete a freeze cut short."""
        if self._folder.exists():
            for log in self._folder.glob("*.*.hrl"):
                if int(log.suffixes[-2].removeprefix(".")) < sequence:
                    log.unlink()
        if self.is_frozen(sequence):
            self.freeze(sequence)

    def pending_bytes(self) -> int:
        """Length of all logs, open and frozen."""
        if not self._folder.exists():
            return 0
        return sum(log.stat().st_size for log in self._folder.glob("*.hrl"))
