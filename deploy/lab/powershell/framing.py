"""The out-of-process framing of PSRP: one XML element a line on the standard streams."""

import base64
import binascii
import re
from dataclasses import dataclass
from uuid import UUID
from xml.etree import ElementTree as ET

POOL = UUID(int=0)
"""The id that means the runspace pool itself instead of one of its pipelines."""

_ACKS = {"Data": "DataAck", "Command": "CommandAck", "Close": "CloseAck", "Signal": "SignalAck"}
_STREAMS = {"Default", "PromptResponse"}

# A declared document type could define entities that expand without end.
_DOCTYPE = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


class FramingError(Exception):
    """The line is no element of the protocol; powershell reports it and ends."""


@dataclass(frozen=True)
class Frame:
    """One element from the client; `payload` is empty but for Data."""

    kind: str
    target: UUID
    payload: bytes = b""
    stream: str = "Default"


def parse_frame(line: bytes) -> Frame:
    """Reads one line.

    Raises:
        FramingError: Not well-formed, an unknown element, a bad id or bad base64.
    """
    if _DOCTYPE.search(line):
        raise FramingError("A document type is not allowed in the data stream.")
    try:
        element = ET.fromstring(line)  # noqa: S314 -- entities are refused just above
    except ET.ParseError as error:
        raise FramingError(f"The data in the stream is not valid XML: {error}.") from None
    if element.tag not in _ACKS and element.tag not in _ACKS.values():
        raise FramingError(f"Unknown element '{element.tag}' was received in the data stream.")
    try:
        target = UUID(element.attrib.get("PSGuid", ""))
    except ValueError:
        raise FramingError(f"Element '{element.tag}' lacks a valid attribute 'PSGuid'.") from None
    if element.tag != "Data":
        return Frame(element.tag, target)
    stream = element.attrib.get("Stream", "")
    if stream not in _STREAMS:
        raise FramingError(f"Unknown stream '{stream}' in element 'Data'.")
    try:
        payload = base64.b64decode(element.text or "", validate=True)
    except binascii.Error:
        raise FramingError("Element 'Data' does not hold valid base64.") from None
    return Frame("Data", target, payload, stream)


def data_line(target: UUID | None, payload: bytes, stream: str = "Default") -> bytes:
    encoded = base64.b64encode(payload).decode()
    return f"<Data Stream='{stream}' PSGuid='{target or POOL}'>{encoded}</Data>\n".encode()


def ack_line(frame: Frame) -> bytes:
    return f"<{_ACKS[frame.kind]} PSGuid='{frame.target}' />\n".encode()


class LineSplitter:
    """Collects bytes and gives whole lines; only a line feed ends a line."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self._rest += data
        if b"\n" not in data:
            return []
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        return [line for line in (line.strip() for line in lines) if line]
