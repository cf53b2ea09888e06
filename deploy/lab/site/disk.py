"""The bytes of a virtual disk: a raw file of fixed length."""

from __future__ import annotations

import hashlib
import os
import shutil
import zlib
from pathlib import Path

BLOCK_BYTES = 64 * 1024
STAT_BLOCK_BYTES = 512  # of st_blocks, whatever the file system's own are


class DiskBoundsError(Exception):
    """A read or write beyond the end of the disk."""


def create(path: Path, size_bytes: int, *, durable: bool = True) -> None:
    """An empty (sparse) disk; replaces one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size_bytes)
        if durable:
            os.fsync(file.fileno())


def write(path: Path, offset: int, data: bytes) -> None:
    """Write within the disk.

    Raises:
        DiskBoundsError: The data would reach over the end; nothing was written.
    """
    descriptor = os.open(path, os.O_WRONLY)
    try:
        write_at(descriptor, offset, data)
    finally:
        os.close(descriptor)


def write_at(descriptor: int, offset: int, data: bytes) -> None:
    if offset < 0 or offset + len(data) > os.fstat(descriptor).st_size:
        raise DiskBoundsError(f"{len(data)} bytes at {offset} reach over the end of the disk")
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy(source: Path, target: Path) -> None:
    """A full copy, on disk when this returns."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    sync(target)


def copy_sparse(source: Path, target: Path) -> None:
    """A full copy that takes no more room than its source, on disk when this returns."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as old, target.open("wb") as new:
        new.truncate(source.stat().st_size)
        offset = 0
        while block := old.read(BLOCK_BYTES):
            if block.count(0) != len(block):
                os.pwrite(new.fileno(), block, offset)
            offset += len(block)
        os.fsync(new.fileno())


def allocated_bytes(path: Path) -> int:
    """What the disk takes of its storage, as a VHDX that grows would; 0 for one not made yet."""
    try:
        return path.stat().st_blocks * STAT_BLOCK_BYTES
    except FileNotFoundError:
        return 0


def digest(path: Path) -> str:
    """SHA-256 of the whole disk in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def block_checksums(path: Path) -> list[int]:
    """CRC-32 and Adler-32 of each block of BLOCK_BYTES, as one number each."""
    checksums = []
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            checksums.append(zlib.crc32(block) << 32 | zlib.adler32(block))
    return checksums
