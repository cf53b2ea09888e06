"""What a guest last wrote, kept outside its disks: the truth that loss is measured against."""

from __future__ import annotations

import os
import struct
from pathlib import Path

_RECORD = struct.Struct(">Qd")


class Witness:
    """One small file a VM and site; written after the ledger, so it never says too much."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def note(self, sequence: int, unix_time: float) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, _RECORD.pack(sequence, unix_time), 0)
        finally:
            os.close(descriptor)

    def last(self) -> tuple[int, float]:
        """Sequence number and unix time; (0, 0.0) when the guest never wrote at this site."""
        if not self._path.exists():
            return 0, 0.0
        raw = self._path.read_bytes()
        if len(raw) != _RECORD.size:
            return 0, 0.0
        sequence, unix_time = _RECORD.unpack(raw)
        return int(sequence), float(unix_time)
