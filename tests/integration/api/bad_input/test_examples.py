"""Every route that takes a body has an example, and every field of the body is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from coordinator.api.application import build_api
from coordinator.api.paths import VAULT
from tests.integration.api.bad_input.example import Example, leaves
from tests.integration.api.bad_input.examples import EXAMPLES, NOT_READ

Schema = Mapping[str, Any]


def test_every_route_with_a_body_has_an_example() -> None:
    document = build_api().get_openapi_schema()
    missing = [
        f"{method} {path}"
        for method, path, _ in _bodies(document)
        if (method, path) not in NOT_READ and not _examples(method, path)
    ]
    assert missing == []


def test_every_declared_field_is_in_an_example() -> None:
    document = build_api().get_openapi_schema()
    missing = []
    for method, path, schema in _bodies(document):
        if (method, path) in NOT_READ:
            continue
        shown = {leaf for example in _examples(method, path) for leaf, _ in leaves(example.body)}
        missing += [
            f"{method} {path}: {'.'.join(map(str, leaf))}"
            for leaf in _fields(document, schema)
            if leaf not in shown
        ]
    assert missing == []


def _bodies(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Method, address below the vault, and schema of every body."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                yield method.upper(), path.removeprefix(VAULT), content["schema"]


def _examples(method: str, path: str) -> list[Example]:
    pattern = re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", path))
    return [
        example
        for example in EXAMPLES
        if example.method == method and pattern.fullmatch(example.path)
    ]


def _fields(
    document: Schema, schema: Schema, at: tuple[str | int, ...] = ()
) -> Iterator[tuple[str | int, ...]]:
    """Every field that the schema declares, to the depth where it stops declaring."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in schema.get("anyOf", ()):
        yield from _fields(document, choice, at)
    for name, inner in schema.get("properties", {}).items():
        yield (*at, name)
        yield from _fields(document, inner, (*at, name))
    if isinstance(schema.get("items"), dict):
        yield from _fields(document, schema["items"], (*at, 0))
