"""Resources: what documents say, checked and in one form, so that two of them can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from coordinator.cli.apply.documents import Document, Problem, Value
from coordinator.cli.apply.field_types import Reader, Text, written
from coordinator.cli.apply.kinds import SCHEMAS, Kind, Spec

FIELDS = ("kind", "name", "spec")
Key: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Resource:
    """One thing of a vault's configuration.

    Attributes:
        name: The policy's, the pair's, the mapping's, the server's, the plan's.
        spec: Every field of its kind.
        document: Where it was read; empty for what a vault has.
        unfinished: What is not as it should be with a thing of the vault, though its fields are.
    """

    kind: Kind
    name: str
    spec: Spec
    document: Document = field(default_factory=lambda: Document("", None), compare=False)
    unfinished: str = field(default="", compare=False)

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return (self.kind, *SCHEMAS[self.kind].key(self.name, self.spec))

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"

    def as_document(self) -> Mapping[str, Value]:
        """What a file says of it."""
        spec = written(SCHEMAS[self.kind].spec, self.spec)
        return {"kind": str(self.kind), "name": self.name, "spec": spec}


def resource_of(kind: Kind, name: str, spec: Spec, unfinished: str = "") -> Resource:
    """A resource of what a vault has.

    Raises:
        ValueError: The vault has something that no file could say: a defect.
    """
    reader = Reader(Document("", None))
    read = reader.read(SCHEMAS[kind].spec, spec, ("spec",))
    if reader.problems or not isinstance(read, Mapping):
        raise ValueError(f"{kind} {name}: {'; '.join(map(str, reader.problems))}")
    return Resource(kind, name, SCHEMAS[kind].complete(read), unfinished=unfinished)


def read_resources(documents: Iterable[Document]) -> tuple[list[Resource], list[Problem]]:
    """What documents say, and everything that is wrong with them."""
    found: list[Resource] = []
    problems: list[Problem] = []
    seen: dict[Key, Resource] = {}
    for document in documents:
        resource, wrong = read_resource(document)
        problems += wrong
        if resource is None:
            continue
        if resource.key in seen:
            problems.append(_twice(resource, seen[resource.key]))
            continue
        seen[resource.key] = resource
        found.append(resource)
    return found, problems


def read_resource(document: Document) -> tuple[Resource | None, Sequence[Problem]]:
    """What one document says; None when it cannot be told."""
    content = document.content
    if not isinstance(content, Mapping) or "kind" not in content:
        problem = document.problem(
            (),
            "This is no document of osr.",
            "It has no kind.",
            f"Begin it with kind: {', '.join(Kind)}.",
        )
        return None, [problem]
    reader = Reader(document)
    for word in content:
        if word not in FIELDS:
            reader.problems.append(
                document.problem(
                    (word,),
                    "There is no such field.",
                    "It is misspelt, or belongs below spec.",
                    f"Use {', '.join(FIELDS)}.",
                )
            )
    kind = reader.read(Text(choices=tuple(Kind)), content["kind"], ("kind",))
    name = reader.read(Text(), content.get("name"), ("name",))
    if not isinstance(kind, str):
        return None, reader.problems
    schema = SCHEMAS[Kind(kind)]
    given = content.get("spec")
    spec = reader.read(schema.spec, {} if given is None else given, ("spec",))
    if reader.problems or not isinstance(spec, Mapping) or not isinstance(name, str):
        return None, reader.problems
    return Resource(Kind(kind), name, schema.complete(spec), document), ()


def _twice(resource: Resource, other: Resource) -> Problem:
    first = other.document
    return resource.document.problem(
        (),
        f"{resource.title} is there twice; first in {first.file}, line {first.lines.get((), 0)}.",
        "A file was copied, or the same mapping has two names.",
        "Leave one of them out.",
    )
