"""Where bound cmdlets go: the interface, and a site's daemon behind its socket."""

import asyncio
import contextlib
import json
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from deploy.lab import unix_sockets
from deploy.lab.invocation import ErrorRecord, Invocation, InvocationResult
from deploy.lab.wire import decode_result, encode_invocation

# Answers hold whole inventories; the default limit of a stream's line is 64 KiB.
_LINE_LIMIT_BYTES = 256 * 1024 * 1024
_CONNECT_LIMIT_SECONDS = 10.0


class Backend(Protocol):
    """Carries out one bound cmdlet."""

    async def invoke(self, call: Invocation) -> InvocationResult:
        """The result; a failure of the cmdlet is in its errors, never an exception."""
        ...


class SocketBackend:
    """A site's daemon, one JSON object a line each way; connects when first used, again when lost.

    When the daemon cannot be reached (the site has no power) every cmdlet ends with an error
    record, as it does when the VMM server or a host does not answer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def invoke(self, call: Invocation) -> InvocationResult:
        try:
            writer = await self._connected()
            number = next(self._numbers)
            answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            self._waiting[number] = answer
            request = {"id": number, "invocation": encode_invocation(call)}
            writer.write(json.dumps(request).encode() + b"\n")
            try:
                await writer.drain()
                return decode_result(await answer)
            finally:
                self._waiting.pop(number, None)
        except OSError as error:
            return InvocationResult(errors=(_unreachable(call, error),))

    async def aclose(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._writer is None:
                # In a thread: a daemon that is stopped lets connections wait.
                connection = await asyncio.to_thread(
                    unix_sockets.connected, self._path, _CONNECT_LIMIT_SECONDS
                )
                connection.setblocking(False)
                reader, self._writer = await asyncio.open_unix_connection(
                    sock=connection, limit=_LINE_LIMIT_BYTES
                )
                self._reading = asyncio.create_task(self._read_answers(reader, self._writer))
            return self._writer

    async def _read_answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        lost = "The connection to the server was lost."
        try:
            while line := await reader.readline():
                answer = json.loads(line)
                waiting = self._waiting.get(answer["id"])
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer["result"])
        except (OSError, ValueError) as error:
            lost = str(error)
        finally:
            self._writer = None
            writer.close()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionError(lost))


def _unreachable(call: Invocation, error: OSError) -> ErrorRecord:
    return ErrorRecord(
        error_id="ConnectionFailed",
        category="ConnectionError",
        message=f"The server could not be reached. {error.strerror or error}",
        exception_type="System.Management.Automation.Remoting.PSRemotingTransportException",
        activity=call.cmdlet,
        terminating=True,
    )
