"""Puts PSRP messages together from fragments, and picks out those that carry pipeline output.

psrpcore builds a Python object with descriptors for each value it reads, about half a millisecond
an object. An inventory has tens of thousands, so output goes to our own reader (clixml.py) and
everything else, unchanged, to psrpcore.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

# MS-PSRP 2.2.4: object id, fragment id, flags (1 start, 2 end), length; all big endian.
_FRAGMENT: Final = struct.Struct(">QQBI")
_END: Final = 2
# MS-PSRP 2.2.1: destination, message type, runspace pool, pipeline; little endian.
_MESSAGE: Final = struct.Struct("<iI16s16s")
_PIPELINE_OUTPUT: Final = 0x00041004
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class FragmentError(Exception):
    """Fragments that do not make a message."""


@dataclass(frozen=True)
class Output:
    """One object that a pipeline wrote, as CLIXML; empty for a null."""

    pipeline_id: UUID
    clixml: bytes


@dataclass(frozen=True)
class Other:
    """The fragments of any other message, as they came; the id is zero when it is the pool's."""

    pipeline_id: UUID
    fragments: bytes


@dataclass
class _Unfinished:
    raw: list[bytes] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)


class MessageAssembler:
    """Collects fragments until a message is whole."""

    def __init__(self) -> None:
        self._unfinished: dict[int, _Unfinished] = {}

    def feed(self, data: bytes) -> Iterator[Output | Other]:
        """Takes whole fragments, gives the messages that they finish.

        Raises:
            FragmentError: A fragment is cut off, or out of order.
        """
        position = 0
        while position < len(data):
            if len(data) - position < _FRAGMENT.size:
                raise FragmentError("a fragment is cut off in its header")
            object_id, fragment_id, flags, length = _FRAGMENT.unpack_from(data, position)
            end = position + _FRAGMENT.size + length
            if end > len(data):
                raise FragmentError("a fragment is cut off in its data")
            unfinished = self._unfinished.setdefault(object_id, _Unfinished())
            if fragment_id != len(unfinished.blobs):
                raise FragmentError(f"fragment {fragment_id} came out of order")
            unfinished.raw.append(data[position:end])
            unfinished.blobs.append(data[position + _FRAGMENT.size : end])
            position = end
            if flags & _END:
                del self._unfinished[object_id]
                yield _message(unfinished)


def _message(whole: _Unfinished) -> Output | Other:
    message = b"".join(whole.blobs)
    if len(message) < _MESSAGE.size:
        raise FragmentError("a message is shorter than its header")
    _, kind, _, pipeline_id = _MESSAGE.unpack_from(message)
    target = UUID(bytes_le=pipeline_id)
    if kind != _PIPELINE_OUTPUT:
        return Other(target, b"".join(whole.raw))
    return Output(target, message[_MESSAGE.size :].removeprefix(_BYTE_ORDER_MARK))
