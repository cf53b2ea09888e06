"""Changes of the journal off the event loop: those that come together reach the disk together."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from agent.journal.database import Database

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class _Change:
    """A change somebody waits for."""

    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]


class JournalWriter:
    """One thread that carries out changes, as many in one transaction as wait for it.

    A lone change waits for nobody; of many the disk is asked once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: deque[_Change] = deque()
        self._working = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `work`, which changes the journal; on disk when this returns.

        Raises:
            Exception: What `work` raised; then nothing of it was kept.
        """
        loop = asyncio.get_running_loop()
        change = _Change(partial(work, *args, **kwargs), loop, loop.create_future())
        with self._lock:
            self._waiting.append(change)
            begin, self._working = not self._working, True
        if begin:
            self._thread.submit(self._work)
        result: T = await change.done
        return result

    def _work(self) -> None:
        while True:
            with self._lock:
                changes = list(self._waiting)
                self._waiting.clear()
                self._working = bool(changes)
            if not changes:
                return
            self._carry_out(changes)

    def _carry_out(self, changes: list[_Change]) -> None:
        outcomes: list[tuple[_Change, Any, Exception | None]] = []
        try:
            with self._database.transaction():
                for change in changes:
                    try:
                        outcomes.append((change, change.work(), None))
                    except Exception as error:  # noqa: BLE001 - told to who asked
                        # Its own transaction inside this one was undone; the others stand.
                        outcomes.append((change, None, error))
        except Exception as error:  # noqa: BLE001 - told to who asked
            # A border: whoever waits is told that nothing is on disk.
            outcomes = [(change, None, error) for change in changes]
        for loop in {change.loop for change in changes}:
            own = [outcome for outcome in outcomes if outcome[0].loop is loop]
            if not loop.is_closed():
                loop.call_soon_threadsafe(_tell, own)


def _tell(outcomes: list[tuple[_Change, Any, Exception | None]]) -> None:
    for change, result, error in outcomes:
        if change.done.done():
            continue
        if error is None:
            change.done.set_result(result)
        else:
            change.done.set_exception(error)
