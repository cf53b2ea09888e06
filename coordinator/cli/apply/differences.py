"""What has to be done to a vault to make it what files say: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.cli.apply.documents import Problem
from coordinator.cli.apply.field_types import FieldChange, changes
from coordinator.cli.apply.kinds import SCHEMAS, Kind
from coordinator.cli.apply.resources import Resource

REMOVERS = {
    Kind.POLICY: "osr policy delete",
    Kind.PAIRING: "osr pair remove",
    Kind.NETWORK_MAPPING: "osr network unmap",
    Kind.STORAGE_MAPPING: "osr storage unmap",
    Kind.BANDWIDTH_LIMIT: "osr bandwidth remove",
    Kind.RECOVERY_PLAN: "osr plan delete",
}


@dataclass(frozen=True)
class Change:
    """A resource that is there and is to become something else.

    Attributes:
        old: As the vault has it.
        new: As a file says.
        fields: What differs; nothing when the old one is only unfinished.
    """

    old: Resource
    new: Resource
    fields: Sequence[FieldChange]


@dataclass(frozen=True)
class Difference:
    """Files beside a vault, in the order in which it has to be done.

    Attributes:
        removed: What no file says, last things first; only looked for when it is to go.
    """

    added: Sequence[Resource] = ()
    changed: Sequence[Change] = ()
    unchanged: Sequence[Resource] = ()
    removed: Sequence[Resource] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.changed or self.removed)


def difference(
    wanted: Sequence[Resource], existing: Sequence[Resource], *, prune: bool = False
) -> Difference:
    """What makes `existing` what `wanted` says.

    Args:
        wanted: Of the files, each key once.
        existing: Of the vault, each key once.
        prune: Whether what no file says is to go.
    """
    known = {resource.key: resource for resource in existing}
    keys = {resource.key for resource in wanted}
    added: list[Resource] = []
    changed: list[Change] = []
    unchanged: list[Resource] = []
    for resource in in_order(wanted):
        old = known.get(resource.key)
        if old is None:
            added.append(resource)
            continue
        fields = tuple(changes(SCHEMAS[resource.kind].spec, old.spec, resource.spec, ("spec",)))
        if fields or old.unfinished:
            changed.append(Change(old, resource, fields))
        else:
            unchanged.append(old)
    removed = [
        resource
        for resource in reversed(in_order(existing))
        if prune and resource.key not in keys and SCHEMAS[resource.kind].can_be_removed
    ]
    return Difference(added, changed, unchanged, removed)


def in_order(resources: Sequence[Resource]) -> list[Resource]:
    """What others need comes first; within a kind by name."""
    order = {kind: index for index, kind in enumerate(Kind)}
    return sorted(resources, key=lambda one: (order[one.kind], one.key))


def fixed_problems(found: Difference) -> list[Problem]:
    """Changes that cannot be made to a thing that is there."""
    return [
        change.new.document.problem(
            field.path,
            f"{field.old!r} cannot be changed to {field.new!r} in {change.new.title}.",
            "It is what the thing was made of.",
            f"Remove it first ({REMOVERS[change.new.kind]}), or change the file back.",
        )
        for change in found.changed
        for field in change.fields
        if field.fixed
    ]


def converged(existing: Sequence[Resource], found: Difference) -> list[Resource]:
    """What the vault has once everything was done."""
    gone = {resource.key for resource in found.removed}
    news = {change.new.key: change.new for change in found.changed}
    kept = [news.get(one.key, one) for one in existing if one.key not in gone]
    return [*kept, *found.added]
