"""A request that would be carried out, as the ground that bad ones are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Leaf: TypeAlias = tuple[str | int, ...]

NOTHING = None
TOO_LONG = "x" * 5000
UNSTORABLE = "a\0b"
# By the type of what stands there: what must not.
WRONG: Mapping[type, Sequence[object]] = {
    str: (5, True, [], {}, NOTHING, TOO_LONG, UNSTORABLE),
    int: ("many", True, 1.5, -1, 2**40, [], {}, NOTHING),
    bool: ("maybe", 5, [], {}, NOTHING),
    list: ("x", 5, {}, NOTHING, [5]),
    dict: ("x", 5, [], NOTHING),
}
REFERENCE_PREFIX = "{vault}/"


@dataclass(frozen=True, kw_only=True)
class Example:
    """A request of the API; texts in braces stand for what the test's vault has.

    Attributes:
        name: For the test's id.
        method: HTTP method.
        path: Below the vault's address.
        body: What is sent.
        harmless: By leaf the values that may stand there: an optional field may be null.
        not_checked: Leaves that mean nothing here and are not read.
    """

    name: str
    method: str
    path: str
    body: Mapping[str, object]
    harmless: Mapping[Leaf, Sequence[object]] = field(default_factory=dict)
    not_checked: frozenset[Leaf] = frozenset()


@dataclass(frozen=True)
class BadRequest:
    """An example with one thing wrong."""

    example: Example
    leaf: Leaf
    value: object
    body: object

    def __str__(self) -> str:
        shown = str(self.value)[:30].encode("unicode_escape").decode()
        return f"{self.example.name}: {'.'.join(map(str, self.leaf)) or 'body'} = {shown}"


def leaves(value: object, at: Leaf = ()) -> Iterator[tuple[Leaf, object]]:
    """Every member of a JSON value, the whole first."""
    yield at, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*at, name))
    elif isinstance(value, list) and value:
        yield from leaves(value[0], (*at, 0))


def bad_requests(example: Example) -> Iterator[BadRequest]:
    """Every member of the example's body, with each thing that must not stand there."""
    for leaf, value in leaves(example.body):
        if leaf in example.not_checked:
            continue
        harmless = example.harmless.get(leaf, ())
        for wrong in (*WRONG[type(value)], *_wrong_references(value)):
            if not any(type(wrong) is type(good) and wrong == good for good in harmless):
                yield BadRequest(example, leaf, wrong, replaced(example.body, leaf, wrong))


def replaced(body: object, leaf: Leaf, value: object) -> object:
    """A copy of the body with another value in one place."""
    if not leaf:
        return value
    copy = deepcopy(body)
    # A dict or a list of JSON: typed so, as they have nothing in common but this.
    inner: Any = copy
    for step in leaf[:-1]:
        inner = inner[step]
    inner[leaf[-1]] = value
    return copy


def _wrong_references(value: object) -> Iterator[str]:
    """For an id: no id, an id of another kind, of nothing, of another vault's object."""
    if not isinstance(value, str) or not value.startswith(REFERENCE_PREFIX):
        return
    yield "no-id"
    yield "{vault}/replicationJobs/job"
    yield value.rpartition("/")[0] + "/nothing-of-that-name"
    yield value.replace("{vault}", "{other}")
