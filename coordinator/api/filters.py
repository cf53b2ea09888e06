"""The `$filter` of ASR's lists: "Name eq 'value'" joined by "and"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from coordinator.failures import refuse

CLAUSE = re.compile(
    r"\s*(?P<name>[A-Za-z]+)\s+eq\s+(?:'(?P<quoted>(?:[^']|'')*)'|(?P<bare>[^\s']+))\s*"
)
AND = re.compile(r"and\b", re.IGNORECASE)


def parse_filter(text: str, known: Collection[str]) -> Mapping[str, str]:
    """Reads a filter.

    Args:
        text: The parameter's value; "" is no filter.
        known: Names the list can be filtered by, in their official case.

    Returns:
        Value by name in its official case.

    Raises:
        RefusedError: It is no filter of that form, or has a name the list does not know.
    """
    official = {name.lower(): name for name in known}
    values: dict[str, str] = {}
    position = 0
    while position < len(text):
        clause = CLAUSE.match(text, position)
        name = official.get(clause["name"].lower()) if clause else None
        if clause is None or name is None:
            raise _unreadable(text, known)
        quoted = clause["quoted"]
        values[name] = clause["bare"] if quoted is None else quoted.replace("''", "'")
        position = clause.end()
        if position < len(text):
            joint = AND.match(text, position)
            if joint is None or joint.end() == len(text):
                raise _unreadable(text, known)
            position = joint.end()
    return values


def parse_time(name: str, text: str, place: str = "$filter") -> datetime:
    """Reads a time of a filter; without a zone it is UTC, as ASR's clients mean it.

    Raises:
        RefusedError: It is no ISO 8601 time.
    """
    # Seven digits of fraction are what .NET writes; Python reads six.
    shortened = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    try:
        time = datetime.fromisoformat(shortened)
    except ValueError:
        raise refuse(
            "InvalidFilter",
            f"{name} in the {place} is no time: '{text}'.",
            causes=["The time is not written as ISO 8601, for example 2026-07-01T10:00:00Z."],
            action="Write the time as ISO 8601.",
            field=place,
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _unreadable(text: str, known: Collection[str]) -> Exception:
    names = ", ".join(sorted(known)) or "none"
    return refuse(
        "InvalidFilter",
        f"The filter cannot be used: {text}",
        causes=[
            "It is not written as Name eq 'value', several joined by and.",
            f"It uses a name this list is not filtered by. Known names: {names}.",
        ],
        action="Correct the $filter parameter or leave it out.",
        field="$filter",
    )


def unknown_value(name: str, word: str, known: Iterable[str]) -> Exception:
    """The refusal of a value that its name cannot have."""
    return refuse(
        "InvalidFilter",
        f"{name} in $filter cannot be '{word}'.",
        causes=[f"Known values: {', '.join(known)}."],
        action="Use one of the known values, or leave it out.",
        field="$filter",
    )
