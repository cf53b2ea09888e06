"""JSON objects, one a line, over a unix socket: many requests at a time on one connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from deploy.lab import unix_sockets

log = structlog.get_logger(__name__)

LINE_LIMIT_BYTES = 256 * 1024**2

Request = dict[str, Any]
Handler = Callable[[Request], Awaitable[Request]]


class HangUpError(Exception):
    """A handler wants the connection broken without an answer."""


class JsonLinesServer:
    """Answers each line with what the handler returns and the line's ``id``.

    Work that has begun goes on when the other end disappears, as WMI jobs do.

    Args:
        path: The socket; an old one is replaced. Only its owner may use it.
        handler: Takes a request, returns the answer; an exception breaks only its connection.
    """

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path = path
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        # Not start_unix_server: newer Pythons would unlink the address it was bound under.
        self._server = await asyncio.start_server(
            self._accept, sock=unix_sockets.bound(self._path), limit=LINE_LIMIT_BYTES
        )

    async def close(self) -> None:
        """Stop listening, break connections, give up what still runs."""
        if self._server is None:
            return
        self._server.close()
        tasks = [*self._connections, *self._working]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
        try:
            while line := await reader.readline():
                request = json.loads(line)
                if not request.get("cancel"):  # work that was begun cannot be called back
                    work = asyncio.create_task(self._answer(request, writer))
                    self._working.add(work)
                    work.add_done_callback(self._working.discard)
        except (OSError, ValueError) as error:
            log.info("connection.broken", socket=self._path.name, reason=type(error).__name__)
        finally:
            writer.close()
            if task is not None:
                self._connections.discard(task)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._handler(request)
        except HangUpError:
            writer.transport.abort()
            return
        except Exception:  # border: a request's failure must not end the daemon
            log.exception("request.failed", socket=self._path.name)
            writer.transport.abort()
            return
        if not writer.is_closing():
            writer.write(json.dumps({"id": request.get("id"), **answer}).encode() + b"\n")
            await writer.drain()
