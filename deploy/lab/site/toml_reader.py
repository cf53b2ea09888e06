"""Reading TOML tables strictly: wrong type, missing or unknown key are errors that say where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T", str, int, bool)


class TopologyError(ValueError):
    """The topology is not usable; the text names the place and the reason."""


class TableReader:
    """One table; every key that is read is ticked off, and ``finish`` refuses the others.

    Args:
        data: The table.
        where: Its place, for error texts ("sites[0].clouds[1]").
    """

    def __init__(self, data: Any, where: str) -> None:
        if not isinstance(data, Mapping):
            raise TopologyError(f"{where}: must be a table")
        self._data = data
        self.where = where
        self._seen: set[str] = set()

    def place(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def _get(self, key: str, kind: type[T], default: T | None) -> T:
        self._seen.add(key)
        value = self._data.get(key, default)
        if value is None:
            raise TopologyError(f"{self.place(key)}: is missing")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise TopologyError(f"{self.place(key)}: must be of type {kind.__name__}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, str, default)
        if not value.strip() and default is None:
            raise TopologyError(f"{self.place(key)}: must not be empty")
        return value

    def integer(self, key: str, default: int | None = None, *, least: int = 0) -> int:
        value = self._get(key, int, default)
        if value < least:
            raise TopologyError(f"{self.place(key)}: must be at least {least}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        return self._get(key, bool, default)

    def number(self, key: str, default: float, *, above: float = 0.0) -> float:
        self._seen.add(key)
        value = self._data.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= above:
            raise TopologyError(f"{self.place(key)}: must be a number above {above}")
        return float(value)

    def _list(self, key: str) -> list[Any]:
        self._seen.add(key)
        value = self._data.get(key, [])
        if not isinstance(value, list):
            raise TopologyError(f"{self.place(key)}: must be a list")
        return value

    def texts(self, key: str) -> list[str]:
        values = self._list(key)
        if not all(isinstance(value, str) and value for value in values):
            raise TopologyError(f"{self.place(key)}: must be a list of names")
        return values

    def tables(self, key: str) -> list[TableReader]:
        return [
            TableReader(value, f"{self.place(key)}[{index}]")
            for index, value in enumerate(self._list(key))
        ]

    def names_or_tables(self, key: str) -> list[TableReader]:
        """A list whose items are tables with a name, or only the name."""
        return [
            TableReader(
                {"name": value} if isinstance(value, str) else value,
                f"{self.place(key)}[{index}]",
            )
            for index, value in enumerate(self._list(key))
        ]

    def has(self, key: str) -> bool:
        return key in self._data

    def with_defaults(self, defaults: Mapping[str, Any]) -> TableReader:
        """The same table; keys it lacks are taken from the defaults."""
        return TableReader({**defaults, **self._data}, self.where)

    def raw(self) -> dict[str, Any]:
        """All keys as they are written, to be read later as defaults of another table."""
        self._seen |= set(self._data)
        return dict(self._data)

    def table(self, key: str) -> TableReader:
        self._seen.add(key)
        return TableReader(self._data.get(key, {}), self.place(key))

    def finish(self) -> None:
        unknown = sorted(set(self._data) - self._seen)
        if unknown:
            raise TopologyError(f"{self.where or 'topology'}: unknown key {', '.join(unknown)}")

    def one_of(self, key: str, known: list[str], default: str | None = None) -> str:
        """A text that names something defined elsewhere."""
        value = self.text(key, default)
        if value not in known and value != default:
            raise TopologyError(
                f"{self.place(key)}: '{value}' is not defined (known: {', '.join(known) or 'none'})"
            )
        return value

    def some_of(self, key: str, known: list[str]) -> list[str]:
        values = self.texts(key)
        for value in values:
            if value not in known:
                raise TopologyError(
                    f"{self.place(key)}: '{value}' is not defined (known: {', '.join(known)})"
                )
        return values


def unique(names: list[str], where: str) -> list[str]:
    """The names again; raises TopologyError when two are the same in any case."""
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise TopologyError(f"{where}: '{name}' is there twice")
        seen.add(name.lower())
    return names
