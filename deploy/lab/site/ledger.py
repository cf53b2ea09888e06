"""The guest's ledger on its first disk: a ring of numbered records by which loss is measured."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.site import disk

REGION_OFFSET = 1024 * 1024
REGION_BYTES = 512 * 1024
RECORD_BYTES = 32
CAPACITY = REGION_BYTES // RECORD_BYTES

_MAGIC = b"OSRL"
_BODY = struct.Struct(">Qd8x")  # sequence number, unix time, padding
_RECORD = struct.Struct(">4sI24s")  # magic, crc32 of the body, body


@dataclass(frozen=True)
class LedgerReading:
    """What a ledger holds.

    Attributes:
        last: Highest sequence number; 0 when the ledger is empty.
        count: Whole records found (at most CAPACITY, the ring's length).
        gaps: Numbers between the lowest and the highest found that are missing.
        last_unix_time: When the highest was written.
    """

    last: int = 0
    count: int = 0
    gaps: int = 0
    last_unix_time: float = 0.0


def encode(sequence: int, unix_time: float) -> tuple[int, bytes]:
    """Offset on the disk and bytes of one record."""
    body = _BODY.pack(sequence, unix_time)
    slot = (sequence - 1) % CAPACITY
    return REGION_OFFSET + slot * RECORD_BYTES, _RECORD.pack(_MAGIC, zlib.crc32(body), body)


def read(path: Path) -> LedgerReading:
    """Read the ledger of a disk; records that are not whole do not count."""
    return decode(disk.read(path, REGION_OFFSET, REGION_BYTES))


def times(path: Path) -> dict[int, float]:
    """When each record of a disk's ledger was written, unix time, by sequence number."""
    return _records(disk.read(path, REGION_OFFSET, REGION_BYTES))


def decode(region: bytes) -> LedgerReading:
    found = _records(region)
    if not found:
        return LedgerReading()
    last, first = max(found), min(found)
    return LedgerReading(
        last=last,
        count=len(found),
        gaps=last - first + 1 - len(found),
        last_unix_time=found[last],
    )


def _records(region: bytes) -> dict[int, float]:
    found: dict[int, float] = {}
    empty = bytes(RECORD_BYTES)
    for position in range(0, len(region) - RECORD_BYTES + 1, RECORD_BYTES):
        if region[position : position + RECORD_BYTES] == empty:
            continue
        magic, checksum, body = _RECORD.unpack_from(region, position)
        if magic == _MAGIC and zlib.crc32(body) == checksum:
            sequence, unix_time = _BODY.unpack(body)
            found[sequence] = unix_time
    return found
