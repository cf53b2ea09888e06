"""What machines of one request share, read once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar, cast

Read = TypeVar("Read")


@dataclass
class Surroundings:
    """Clouds, pairings, hosts and the like, for as long as one transaction.

    Rows that are read to be held are held no longer when the savepoint they were read in is rolled
    back: whoever rolls back forgets all of it.
    """

    _read: dict[Hashable, object] = field(default_factory=dict)

    def once(self, key: Hashable, read: Callable[[], Read]) -> Read:
        """What `read` gives, asked only if it was not asked before under that key."""
        if key not in self._read:
            self._read[key] = read()
        return cast("Read", self._read[key])

    def forget(self) -> None:
        """Everything is read anew."""
        self._read.clear()
