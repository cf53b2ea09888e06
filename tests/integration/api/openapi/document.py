"""The kept document of the API, as tests read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEPT = Path(__file__).parents[4] / "deploy" / "docs" / "openapi.json"
DOCUMENT: Mapping[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
SUCCESSES = range(200, 300)


@dataclass(frozen=True)
class Told:
    """An operation of the document."""

    method: str
    path: str
    body: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.body["operationId"])

    @property
    def applies(self) -> bool:
        """It does something, and is not one of those that are only refused."""
        return any(int(status) in SUCCESSES for status in self.body["responses"])

    @property
    def in_vault(self) -> bool:
        return "{vault_name}" in self.path

    def resolved(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a reference stands for; anything else as it is."""
        found: Any = DOCUMENT
        for word in part.get("$ref", "").split("/")[1:]:
            found = found[word]
        return found if "$ref" in part else part

    @property
    def path_names(self) -> list[str]:
        """The names in its address."""
        parameters = [self.resolved(each) for each in self.body["parameters"]]
        return [each["name"] for each in parameters if each["in"] == "path"]


def operations() -> Iterator[Told]:
    """Every operation, in the order of their ids."""
    found = [
        Told(method.upper(), path, body)
        for path, methods in DOCUMENT["paths"].items()
        for method, body in methods.items()
    ]
    yield from sorted(found, key=lambda told: told.id)


def strict() -> dict[str, Any]:
    """The document, with nothing allowed in answers that it does not name.

    Clients shall bear what a later version adds; here what is added must be told of.
    """
    document: dict[str, Any] = deepcopy(dict(DOCUMENT))
    for name in _of_answers(document):
        _close(document["components"]["schemas"][name])
    return document


def _close(schema: Any) -> None:
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "additionalProperties" not in schema:
            schema["additionalProperties"] = False
        for inner in schema.values():
            _close(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _close(inner)


def _of_answers(document: Mapping[str, Any]) -> set[str]:
    """Names of the schemas that answers are made of."""
    found: set[str] = set()
    waiting: list[Any] = [document["components"]["responses"]]
    for methods in document["paths"].values():
        waiting += [operation["responses"] for operation in methods.values()]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
            name = str(one.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in document["components"]["schemas"] and name not in found:
                found.add(name)
                waiting.append(document["components"]["schemas"][name])
    return found
