"""Django's synchronous services, called from the event loop: a transaction each, on few threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

import structlog
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import DEFAULT_DB_ALIAS, InterfaceError, OperationalError

from coordinator.jobs.services import CommitUnknownError

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseAwayError(Exception):
    """PostgreSQL cannot be reached; trying again later may help."""


class Database:
    """A pool of threads with a connection each.

    A statement that waits holds up one thread; how many sessions there are does not matter.
    """

    def __init__(self, threads: int = 8) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="database")
        self._lane = Lane(self._transact)
        self._connections: set[BaseDatabaseWrapper] = set()
        self._lock = threading.Lock()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `work` in a transaction of its own, which is committed when this returns.

        `work` must be fit to be done twice: when the connection breaks in the middle of the
        commit, nobody knows whether it was done.

        Raises:
            DatabaseAwayError: There is no connection to be had.
        """
        call = partial(work, *args, **kwargs)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._transact, call)

    async def run_once(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Like `run`, for work that must not be done twice, because its answer would be lost.

        It is tried again only if the connection broke before the commit, or if the work gave an
        empty list: then it had done nothing.

        Raises:
            DatabaseAwayError: There is no connection to be had, or nobody knows whether it was
                committed, here or by the work itself.
        """
        call = Once(partial(work, *args, **kwargs))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._transact, call)

    async def run_in_turn(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Like `run_once`, one after the other in a thread of its own, which is sooner begun.

        Raises:
            DatabaseAwayError: There is no connection to be had, or nobody knows whether it was
                committed, here or by the work itself.
        """
        found: T = await self._lane.run(Once(partial(work, *args, **kwargs)))
        return found

    async def close(self) -> None:
        """Waits for what runs, then closes all connections."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._lane.close()
        for connection in self._connections:
            # Made by a thread that is no more.
            connection.inc_thread_sharing()
            connection.close()

    def _transact(self, work: Callable[[], T]) -> T:
        connection = connections[DEFAULT_DB_ALIAS]
        with self._lock:
            self._connections.add(connection)
        # A connection that broke is found out by using it; the second attempt has a new one.
        try:
            return attempt(work)
        except CommitUnknownError as error:
            connection.close()
            raise DatabaseAwayError(type(error).__name__) from error
        except (OperationalError, InterfaceError) as error:
            log.warning("database.failed", reason=type(error).__name__)
            connection.close()
        try:
            return attempt(work)
        except (OperationalError, InterfaceError) as error:
            connection.close()
            raise DatabaseAwayError(type(error).__name__) from error


@dataclass(frozen=True, slots=True)
class _Handed:
    """Work that was handed over, and who waits for it."""

    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]


class Lane:
    """A thread that does one piece of work after the other.

    An executor makes two futures for each piece and passes the answer from one to the other, and a
    machine's next command waits for that.
    """

    def __init__(self, carry_out: Callable[[Callable[[], Any]], Any]) -> None:
        self._carry_out = carry_out
        self._waiting: SimpleQueue[_Handed | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="database lane", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[], Any]) -> Any:
        """Gives what the work gives, or raises what it raises."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.put(_Handed(work, loop, done))
        return await done

    def close(self) -> None:
        """Waits for what was handed over."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        for handed in iter(self._waiting.get, None):
            try:
                found, error = self._carry_out(handed.work), None
            except Exception as raised:  # noqa: BLE001 - told to who asked
                found, error = None, raised
            if not handed.loop.is_closed():
                handed.loop.call_soon_threadsafe(_tell, handed.done, found, error)


def _tell(done: asyncio.Future[Any], found: Any, error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(found)
    else:
        done.set_exception(error)


class Once(Generic[T]):
    """Work that refuses to be done again once it came to its end.

    An empty list says that it did nothing: then no answer is lost.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = False

    def __call__(self) -> T:
        if self._done:
            raise CommitUnknownError("the connection broke in the middle of the commit")
        found = self._work()
        self._done = found != []
        return found


def attempt(work: Callable[[], T]) -> T:
    with transaction.atomic():
        return work()
