"""What fields of a document may hold: reading them, and telling two of them apart; all pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from coordinator.cli.apply.documents import Document, Path, Problem, Value, shown_path

UNITS = {"bps": 1, "kbps": 10**3, "mbps": 10**6, "gbps": 10**9}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(bps|kbps|mbps|gbps)", re.IGNORECASE)
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class Missing:
    """Stands for the default of a field that must be there."""


REQUIRED = Missing()


@dataclass(frozen=True)
class Text:
    """A text.

    Attributes:
        choices: What it may be, whatever the case; empty: anything.
        may_be_empty: Whether "" is one.
        folded: Whether upper and lower case are alike: names of things are.
    """

    choices: Sequence[str] = ()
    may_be_empty: bool = False
    folded: bool = False


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds, or one of some; None if it may be nothing."""

    low: int = 0
    high: int = 2**31 - 1
    choices: Sequence[int] = ()
    may_be_nothing: bool = False


@dataclass(frozen=True)
class YesNo:
    """true or false."""


@dataclass(frozen=True)
class Rate:
    """Bits a second: a number, or a text such as 20Mbps; None: no limit."""

    may_be_nothing: bool = False


@dataclass(frozen=True)
class TimeOfDay:
    """HH:MM."""


@dataclass(frozen=True)
class Names:
    """A list of different names, whose order and case mean nothing.

    Attributes:
        choices: What they may be, in the order in which they are written; empty: anything.
        at_least: How many there must be.
    """

    choices: Sequence[str] = ()
    at_least: int = 0


@dataclass(frozen=True)
class ListOf:
    """A list whose order counts."""

    each: Record


@dataclass(frozen=True)
class Field:
    """A field of a record.

    Attributes:
        default: What it is when it is not said; a record's default is that of its fields.
        fixed: Whether it cannot be changed once the thing is there.
    """

    name: str
    type: FieldType
    default: Value | Missing = REQUIRED
    fixed: bool = False


@dataclass(frozen=True)
class Record:
    """Fields with names.

    Attributes:
        check: Says what does not fit together: path below the record, message, what to do.
    """

    fields: Sequence[Field]
    check: Callable[[Mapping[str, Value]], tuple[Path, str, str] | None] | None = None


FieldType: TypeAlias = Text | Whole | YesNo | Rate | TimeOfDay | Names | ListOf | Record


@dataclass(frozen=True)
class FieldChange:
    """A field that is to become something else; for lists of names, which come and which go."""

    path: Path
    old: Value
    new: Value
    fixed: bool = False

    @property
    def field(self) -> str:
        return shown_path(self.path)


class Reader:
    """Reads the values of one document, and collects what is wrong with them."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []

    def read(self, kind: FieldType, given: Value, path: Path) -> Value:
        """A value in the one form it has for comparing; None after a problem."""
        found: Value
        match kind:
            case Record():
                found = self._record(kind, given, path)
            case ListOf():
                found = self._list(kind, given, path)
            case Names():
                found = self._names(kind, given, path)
            case Text():
                found = self._text(kind, given, path)
            case Whole():
                found = self._whole(kind, given, path)
            case Rate():
                found = self._rate(kind, given, path)
            case TimeOfDay():
                found = self._time(given, path)
            case YesNo():
                found = given
                if not isinstance(given, bool):
                    self._wrong(path, given, "true or false")
        return found

    def _record(self, kind: Record, given: Value, path: Path) -> Value:
        if not isinstance(given, Mapping):
            self._wrong(path, given, "fields with names")
            return None
        before = len(self.problems)
        known = {field.name for field in kind.fields}
        for name in given:
            if name not in known:
                self._unknown((*path, name), sorted(known))
        found: dict[str, Value] = {}
        for field in kind.fields:
            where = (*path, field.name)
            if field.name in given:
                found[field.name] = self.read(field.type, given[field.name], where)
            elif isinstance(field.default, Missing):
                self._missing(where)
            else:
                # Defaults are read, too: they get the same form.
                found[field.name] = self.read(field.type, field.default, where)
        if kind.check is not None and len(self.problems) == before:
            wrong = kind.check(found)
            if wrong is not None:
                below, message, remedy = wrong
                self._say((*path, *below), message, "Fields do not fit together.", remedy)
        return found

    def _list(self, kind: ListOf, given: Value, path: Path) -> Value:
        if not isinstance(given, Sequence) or isinstance(given, str):
            self._wrong(path, given, "a list")
            return None
        return [self.read(kind.each, one, (*path, index)) for index, one in enumerate(given)]

    def _names(self, kind: Names, given: Value, path: Path) -> Value:
        if not isinstance(given, Sequence) or isinstance(given, str):
            self._wrong(path, given, "a list of names")
            return None
        found: dict[str, str] = {}
        for index, one in enumerate(given):
            text = self._text(Text(choices=kind.choices), one, (*path, index))
            if not isinstance(text, str):
                continue
            if text.casefold() in found:
                self._say((*path, index), f'"{text}" is there twice.', "", "Leave one out.")
            found[text.casefold()] = text
        if len(found) < kind.at_least:
            self._wrong(path, given, f"at least {kind.at_least} of them")
        order = {choice: index for index, choice in enumerate(kind.choices)}
        return sorted(found.values(), key=lambda name: (order.get(name, 0), name.casefold()))

    def _text(self, kind: Text, given: Value, path: Path) -> Value:
        # A name or version that looks like a number is still one.
        text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
        if not isinstance(text, str) or not (text.strip() or kind.may_be_empty):
            self._wrong(path, given, " or ".join(kind.choices) or "a text")
            return None
        if not kind.choices:
            return text.strip()
        for choice in kind.choices:
            if choice.casefold() == text.strip().casefold():
                return choice
        self._wrong(path, given, " or ".join(kind.choices))
        return None

    def _whole(self, kind: Whole, given: Value, path: Path) -> Value:
        if given is None and kind.may_be_nothing:
            return None
        allowed = " or ".join(str(one) for one in kind.choices)
        if not isinstance(given, int) or isinstance(given, bool):
            self._wrong(path, given, allowed or f"a whole number from {kind.low} to {kind.high}")
        elif kind.choices and given not in kind.choices:
            self._wrong(path, given, allowed)
        elif not kind.low <= given <= kind.high:
            self._wrong(path, given, f"from {kind.low} to {kind.high}")
        return given

    def _rate(self, kind: Rate, given: Value, path: Path) -> Value:
        if given is None and kind.may_be_nothing:
            return None
        if isinstance(given, int) and not isinstance(given, bool) and given > 0:
            return given
        parts = _RATE.fullmatch(given.strip()) if isinstance(given, str) else None
        if parts is None:
            self._wrong(path, given, "bits a second, such as 20Mbps")
            return None
        return round(float(parts[1]) * UNITS[parts[2].lower()])

    def _time(self, given: Value, path: Path) -> Value:
        parts = _TIME.fullmatch(given) if isinstance(given, str) else None
        if parts is None:
            self._wrong(path, given, "a time of day, such as 08:00")
            return None
        return f"{int(parts[1]):02}:{parts[2]}"

    def _wrong(self, path: Path, given: Value, allowed: str) -> None:
        self._say(path, f"{given!r} cannot be here.", f"It must be {allowed}.", f"Give {allowed}.")

    def _missing(self, path: Path) -> None:
        self._say(path, "The field is missing.", "It has no default.", f"Add {path[-1]}.")

    def _unknown(self, path: Path, known: Sequence[str]) -> None:
        self._say(
            path,
            "There is no such field.",
            "It is misspelt, or belongs elsewhere.",
            f"Use one of: {', '.join(known)}.",
        )

    def _say(self, path: Path, message: str, cause: str, remedy: str) -> None:
        self.problems.append(self._document.problem(path, message, cause, remedy))


def changes(kind: FieldType, old: Value, new: Value, path: Path = ()) -> Iterator[FieldChange]:
    """Field by field, what makes the one value the other; nothing when they mean the same."""
    match kind:
        case Record():
            olds, news = _mapping(old), _mapping(new)
            for field in kind.fields:
                where = (*path, field.name)
                for one in changes(field.type, olds.get(field.name), news.get(field.name), where):
                    yield FieldChange(one.path, one.old, one.new, one.fixed or field.fixed)
        case ListOf():
            yield from _list_changes(kind, _sequence(old), _sequence(new), path)
        case Names():
            olds = {str(one).casefold(): one for one in _sequence(old)}
            news = {str(one).casefold(): one for one in _sequence(new)}
            gone = [name for key, name in olds.items() if key not in news]
            come = [name for key, name in news.items() if key not in olds]
            if gone or come:
                yield FieldChange(path, gone, come)
        case Text(folded=True):
            if str(old).casefold() != str(new).casefold():
                yield FieldChange(path, old, new)
        case _:
            if old != new:
                yield FieldChange(path, old, new)


def _list_changes(
    kind: ListOf, olds: Sequence[Value], news: Sequence[Value], path: Path
) -> Iterator[FieldChange]:
    for index in range(max(len(olds), len(news))):
        where = (*path, index)
        if index >= len(news):
            yield FieldChange(where, olds[index], None)
        elif index >= len(olds):
            yield FieldChange(where, None, news[index])
        else:
            yield from changes(kind.each, olds[index], news[index], where)


def _mapping(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Value) -> Sequence[Value]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def written(kind: FieldType, value: Value) -> Value:
    """A value as a file has it: without fields that say nothing, rates as people write them."""
    match kind:
        case Record() if isinstance(value, Mapping):
            texts = {field.name: written(field.type, value[field.name]) for field in kind.fields}
            needed = {field.name for field in kind.fields if isinstance(field.default, Missing)}
            return {
                name: text
                for name, text in texts.items()
                if name in needed or text not in (None, "", [], {})
            }
        case ListOf():
            return [written(kind.each, one) for one in _sequence(value)]
        case Rate() if isinstance(value, int):
            for unit, size in (("Gbps", 10**9), ("Mbps", 10**6), ("Kbps", 10**3)):
                if value % size == 0:
                    return f"{value // size}{unit}"
            return value
        case _:
            return value
