"""Reads CLIXML, the XML that PowerShell writes objects as, into plain values and records.

Strings, numbers, booleans, times, durations and identifiers become Python's; enumeration values
their names; lists and dictionaries Python's; every other object a PSRecord.
"""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID
from xml.etree import ElementTree as ET

from agent.powershell.records import PSRecord

_ESCAPE: Final = re.compile(r"((?:_x[0-9A-Fa-f]{4}_)+)")
_DURATION: Final = re.compile(
    r"(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,7}))?S)?)?"
)
# .NET counts to 100 ns; Python's fromisoformat takes at most six digits of a second everywhere.
_BEYOND_MICROSECONDS: Final = re.compile(r"(\.\d{6})\d+")
_LISTS: Final = frozenset({"LST", "IE", "STK", "QUE"})
_PROPERTIES: Final = frozenset({"Props", "MS"})
_ENUMERATION: Final = "System.Enum"


class ClixmlError(Exception):
    """A document that is no CLIXML, or has a value that cannot be read."""


def read_object(clixml: bytes) -> object:
    """Reads the one object of a PSRP message.

    Raises:
        ClixmlError: The text is no CLIXML.
    """
    return _Reader().read(_parse(clixml))


def read_document(clixml: str) -> list[object]:
    """Reads the objects of a document that Export-Clixml wrote.

    Raises:
        ClixmlError: The text is no CLIXML.
    """
    root = _parse(clixml)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag != "Objs":
        raise ClixmlError(f"a document of CLIXML starts with Objs, not {root.tag}")
    reader = _Reader()
    return [reader.read(element) for element in root]


def _parse(clixml: bytes | str) -> ET.Element:
    try:
        return ET.fromstring(clixml)  # noqa: S314 - comes from the PowerShell the agent started
    except ET.ParseError as error:
        raise ClixmlError(f"not XML: {error}") from error


class _Reader:
    """Keeps what later objects of the same document refer to."""

    def __init__(self) -> None:
        self._objects: dict[str, object] = {}
        self._types: dict[str, tuple[str, ...]] = {}

    def read(self, element: ET.Element) -> object:
        tag = element.tag
        if tag == "Obj":
            return self._object(element)
        if tag == "Ref":
            return self._objects.get(element.get("RefId", ""))
        reader = _PRIMITIVES.get(tag)
        if reader is None:
            raise ClixmlError(f"unknown element {tag}")
        try:
            return reader(element.text or "")
        except (ValueError, OverflowError) as error:
            raise ClixmlError(f"{element.text!r} is no {tag}") from error

    def _object(self, element: ET.Element) -> object:
        type_names: tuple[str, ...] = ()
        text: str | None = None
        properties: dict[str, object] = {}
        reference = element.get("RefId", "")
        # Known before its properties are read: they may point back at it.
        record = self._objects[reference] = PSRecord(properties)
        content: object = record
        for child in element:
            tag = child.tag
            if tag in _PROPERTIES:
                for item in child:
                    properties[_unescape(item.get("N", ""))] = self.read(item)
            elif tag == "ToString":
                text = _unescape(child.text or "")
            elif tag == "TN":
                type_names = tuple(name.text or "" for name in child)
                self._types[child.get("RefId", "")] = type_names
            elif tag == "TNRef":
                type_names = self._types.get(child.get("RefId", ""), ())
            else:
                content = self._content(child, reference)
        if content is record:
            record.describe(type_names, text)
        elif text is not None and _ENUMERATION in type_names:
            content = text
        self._objects[reference] = content
        return content

    def _content(self, element: ET.Element, reference: str) -> object:
        if element.tag in _LISTS:
            members: list[object] = []
            self._objects[reference] = members
            members.extend(self.read(item) for item in element)
            return members
        if element.tag == "DCT":
            entries: dict[object, object] = {}
            self._objects[reference] = entries
            entries.update(self._entries(element))
            return entries
        return self.read(element)

    def _entries(self, dictionary: ET.Element) -> dict[object, object]:
        entries: dict[object, object] = {}
        for entry in dictionary:
            halves = {half.get("N"): half for half in entry}
            if "Key" not in halves or "Value" not in halves:
                raise ClixmlError("an entry of a dictionary lacks its key or its value")
            key = self.read(halves["Key"])
            entries[str(key) if isinstance(key, PSRecord) else key] = self.read(halves["Value"])
        return entries


def _unescape(text: str) -> str:
    if "_x" not in text:
        return text
    return _ESCAPE.sub(_code_units, text)


def _code_units(match: re.Match[str]) -> str:
    units = match[1].replace("_x", "").replace("_", "")
    return bytes.fromhex(units).decode("utf-16-be", errors="surrogatepass")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(_BEYOND_MICROSECONDS.sub(r"\1", text))
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment


def _duration(text: str) -> timedelta:
    parts = _DURATION.fullmatch(text)
    if parts is None:
        raise ValueError(text)
    days, hours, minutes, seconds = (int(parts[group] or 0) for group in range(2, 6))
    microseconds = int((parts[6] or "0").ljust(7, "0")) // 10
    total = timedelta(days, seconds, microseconds, minutes=minutes, hours=hours)
    return -total if parts[1] else total


def _nothing(_: str) -> None:
    """A null; also secrets and progress records, which the agent has no use for."""


_PRIMITIVES: Final[Mapping[str, Callable[[str], object]]] = {
    "S": _unescape,
    "URI": _unescape,
    "XD": _unescape,
    "SBK": _unescape,
    "ToString": _unescape,
    "C": lambda text: chr(int(text)),
    "B": lambda text: text.lower() == "true",
    **dict.fromkeys(("SB", "By", "I16", "U16", "I32", "U32", "I64", "U64"), int),
    **dict.fromkeys(("Sg", "Db", "D"), float),
    "DT": _moment,
    "TS": _duration,
    "G": UUID,
    "Version": str,
    "BA": base64.b64decode,
    "Nil": _nothing,
    "SS": _nothing,
    "PR": _nothing,
}
