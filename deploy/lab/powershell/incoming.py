"""Turns values that psrpcore deserialised into the lab's own."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psrpcore import types as ps

from deploy.lab.invocation import I64, U16, U32, U64, Byte, PSObject, Secret, SizedInt, Value

_SIZED: dict[type, type[SizedInt]] = {
    ps.PSByte: Byte,
    ps.PSUInt16: U16,
    ps.PSUInt: U32,
    ps.PSInt64: I64,
    ps.PSUInt64: U64,
}


def from_psrp(value: Any) -> Value:
    """The lab's form of a parameter value or pipeline input object.

    A script block arrives as its text, as it does on Windows: remoting never sends code as code.

    Raises:
        TypeError: psrpcore gave something that no PSRP message can hold.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, ps.PSSecureString):
        return Secret(value.decrypt())
    if isinstance(value, ps.PSEnumBase | ps.PSFlagBase):
        return str(value.name)
    if type(value) in _SIZED:
        return _SIZED[type(value)](int(value))
    for plain in (_number, _plain, _container):
        found, converted = plain(value)
        if found:
            return converted
    return _object(value)


def _number(value: Any) -> tuple[bool, Value]:
    if isinstance(value, int):
        return True, int(value)
    if isinstance(value, float):
        return True, float(value)
    return False, None


def _plain(value: Any) -> tuple[bool, Value]:
    if isinstance(value, str):
        return True, str(value)
    if isinstance(value, bytes | bytearray):
        return True, bytes(value)
    if isinstance(value, datetime):
        parts = (value.hour, value.minute, value.second, value.microsecond)
        return True, datetime(value.year, value.month, value.day, *parts, tzinfo=value.tzinfo)
    if isinstance(value, timedelta):
        return True, timedelta(value.days, value.seconds, value.microseconds)
    if isinstance(value, UUID):
        return True, UUID(int=value.int)
    return False, None


def _container(value: Any) -> tuple[bool, Value]:
    if isinstance(value, list):
        return True, [from_psrp(item) for item in value]
    if isinstance(value, dict):
        return True, {str(key): from_psrp(item) for key, item in value.items()}
    return False, None


def _object(value: Any) -> Value:
    if isinstance(value, ps.PSCredential):
        properties: dict[str, Value] = {
            "UserName": str(value.UserName),
            "Password": from_psrp(value.Password),
        }
        return PSObject(("System.Management.Automation.PSCredential",), None, properties)
    meta = getattr(value, "PSObject", None)
    if meta is None:
        raise TypeError(f"A value of type {type(value).__name__} is not data.")
    properties = {
        info.name: from_psrp(info.get_value(value))
        for info in (*meta.adapted_properties, *meta.extended_properties)
    }
    return PSObject(tuple(meta.type_names), meta.to_string, properties)
