"""Django's synchronous services, called from the event loop: a transaction each, on few threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, ParamSpec, TypeVar

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

        It is tried again only if the connection broke before the commit.

        Raises:
            DatabaseAwayError: There is no connection to be had, or nobody knows whether it was
                committed, here or by the work itself.
        """
        call = Once(partial(work, *args, **kwargs))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._transact, call)

    async def close(self) -> None:
        """Waits for what runs, then closes all connections."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
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


class Once(Generic[T]):
    """Work that refuses to be done again once it came to its end."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = False

    def __call__(self) -> T:
        if self._done:
            raise CommitUnknownError("the connection broke in the middle of the commit")
        found = self._work()
        self._done = True
        return found


def attempt(work: Callable[[], T]) -> T:
    with transaction.atomic():
        return work()
