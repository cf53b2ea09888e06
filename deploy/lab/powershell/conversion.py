"""PowerShell's conversion of one argument to the type that a parameter declares."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from deploy.lab.invocation import I64, U16, U32, U64, Byte, EnumValue, PSObject, Secret, Value
from deploy.lab.powershell.command_facts import ParameterFacts
from deploy.lab.powershell.enumerations import numbers, parameter_value

_TIME_SPAN = re.compile(
    r"(?P<sign>-)?(?:(?P<days>\d+)\.)?(?P<hours>\d{1,2}):(?P<minutes>\d{1,2})"
    r"(?::(?P<seconds>\d{1,2})(?:\.(?P<fraction>\d{1,7}))?)?"
)

# Types that can be given by name: VMM's documentation passes the server as text, and every CIM
# cmdlet's says of -CimSession "enter a computer name or a session object".
_FROM_NAME = {"ServerConnection", "CimSession"}

_SECRET_TYPES = {"System.Security.SecureString", "System.Byte"}


class CannotConvertError(Exception):
    """The value has no form of the wanted type; the text says why, as PowerShell does."""


def type_name_of(value: Value) -> str:
    """The .NET type name that PowerShell's messages show for a value."""
    if isinstance(value, PSObject):
        return value.type_names[0] if value.type_names else "System.Object"
    if isinstance(value, EnumValue):
        return value.type_name
    names: dict[type, str] = {
        str: "System.String",
        bool: "System.Boolean",
        float: "System.Double",
        datetime: "System.DateTime",
        timedelta: "System.TimeSpan",
        UUID: "System.Guid",
        bytes: "System.Byte[]",
        Secret: "System.Security.SecureString",
        list: "System.Object[]",
        dict: "System.Collections.Hashtable",
    }
    return getattr(type(value), "type_name", names.get(type(value), "System.Int32"))


def text_of(value: Value) -> str:
    """What PowerShell's ToString gives in the invariant culture."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%m/%d/%Y %H:%M:%S")
    if isinstance(value, timedelta):
        days, rest = divmod(int(value.total_seconds()), 86400)
        clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
        return f"{days}.{clock}" if days else clock
    if isinstance(value, bytes | list):
        return " ".join(text_of(item) for item in value)
    if isinstance(value, dict):
        return "System.Collections.Hashtable"
    return str(value)


def _refuse(value: Value, wanted: str) -> CannotConvertError:
    # PowerShell repeats the value even where a secret was wanted; the lab does not.
    secret = isinstance(value, Secret) or wanted in _SECRET_TYPES
    shown = "***" if secret else text_of(value)
    return CannotConvertError(
        f'Cannot convert the "{shown}" value of type "{type_name_of(value)}" to type "{wanted}".'
    )


def _to_string(value: Value) -> Value:
    if isinstance(value, Secret):
        # ToString of a SecureString is its type's name, never its content.
        return "System.Security.SecureString"
    return text_of(value)


def _to_int(low: int, high: int, make: Callable[[int], int], name: str) -> Callable[[Value], Value]:
    def convert(value: Value) -> Value:
        number = _number(value)
        if number is None or not low <= number <= high:
            raise _refuse(value, name)
        return make(number)

    return convert


def _number(value: Value) -> int | None:
    if value is None:
        return 0
    if isinstance(value, EnumValue):
        return value.number
    if isinstance(value, bool | int | float):
        return round(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        return int(text, 16) if text.lower().startswith("0x") else round(float(text or "0"))
    except (ValueError, OverflowError):
        return None


def _to_boolean(value: Value) -> Value:
    # The binder takes only booleans and numbers here, although PowerShell's cast takes anything.
    if isinstance(value, bool | int | float):
        return bool(value)
    raise CannotConvertError(
        f'Cannot convert value "{type_name_of(value)}" to type "System.Boolean". Boolean'
        " parameters accept only Boolean values and numbers, such as $True, $False, 1 or 0."
    )


def _to_guid(value: Value) -> Value:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value if isinstance(value, str) else "")
    except ValueError:
        raise _refuse(value, "System.Guid") from None


def _to_datetime(value: Value) -> Value:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        for reading in (_iso_datetime, _us_datetime):
            found = reading(value)
            if found is not None:
                return found
    raise _refuse(value, "System.DateTime")


def _iso_datetime(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _us_datetime(text: str) -> datetime | None:
    for pattern in ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y"):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _to_timespan(value: Value) -> Value:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return timedelta(microseconds=value / 10)  # a number is ticks of 100 ns
    match = _TIME_SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise _refuse(value, "System.TimeSpan")
    found = timedelta(
        days=int(match["days"] or 0),
        hours=int(match["hours"]),
        minutes=int(match["minutes"]),
        seconds=float(f"{match['seconds'] or 0}.{match['fraction'] or 0}"),
    )
    return -found if match["sign"] else found


def _to_bytes(value: Value) -> Value:
    if isinstance(value, bytes):
        return value
    items = value if isinstance(value, list) else [value]
    to_byte = _CONVERTERS["Byte"]
    return bytes(int(str(to_byte(item))) for item in items)


def _to_secret(value: Value) -> Value:
    if isinstance(value, Secret):
        return value
    raise _refuse(value, "System.Security.SecureString")


def _to_hashtable(value: Value) -> Value:
    if isinstance(value, dict):
        return value
    raise _refuse(value, "System.Collections.Hashtable")


def _as_it_is(value: Value) -> Value:
    return value


_CONVERTERS: dict[str, Callable[[Value], Value]] = {
    "String": _to_string,
    "Byte": _to_int(0, 0xFF, Byte, "System.Byte"),
    "UInt16": _to_int(0, 0xFFFF, U16, "System.UInt16"),
    "UInt32": _to_int(0, 0xFFFFFFFF, U32, "System.UInt32"),
    "UInt64": _to_int(0, 2**64 - 1, U64, "System.UInt64"),
    "Int32": _to_int(-(2**31), 2**31 - 1, int, "System.Int32"),
    "Int64": _to_int(-(2**63), 2**63 - 1, I64, "System.Int64"),
    "Boolean": _to_boolean,
    "SwitchParameter": _to_boolean,
    "Guid": _to_guid,
    "DateTime": _to_datetime,
    "TimeSpan": _to_timespan,
    "SecureString": _to_secret,
    "Hashtable": _to_hashtable,
    "Object": _as_it_is,
    "PSObject": _as_it_is,
}


def _to_enum(parameter: ParameterFacts, value: Value) -> Value:
    known = numbers(parameter.element_type)
    if isinstance(value, EnumValue):
        value = value.name
    if isinstance(value, int) and not isinstance(value, bool):
        named = next((name for name, number in known.items() if number == value), None)
        if named is None:
            raise _refuse(value, parameter.element_type)
        value = named
    for position, name in enumerate(parameter.values):
        if isinstance(value, str) and value.strip().lower() == name.lower():
            return parameter_value(parameter.element_type, name, position)
    raise CannotConvertError(
        f'Cannot convert value "{text_of(value)}" to type "{parameter.element_type}". Error:'
        f' "Unable to match the identifier name {text_of(value)} to a valid enumerator name.'
        " Specify one of the following enumerator names and try again:"
        f' {", ".join(parameter.values)}"'
    )


def _to_object(type_name: str, value: Value) -> Value:
    """Objects of .NET classes come from a live pipeline only: a deserialised one is another."""
    if isinstance(value, PSObject):
        for full_name in value.type_names:
            if full_name.rsplit(".", 1)[-1] == type_name and not is_deserialized(value):
                return value
    if type_name in _FROM_NAME and isinstance(value, str):
        return value
    raise _refuse(value, type_name)


def is_deserialized(value: Value) -> bool:
    return isinstance(value, PSObject) and any(
        name.startswith("Deserialized.") for name in value.type_names
    )


def is_enumeration(parameter: ParameterFacts) -> bool:
    return bool(parameter.values) and parameter.element_type not in _CONVERTERS


def convert_element(parameter: ParameterFacts, value: Value) -> Value:
    """One element of the parameter's type.

    Raises:
        CannotConvertError: PowerShell has no conversion either.
    """
    if is_enumeration(parameter):
        return _to_enum(parameter, value)
    converter = _CONVERTERS.get(parameter.element_type)
    if converter is not None:
        return converter(value)
    return _to_object(parameter.element_type, value)


def convert(parameter: ParameterFacts, value: Value) -> Value:
    """The value as the parameter's type; a single value becomes an array of one where needed.

    Raises:
        CannotConvertError: PowerShell has no conversion either.
    """
    if parameter.type_name == "Byte[]":
        return _to_bytes(value)
    if parameter.is_array:
        items = value if isinstance(value, list) else [value]
        return [convert_element(parameter, item) for item in items]
    return convert_element(parameter, value)


def fits_without_conversion(parameter: ParameterFacts, value: Value) -> bool:
    """Whether the value is of the parameter's type already: the binder tries this first."""
    wanted = parameter.element_type
    if isinstance(value, PSObject):
        return wanted in {"PSObject", "Object"} or (
            not is_deserialized(value)
            and any(name.rsplit(".", 1)[-1] == wanted for name in value.type_names)
        )
    if isinstance(value, EnumValue):
        return value.type_name.rsplit(".", 1)[-1] == wanted
    return type_name_of(value).rsplit(".", 1)[-1] == wanted or wanted in {"PSObject", "Object"}
