"""Unix sockets at paths of any length."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

# The address has room for 108 bytes, the last of which is zero; other systems have a few less.
_LONGEST_ADDRESS_BYTES: Final = 103


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """An address for bind and connect, valid within the block.

    A path that is too long is reached through the folder's descriptor (Linux only).

    Raises:
        FileNotFoundError: The folder does not exist.
    """
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def bound(path: Path) -> socket.socket:
    """A socket bound to the path, replacing an old one; only its owner may connect.

    Raises:
        OSError: It cannot be made there.
    """
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address_of(path) as address:
            server.bind(address)
        # Nobody can connect before it listens.
        path.chmod(0o600)
    except BaseException:
        server.close()
        raise
    return server


def connected(path: Path, timeout_seconds: float) -> socket.socket:
    """A socket connected to the one at the path; the time limit stays on it.

    Raises:
        OSError: Nobody listens there.
    """
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        client.settimeout(timeout_seconds)
        with address_of(path) as address:
            client.connect(address)
    except BaseException:
        client.close()
        raise
    return client
