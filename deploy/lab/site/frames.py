"""Frames between hosts: a JSON header and a body of bytes, each with its length in front."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Mapping
from typing import Any

_LENGTHS = struct.Struct(">IQ")
MAXIMUM_HEADER_BYTES = 64 * 1024**2
MAXIMUM_BODY_BYTES = 2 * 1024**3


class FrameError(Exception):
    """What arrived is not a frame."""


async def write_frame(
    writer: asyncio.StreamWriter, header: Mapping[str, Any], body: bytes = b""
) -> None:
    encoded = json.dumps(header).encode()
    writer.write(_LENGTHS.pack(len(encoded), len(body)) + encoded)
    writer.write(body)
    await writer.drain()


async def read_frame(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    """The next frame.

    Raises:
        asyncio.IncompleteReadError: The connection ended.
        FrameError: The lengths or the header make no sense.
    """
    header_length, body_length = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
    if header_length > MAXIMUM_HEADER_BYTES or body_length > MAXIMUM_BODY_BYTES:
        raise FrameError("frame too long")
    try:
        header = json.loads(await reader.readexactly(header_length))
    except ValueError as error:
        raise FrameError("header is not JSON") from error
    if not isinstance(header, dict):
        raise FrameError("header is not an object")
    return header, await reader.readexactly(body_length)
