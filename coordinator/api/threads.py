"""Database work of requests, in a bounded number of threads that keep their connections.

Django gives each request of an ASGI server a thread, and so a database connection, of its own.
Here instead a few threads serve all requests: a flood waits its turn, PostgreSQL does not feel it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import close_old_connections

T = TypeVar("T")

THREADS = 8


class DatabaseThreads:
    """The threads of one process."""

    def __init__(self, threads: int = THREADS) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="api-database")

    async def run(self, work: Callable[[], T]) -> T:
        """Runs work that uses the database; what it raises is raised here."""
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, context.run, _with_connection, work)


def _with_connection(work: Callable[[], T]) -> T:
    """Drops the thread's connection first if it has died or is too old."""
    close_old_connections()
    return work()


database_threads = DatabaseThreads()
