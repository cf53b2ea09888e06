"""The one message of a cycle: the frozen logs of all disks of a VM."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping

from deploy.lab.site.change_log import DamagedLogError, LogRecord, decode_records, encode_record

_LENGTH = struct.Struct(">I")
_MAXIMUM_BYTES = 4 * 1024**3


def pack(logs: Mapping[str, bytes], *, compress: bool) -> bytes:
    """Directory of disks, then their logs, the whole compressed when asked."""
    directory = json.dumps([[disk_id, len(log)] for disk_id, log in logs.items()]).encode()
    plain = _LENGTH.pack(len(directory)) + directory + b"".join(logs.values())
    return b"Z" + zlib.compress(plain, 1) if compress else b"P" + plain


def unpack(message: bytes) -> dict[str, list[LogRecord]]:
    """Disk id to records, in order.

    Raises:
        DamagedLogError: The message is not what ``pack`` wrote.
    """
    try:
        plain = _plain(message)
        (length,) = _LENGTH.unpack_from(plain)
        directory = json.loads(plain[_LENGTH.size : _LENGTH.size + length])
        position = _LENGTH.size + length
        logs = {}
        for disk_id, log_length in directory:
            log = plain[position : position + log_length]
            if len(log) != log_length:
                raise DamagedLogError(f"the log of disk {disk_id} is cut short")
            logs[disk_id] = list(decode_records(log))
            position += log_length
    except (zlib.error, struct.error, ValueError, TypeError) as error:
        raise DamagedLogError(str(error)) from error
    return logs


def _plain(message: bytes) -> bytes:
    if message[:1] == b"Z":
        return zlib.decompressobj().decompress(message[1:], _MAXIMUM_BYTES)
    if message[:1] == b"P":
        return message[1:]
    raise DamagedLogError("unknown form of message")


def log_of(records: list[tuple[int, bytes]]) -> bytes:
    """A log made of given writes, as a resynchronisation sends differing blocks."""
    return b"".join(encode_record(offset, data) for offset, data in records)
