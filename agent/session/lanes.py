"""Which commands may work at once: those that take long leave room for the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# They copy disks, for hours if need be.
LONG_VERBS = frozenset(
    {"move_replica_storage", "export_initial_replication", "import_initial_replication"}
)


class Lanes:
    """A place for each command that works; a part of them is not for long ones.

    Failover must not wait until storage has been moved.
    """

    def __init__(self, places: int) -> None:
        """Makes the lanes.

        Args:
            places: How many commands work at once; a quarter of them, at least one, is kept for
                those that do not take long, if there are two or more.
        """
        self._all = asyncio.Semaphore(places)
        self._long = asyncio.Semaphore(max(1, places - max(1, places // 4)))

    @asynccontextmanager
    async def place(self, verb: str) -> AsyncIterator[None]:
        """Held while a command of the verb works."""
        if verb not in LONG_VERBS:
            async with self._all:
                yield
            return
        async with self._long, self._all:
            yield
