"""Lossless JSON form of invocations and their results, for a site's unix socket."""

import base64
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from deploy.lab.invocation import (
    I64,
    U16,
    U32,
    U64,
    Byte,
    EnumValue,
    ErrorRecord,
    Invocation,
    InvocationResult,
    ProgressRecord,
    PSObject,
    Secret,
    SizedInt,
    Value,
    Version,
)

# A value that JSON has no type for is an object with the key "$", which names the type.
_SIZED: dict[str, type[SizedInt]] = {"u8": Byte, "u16": U16, "u32": U32, "i64": I64, "u64": U64}
_SIZED_TAGS = {kind: tag for tag, kind in _SIZED.items()}


def _encode_map(values: Any) -> dict[str, Any]:
    return {name: encode_value(value) for name, value in values.items()}


def _encode_object(value: PSObject) -> dict[str, Any]:
    return {
        "$": "obj",
        "t": list(value.type_names),
        "s": value.to_string,
        "p": _encode_map(value.properties),
    }


_ENCODERS: dict[type, Callable[[Any], Any]] = {
    type(None): lambda value: value,
    bool: lambda value: value,
    int: lambda value: value,
    float: lambda value: {"$": "f64", "v": repr(value)},
    str: lambda value: value,
    Version: lambda value: {"$": "version", "v": str(value)},
    bytes: lambda value: {"$": "bytes", "v": base64.b64encode(value).decode()},
    datetime: lambda value: {"$": "dt", "v": value.isoformat()},
    timedelta: lambda value: {"$": "ts", "v": [value.days, value.seconds, value.microseconds]},
    UUID: lambda value: {"$": "guid", "v": str(value)},
    Secret: lambda value: {"$": "secret", "v": value.reveal()},
    EnumValue: lambda value: {"$": "enum", "v": [value.type_name, value.name, value.number]},
    PSObject: _encode_object,
    list: lambda value: [encode_value(item) for item in value],
    dict: lambda value: {"$": "map", "v": _encode_map(value)},
}

_DECODERS: dict[str, Callable[[Any], Value]] = {
    "f64": lambda raw: float(raw["v"]),
    "version": lambda raw: Version(raw["v"]),
    "bytes": lambda raw: base64.b64decode(raw["v"]),
    "dt": lambda raw: datetime.fromisoformat(raw["v"]),
    "ts": lambda raw: timedelta(*raw["v"]),
    "guid": lambda raw: UUID(raw["v"]),
    "secret": lambda raw: Secret(raw["v"]),
    "enum": lambda raw: EnumValue(*raw["v"]),
    "map": lambda raw: _decode_map(raw["v"]),
    "obj": lambda raw: PSObject(tuple(raw["t"]), raw["s"], _decode_map(raw["p"])),
}


def _decode_map(raw: dict[str, Any]) -> dict[str, Value]:
    return {name: decode_value(value) for name, value in raw.items()}


def encode_value(value: Value) -> Any:
    """The JSON form of one value.

    Raises:
        TypeError: The value is of a type that no cmdlet takes or gives.
    """
    if isinstance(value, SizedInt):
        return {"$": _SIZED_TAGS[type(value)], "v": int(value)}
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise TypeError(f"no JSON form for a value of type {type(value).__name__}")
    return encoder(value)


def decode_value(raw: Any) -> Value:
    """The value that `encode_value` wrote."""
    if isinstance(raw, list):
        return [decode_value(item) for item in raw]
    if isinstance(raw, dict):
        tag = raw["$"]
        if tag in _SIZED:
            return _SIZED[tag](raw["v"])
        return _DECODERS[tag](raw)
    scalar: bool | int | str | None = raw
    return scalar


def encode_invocation(call: Invocation) -> dict[str, Any]:
    return {
        "cmdlet": call.cmdlet,
        "parameters": _encode_map(call.parameters),
        "parameter_set": call.parameter_set,
        "pipeline_input": [encode_value(item) for item in call.pipeline_input],
        "command_id": call.command_id,
    }


def decode_invocation(raw: dict[str, Any]) -> Invocation:
    objects = [decode_value(item) for item in raw["pipeline_input"]]
    return Invocation(
        cmdlet=raw["cmdlet"],
        parameters=_decode_map(raw["parameters"]),
        parameter_set=raw["parameter_set"],
        pipeline_input=tuple(item for item in objects if isinstance(item, PSObject)),
        command_id=raw["command_id"],
    )


def encode_result(result: InvocationResult) -> dict[str, Any]:
    return {
        "output": [encode_value(item) for item in result.output],
        "errors": [asdict(error) for error in result.errors],
        "warnings": list(result.warnings),
        "progress": [asdict(record) for record in result.progress],
    }


def decode_result(raw: dict[str, Any]) -> InvocationResult:
    return InvocationResult(
        output=tuple(decode_value(item) for item in raw["output"]),
        errors=tuple(ErrorRecord(**error) for error in raw["errors"]),
        warnings=tuple(raw["warnings"]),
        progress=tuple(ProgressRecord(**record) for record in raw["progress"]),
    )
