"""A difference for people: what comes, what changes field by field, what goes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import yaml
from rich.console import Console
from rich.text import Text

from coordinator.cli.apply.differences import Change, Difference
from coordinator.cli.apply.documents import Problem, Value
from coordinator.cli.apply.field_types import FieldChange
from coordinator.cli.apply.resources import Resource
from coordinator.cli.failures import CommandError, ExitCode

ADDED, CHANGED, REMOVED = "green", "yellow", "red"


def show_difference(console: Console, found: Difference) -> None:
    """Says what would be done, and how much stays."""
    for line in difference_lines(found):
        console.print(line)


def difference_lines(found: Difference) -> Iterator[Text]:
    """The lines of a difference."""
    for resource in found.removed:
        yield Text(f"- {resource.title}", style=REMOVED)
    for resource in found.added:
        yield Text(f"+ {resource.title}", style=ADDED)
        spec = resource.as_document()["spec"]
        yield Text(_indented(spec), style=ADDED)
    for change in found.changed:
        yield Text(f"~ {change.new.title}", style=CHANGED)
        if change.old.unfinished:
            yield Text(f"    {change.old.unfinished}: it is done again", style=CHANGED)
        for field in change.fields:
            yield Text(f"    {field_line(field)}", style=CHANGED)
    counts = (
        (len(found.added), "to add"),
        (len(found.changed), "to change"),
        (len(found.removed), "to remove"),
        (len(found.unchanged), "as it is"),
    )
    yield Text(", ".join(f"{count} {what}" for count, what in counts) + ".")


def field_line(field: FieldChange) -> str:
    """A field's change in one line."""
    if _is_list(field.old) and _is_list(field.new):
        parts = [f"+{one}" for one in field.new] + [f"-{one}" for one in field.old]  # type: ignore[union-attr] # lists: just looked
        return f"{field.field}: {', '.join(parts)}"
    return f"{field.field}: {_short(field.old)} -> {_short(field.new)}"


def plain_difference(found: Difference) -> dict[str, object]:
    """A difference for programs."""
    return {
        "added": [resource.as_document() for resource in found.added],
        "changed": [_plain_change(change) for change in found.changed],
        "removed": [_plain_name(resource) for resource in found.removed],
        "unchanged": [_plain_name(resource) for resource in found.unchanged],
    }


def unusable(problems: Sequence[Problem], console: Console) -> CommandError:
    """Says all that is wrong with files, and makes the error that ends the command."""
    for problem in problems:
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        field = f" {problem.field}:" if problem.field else ""
        console.print(Text(f"{place}:{field} {problem.message}"))
        if problem.cause:
            console.print(Text(f"  Possible cause: {problem.cause}"))
        console.print(Text(f"  Recommended action: {problem.remedy}"))
    count = len(problems)
    return CommandError(
        ExitCode.USAGE,
        f"Nothing was changed: {count} {'thing is' if count == 1 else 'things are'} wrong "
        "with the files.",
        code="BadFiles",
        recommended_action="Correct what is listed above, then run the command again.",
    )


def _plain_change(change: Change) -> dict[str, object]:
    return {
        **_plain_name(change.new),
        "fields": [
            {"field": field.field, "old": field.old, "new": field.new} for field in change.fields
        ],
        "unfinished": change.old.unfinished or None,
    }


def _plain_name(resource: Resource) -> dict[str, object]:
    return {"kind": str(resource.kind), "name": resource.name}


def _indented(value: Value) -> str:
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return "\n".join(f"    {line}" for line in text.splitlines())


def _is_list(value: Value) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _short(value: Value) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, Mapping) or _is_list(value):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
