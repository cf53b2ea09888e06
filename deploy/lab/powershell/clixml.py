"""Writes the output of cmdlets as CLIXML, the way PowerShell remoting serialises it."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from xml.sax.saxutils import escape

from deploy.lab.invocation import (
    I64,
    U16,
    U32,
    U64,
    Byte,
    EnumValue,
    PSObject,
    Secret,
    SizedInt,
    Value,
    Version,
)
from deploy.lab.powershell.conversion import text_of

# psrpcore's own serialiser is not used for output: it writes a TimeSpan of 30 seconds as PT3S
# (it strips zeros before the decimal point too) and knows no depth limit.

# Remoting serialises the object and its simple properties; what is deeper becomes its text.
REMOTING_DEPTH = 1

_INT_TAGS: dict[type, str] = {
    int: "I32",
    Byte: "By",
    U16: "U16",
    U32: "U32",
    I64: "I64",
    U64: "U64",
}
_UNSAFE = re.compile("_(?=[xX])|[\x00-\x1f\x7f-\x9f\ud800-\udfff\U00010000-\U0010ffff]")


def _escape_unit(match: re.Match[str]) -> str:
    units = match.group(0).encode("utf-16-be", errors="surrogatepass")
    return "".join(
        f"_x{units[index]:02X}{units[index + 1]:02X}_" for index in range(0, len(units), 2)
    )


def escape_text(text: str) -> str:
    """CLIXML's escaping of control characters and surrogates, then XML's own."""
    return escape(_UNSAFE.sub(_escape_unit, text))


def _attribute(name: str | None) -> str:
    return f' N="{escape_text(name).replace(chr(34), "&quot;")}"' if name is not None else ""


def duration_text(value: timedelta) -> str:
    """XML duration of a TimeSpan: days, hours, minutes, seconds with up to seven digits."""
    microseconds = value // timedelta(microseconds=1)
    sign = "-" if microseconds < 0 else ""
    seconds, fraction = divmod(abs(microseconds), 1_000_000)
    days, seconds = divmod(seconds, 86400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if seconds or fraction:
        clock += str(seconds) + (f".{fraction:06}".rstrip("0") if fraction else "") + "S"
    if not days and not clock:
        clock = "0S"
    return f"{sign}P{f'{days}D' if days else ''}{f'T{clock}' if clock else ''}"


def datetime_text(value: datetime) -> str:
    text = value.strftime("%Y-%m-%dT%H:%M:%S") + f".{value.microsecond:06}0"
    if value.tzinfo is None:
        return text
    if value.tzinfo is UTC or value.utcoffset() == timedelta(0):
        return text + "Z"
    offset = value.strftime("%z")
    return f"{text}{offset[:3]}:{offset[3:5]}"


_SIMPLE: dict[type, tuple[str, Callable[[Any], str]]] = {
    str: ("S", escape_text),
    Version: ("Version", escape_text),
    bool: ("B", lambda value: "true" if value else "false"),
    float: ("Db", repr),
    datetime: ("DT", datetime_text),
    timedelta: ("TS", duration_text),
    UUID: ("G", str),
    bytes: ("BA", lambda value: base64.b64encode(value).decode()),
}

_LIST_TYPES = ("System.Object[]", "System.Array", "System.Object")
_DICT_TYPES = ("System.Collections.Hashtable", "System.Object")
_ENUM_ANCESTORS = ("System.Enum", "System.ValueType", "System.Object")


class _Writer:
    """One message: numbers its objects and repeats type names by reference."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._objects = 0
        self._type_names: dict[tuple[str, ...], int] = {}

    def write(self, value: Value, depth: int, name: str | None = None) -> None:
        attribute = _attribute(name)
        simple = _SIMPLE.get(type(value))
        if value is None:
            self.parts.append(f"<Nil{attribute} />")
        elif simple is not None:
            tag, form = simple
            self.parts.append(f"<{tag}{attribute}>{form(value)}</{tag}>")
        elif isinstance(value, int):
            self._write_int(value, attribute)
        elif isinstance(value, Secret):
            # No cmdlet gives a SecureString back; a mistake shows the type's name only.
            self.parts.append(f"<S{attribute}>System.Security.SecureString</S>")
        else:
            self._write_complex(value, depth, attribute)

    def _write_int(self, value: int, attribute: str) -> None:
        tag = _INT_TAGS[type(value)]
        if not isinstance(value, SizedInt) and not -(2**31) <= value < 2**31:
            tag = "I64"
        self.parts.append(f"<{tag}{attribute}>{int(value)}</{tag}>")

    def _write_complex(self, value: Value, depth: int, attribute: str) -> None:
        if isinstance(value, EnumValue):
            self._open(attribute, (value.type_name, *_ENUM_ANCESTORS))
            self.parts.append(f"<ToString>{escape_text(value.name)}</ToString>")
            self.parts.append(f"<I32>{value.number}</I32></Obj>")
        elif isinstance(value, list):
            self._open(attribute, _LIST_TYPES)
            self.parts.append("<LST>")
            for item in value:
                self.write(item, depth)
            self.parts.append("</LST></Obj>")
        elif isinstance(value, dict):
            self._write_dict(value, depth, attribute)
        elif isinstance(value, PSObject) and depth >= 0:
            self._write_object(value, depth, attribute)
        else:
            self.parts.append(f"<S{attribute}>{escape_text(text_of(value))}</S>")

    def _write_dict(self, value: dict[str, Value], depth: int, attribute: str) -> None:
        self._open(attribute, _DICT_TYPES)
        self.parts.append("<DCT>")
        for key, item in value.items():
            self.parts.append("<En>")
            self.write(key, depth, "Key")
            self.write(item, depth, "Value")
            self.parts.append("</En>")
        self.parts.append("</DCT></Obj>")

    def _write_object(self, value: PSObject, depth: int, attribute: str) -> None:
        self._open(attribute, value.type_names)
        if value.to_string is not None:
            self.parts.append(f"<ToString>{escape_text(value.to_string)}</ToString>")
        # A custom object has note properties; a .NET object has adapted ones.
        custom = "System.Management.Automation.PSCustomObject" in value.type_names
        tag = "MS" if custom else "Props"
        if value.properties:
            self.parts.append(f"<{tag}>")
            for name, item in value.properties.items():
                self.write(item, depth - 1, name)
            self.parts.append(f"</{tag}>")
        self.parts.append("</Obj>")

    def _open(self, attribute: str, type_names: tuple[str, ...]) -> None:
        self.parts.append(f'<Obj{attribute} RefId="{self._objects}">')
        self._objects += 1
        known = self._type_names.get(type_names)
        if known is not None:
            self.parts.append(f'<TNRef RefId="{known}" />')
            return
        number = len(self._type_names)
        self._type_names[type_names] = number
        names = "".join(f"<T>{escape_text(each)}</T>" for each in type_names)
        self.parts.append(f'<TN RefId="{number}">{names}</TN>')


def to_clixml(value: Value, depth: int = REMOTING_DEPTH) -> bytes:
    """One value as a CLIXML element, UTF-8.

    Args:
        value: What a cmdlet wrote.
        depth: Levels of objects kept as objects; 1 is what remoting keeps: the object itself.
    """
    writer = _Writer()
    writer.write(value, depth - 1)
    return "".join(writer.parts).encode()
