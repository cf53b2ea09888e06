"""Inputs of steps: the references to other steps' results in them, stored and resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from coordinator.jobs.steps import Output

# Marks a stored Output; no field of a verb and no argument of a record function is called so.
OUTPUT_MARK = "$output"


class OutputMissingError(Exception):
    """A step's result lacks the field that another step needs."""

    def __init__(self, output: Output) -> None:
        super().__init__(f"step {output.step!r} gave no {output.field!r}")
        self.output = output


def encode_inputs(value: object) -> object:
    """The inputs as pure JSON, each `Output` as {"$output": [step, field]}; true if optional."""
    if isinstance(value, Output):
        optional = [True] if value.optional else []
        return {OUTPUT_MARK: [value.step, value.field, *optional]}
    if isinstance(value, Mapping):
        return {str(key): encode_inputs(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [encode_inputs(member) for member in value]
    return value


def decode_inputs(value: object) -> object:
    """The inverse of `encode_inputs`, but for tuples, which come back as lists."""
    if isinstance(value, Mapping):
        if value.keys() == {OUTPUT_MARK}:
            step, field, *optional = value[OUTPUT_MARK]
            return Output(step, field, optional=bool(optional))
        return {key: decode_inputs(member) for key, member in value.items()}
    if isinstance(value, list):
        return [decode_inputs(member) for member in value]
    return value


def outputs_in(value: object) -> Iterator[Output]:
    """Every `Output` in inputs that are not encoded."""
    if isinstance(value, Output):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from outputs_in(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from outputs_in(member)


def resolve_inputs(value: object, results: Mapping[str, Mapping[str, object]]) -> object:
    """The inputs with each `Output` replaced by the value it names.

    Args:
        value: Inputs, not encoded.
        results: By step key.

    Raises:
        OutputMissingError: The step has no result, or its result has no such field. Trying again
            cannot help.
    """
    if isinstance(value, Output):
        try:
            return results[value.step][value.field]
        except KeyError:
            if value.optional:
                return None
            raise OutputMissingError(value) from None
    if isinstance(value, Mapping):
        return {key: resolve_inputs(member, results) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [resolve_inputs(member, results) for member in value]
    return value
