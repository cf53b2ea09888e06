"""The lines that carry PSRP over standard streams: one XML element a line, ended by a newline."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

POOL: Final = UUID(int=0)
"""The id that means the runspace pool instead of a pipeline."""

_ELEMENT: Final = re.compile(
    rb"<(?P<name>\w+)(?P<attributes>(?:\s+\w+\s*=\s*(?:'[^']*'|\"[^\"]*\"))*)\s*"
    rb"(?:/>|>(?P<body>[^<]*)</(?P=name)\s*>)"
)
_PSGUID: Final = re.compile(rb"\sPSGuid\s*=\s*['\"]([0-9A-Fa-f-]{36})['\"]")


class FramingError(Exception):
    """A line is none of the elements that PSRP over standard streams has."""


@dataclass(frozen=True)
class Packet:
    """One element.

    Attributes:
        name: "Data", "DataAck", "CommandAck", "SignalAck", "CloseAck" or "Close".
        target: The pipeline's id, or POOL.
        data: Fragments of PSRP messages; empty but in a Data element.
    """

    name: str
    target: UUID
    data: bytes = b""


def data_line(target: UUID, fragments: bytes) -> bytes:
    """A Data element with whole fragments."""
    body = base64.b64encode(fragments)
    return b"<Data Stream='Default' PSGuid='%s'>%s</Data>\n" % (str(target).encode(), body)


def control_line(name: str, target: UUID) -> bytes:
    """A Command, Signal or Close element."""
    return f"<{name} PSGuid='{target}' />\n".encode()


def read_line(line: bytes) -> Packet:
    """Reads one element.

    Raises:
        FramingError: It is none; the message shows the beginning of the line.
    """
    element = _ELEMENT.fullmatch(line.strip())
    target = _PSGUID.search(element["attributes"]) if element else None
    if element is None or target is None:
        raise FramingError(f"not an element of PSRP: {line[:80]!r}")
    try:
        data = base64.b64decode(element["body"] or b"", validate=True)
        return Packet(element["name"].decode(), UUID(target[1].decode()), data)
    except (binascii.Error, ValueError) as error:
        raise FramingError(f"damaged element of PSRP: {line[:80]!r}") from error
