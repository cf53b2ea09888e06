"""Dataclasses to JSON and back, by their type hints."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """The JSON form of a dataclass made of the types that ``from_json`` reads."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | timedelta):
        return value.isoformat() if isinstance(value, datetime) else value.total_seconds()
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _from_optional(kind: Any, raw: Any) -> Any:
    (inner,) = [arg for arg in get_args(kind) if arg is not types.NoneType]
    return _decode(inner, raw)


def _from_class(kind: type, raw: Any) -> Any:
    if is_dataclass(kind):
        return from_json(kind, raw)
    if issubclass(kind, Enum):
        return kind(raw)
    if kind is datetime:
        return datetime.fromisoformat(raw)
    if kind is timedelta:
        return timedelta(seconds=raw)
    if kind is float:
        return float(raw)
    if not isinstance(raw, kind):
        raise TypeError(f"expected {kind.__name__}, found {type(raw).__name__}")
    return raw


def _decode(kind: Any, raw: Any) -> Any:
    if raw is None:
        return None
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _from_optional(kind, raw)
    if origin is list:
        (item,) = get_args(kind)
        return [_decode(item, each) for each in raw]
    if origin is tuple:
        return tuple(_decode(get_args(kind)[0], each) for each in raw)
    if origin is dict:
        _, item = get_args(kind)
        return {key: _decode(item, each) for key, each in raw.items()}
    return _from_class(kind, raw)


def from_json(kind: type[T], raw: dict[str, Any]) -> T:
    """The dataclass that ``to_json`` wrote; absent fields take their defaults.

    Raises:
        TypeError: A field has another type, is unknown, or a field without default is absent.
    """
    hints: dict[str, Any] = _hints(kind)  # type: ignore[arg-type] # a type is hashable; mypy doubts it for a variable
    unknown = set(raw) - set(hints)
    if unknown:
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    return kind(**{name: _decode(hints[name], value) for name, value in raw.items()})
