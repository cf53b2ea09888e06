"""Objects that came out of PowerShell, read by property name and type."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")

NO_PROPERTIES: Mapping[str, object] = {}


class PropertyError(Exception):
    """A property the agent counts on is missing or of another type."""

    def __init__(self, record: "PSRecord", name: str, problem: str) -> None:
        super().__init__(f"{record.type_name or 'object'}.{name} {problem}")
        self.type_name = record.type_name
        self.property_name = name


class PSRecord:
    """A deserialised object: its type, its text, its properties. Unknown properties do no harm.

    The plain readers raise PropertyError when the property is missing, null or of another type;
    the `optional_` readers give None (or nothing) when it is missing or null.
    """

    __slots__ = ("_text", "properties", "type_names")

    def __init__(
        self,
        properties: Mapping[str, object] = NO_PROPERTIES,
        type_names: Sequence[str] = (),
        text: str | None = None,
    ) -> None:
        self.properties = properties
        self.type_names = type_names
        self._text = text

    @property
    def type_name(self) -> str:
        """Full name of the .NET class, without the prefix that remoting adds; empty if unknown."""
        return self.type_names[0].removeprefix("Deserialized.") if self.type_names else ""

    def describe(self, type_names: Sequence[str], text: str | None) -> None:
        """Adds what a reader learns only after it has made the record."""
        self.type_names = type_names
        self._text = text

    def __str__(self) -> str:
        return self._text if self._text is not None else self.type_name

    def __repr__(self) -> str:
        return f"<PSRecord {self.type_name or '?'} {self}>"

    def _value(self, name: str) -> object:
        if name in self.properties:
            return self.properties[name]
        wanted = name.casefold()
        for actual, value in self.properties.items():
            if actual.casefold() == wanted:
                return value
        return None

    def has(self, name: str) -> bool:
        """True when the property is there and not null."""
        return self._value(name) is not None

    def text(self, name: str) -> str:
        """A string, an identifier, the name of an enumeration value, or an object's own text."""
        return self._present(name, self.optional_text(name))

    def optional_text(self, name: str) -> str | None:
        value = self._value(name)
        if isinstance(value, str):
            return value
        return None if value is None else _text_of(value)

    def integer(self, name: str) -> int:
        return self._present(name, self.optional_integer(name))

    def optional_integer(self, name: str) -> int | None:
        value = self._value(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise self._unexpected(name, value, "a number")

    def boolean(self, name: str) -> bool:
        return self._present(name, self.optional_boolean(name))

    def optional_boolean(self, name: str) -> bool | None:
        value = self._value(name)
        if value is None or isinstance(value, bool):
            return value
        raise self._unexpected(name, value, "a boolean")

    def guid(self, name: str) -> UUID:
        return self._present(name, self.optional_guid(name))

    def optional_guid(self, name: str) -> UUID | None:
        value = self._value(name)
        if value is None or isinstance(value, UUID):
            return value
        if isinstance(value, str):
            if not value:
                return None  # VMM's VMId of a machine that is on no host
            try:
                return UUID(value)
            except ValueError:
                pass
        raise self._unexpected(name, value, "an identifier")

    def moment(self, name: str) -> datetime:
        """The property as a UTC time; one without a zone is taken for this machine's local time."""
        return self._present(name, self.optional_moment(name))

    def optional_moment(self, name: str) -> datetime | None:
        value = self._value(name)
        if value is None:
            return None
        if isinstance(value, datetime):
            # Hyper-V gives local times; the agent runs in the zone of its VMM server and hosts.
            return value.astimezone(UTC)
        raise self._unexpected(name, value, "a time")

    def duration(self, name: str) -> timedelta:
        return self._present(name, self.optional_duration(name))

    def optional_duration(self, name: str) -> timedelta | None:
        value = self._value(name)
        if value is None or isinstance(value, timedelta):
            return value
        raise self._unexpected(name, value, "a duration")

    def enum_name(self, name: str) -> str:
        """The name of an enumeration value; numbers differ between versions and are refused."""
        return self._present(name, self.optional_enum_name(name))

    def optional_enum_name(self, name: str) -> str | None:
        value = self._value(name)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, PSRecord):
            return str(value)
        raise self._unexpected(name, value, "an enumeration value with its name")

    def items(self, name: str) -> list[object]:
        """The elements of a list; a single value counts as one element, null as none."""
        value = self._value(name)
        if value is None:
            return []
        return list(value) if isinstance(value, list) else [value]

    def strings(self, name: str) -> list[str]:
        """The elements of a list as texts; nulls are left out."""
        return [_text_of(item) for item in self.items(name) if item is not None]

    def records(self, name: str) -> list["PSRecord"]:
        """Those elements of a list that are objects."""
        return [item for item in self.items(name) if isinstance(item, PSRecord)]

    def record(self, name: str) -> "PSRecord":
        return self._present(name, self.optional_record(name))

    def optional_record(self, name: str) -> "PSRecord | None":
        value = self._value(name)
        if value is None or isinstance(value, PSRecord):
            return value
        raise self._unexpected(name, value, "an object")

    def _present(self, name: str, value: T | None) -> T:
        if value is None:
            known = name in self.properties
            raise PropertyError(self, name, "is null" if known else "is missing")
        return value

    def _unexpected(self, name: str, value: object, wanted: str) -> PropertyError:
        return PropertyError(self, name, f"is {type(value).__name__}, not {wanted}")


def _text_of(value: object) -> str:
    if isinstance(value, bool):
        return "True" if value else "False"
    return str(value)
