"""One at a time for each copy of a machine: commands, and what the agent does by itself."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class MachineTurns:
    """Locks that let waiters in by the order of their arrival; one that nobody holds is gone."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def of(self, host: str, vm_id: str) -> asyncio.Lock:
        """The lock of the copy on that host."""
        return self._turns.setdefault((host.casefold(), vm_id.casefold()), asyncio.Lock())
