"""How a replica takes a log: store it, save what it overwrites, apply it to all disks at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy.lab.site.disk import DiskBoundsError
from deploy.lab.site.durable_files import write_durably
from deploy.lab.site.log_message import unpack
from deploy.lab.site.undo import UndoLogs, apply_records


class LogApplication:
    """The received log of one replica VM: received/<sequence>.log below the VM's folder.

    A log that is stored whole will be applied whole: after a crash in the middle ``apply`` runs
    again with the same bytes, and the point that the disks show is never between two logs for
    anybody who reads after that.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "received"
        self.undo = UndoLogs(folder)

    def _file(self, sequence: int) -> Path:
        return self._folder / f"{sequence}.log"

    def store(self, sequence: int, message: bytes) -> None:
        """Keep the message on disk.

        Raises:
            DamagedLogError: The message is not whole; nothing was stored.
        """
        unpack(message)
        write_durably(self._file(sequence), message)

    def stored(self) -> list[int]:
        """Sequence numbers that are stored and not yet finished."""
        if not self._folder.exists():
            return []
        return sorted(int(file.stem) for file in self._folder.glob("*.log"))

    def apply(self, sequence: int, disks: Mapping[str, Path], *, keep_undo: bool) -> None:
        """Apply a stored log to all disks.

        Raises:
            DiskBoundsError: A disk here is smaller than there; nothing was applied.
        """
        logs = unpack(self._file(sequence).read_bytes())
        for disk_id, records in logs.items():
            end = max((record.offset + len(record.data) for record in records), default=0)
            if disk_id not in disks or end > disks[disk_id].stat().st_size:
                raise DiskBoundsError(f"the log writes beyond the end of disk {disk_id}")
        if keep_undo:
            self.undo.record(sequence, disks, logs)
        for disk_id, records in logs.items():
            apply_records(disks[disk_id], records)

    def finish(self, sequence: int) -> None:
        """Forget the stored log, once the VM's record says that it is applied."""
        self._file(sequence).unlink(missing_ok=True)
