"""Typed reading of bound parameters."""

from datetime import datetime, timedelta
from uuid import UUID

from deploy.lab.invocation import EnumValue, Invocation, PSObject, Secret, Value


def text(call: Invocation, name: str) -> str | None:
    value = call.parameters.get(name)
    return value if isinstance(value, str) else None


def required_text(call: Invocation, name: str) -> str:
    """A parameter that the binder has made sure of."""
    return text(call, name) or ""


def texts(call: Invocation, name: str) -> list[str]:
    value = call.parameters.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def number(call: Invocation, name: str) -> int | None:
    value = call.parameters.get(name)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def switch(call: Invocation, name: str) -> bool:
    return call.parameters.get(name) is True


def boolean(call: Invocation, name: str) -> bool | None:
    value = call.parameters.get(name)
    return value if isinstance(value, bool) else None


def enum_name(call: Invocation, name: str) -> str | None:
    value = call.parameters.get(name)
    return value.name if isinstance(value, EnumValue) else None


def guid(call: Invocation, name: str) -> UUID | None:
    value = call.parameters.get(name)
    return value if isinstance(value, UUID) else None


def moment(call: Invocation, name: str) -> datetime | None:
    value = call.parameters.get(name)
    return value if isinstance(value, datetime) else None


def duration(call: Invocation, name: str) -> timedelta | None:
    value = call.parameters.get(name)
    return value if isinstance(value, timedelta) else None


def content(call: Invocation, name: str) -> bytes:
    value = call.parameters.get(name)
    return value if isinstance(value, bytes) else b""


def secret(call: Invocation, name: str) -> Secret:
    value = call.parameters.get(name)
    return value if isinstance(value, Secret) else Secret("")


def objects(call: Invocation, name: str) -> list[PSObject]:
    """A parameter that takes one object or an array of them."""
    value = call.parameters.get(name)
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, PSObject)]


def property_text(item: PSObject, name: str) -> str:
    """A property as text; empty when it is null or missing."""
    value: Value = item.properties.get(name)
    return "" if value is None else str(value)
