"""One public port for two TLS services: connections are passed on by the server name they ask for.

Python's gRPC either demands a client certificate of everybody on a listener or of nobody. A server
that registers has none yet, and sessions must not do without; so there are two listeners inside,
and this splices each connection to one of them. TLS is not ended here: the router sees the
greeting in the clear, as anybody on the network does, and nothing else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from coordinator.gateway.client_hello import NotTlsError, read_client_hello

log = structlog.get_logger(__name__)

CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class RouterLimits:
    """What one port serves at most.

    Attributes:
        hello_seconds: Within which a connection has to say what it wants.
        connections: Open at once; more are turned away.
    """

    hello_seconds: float = 10.0
    connections: int = 8192


class SniRouter:
    """Listens on the public port until it is stopped."""

    def __init__(
        self, choose_socket: Callable[[str], str], limits: RouterLimits = RouterLimits()
    ) -> None:
        """Makes a router.

        Args:
            choose_socket: Gives the Unix socket's address for a server name, which may be empty.
            limits: See there.
        """
        self._choose_socket = choose_socket
        self._limits = limits
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Begins to listen.

        Returns:
            The port: the one given, or a free one for 0.
        """
        self._server = await asyncio.start_server(self._accept, host, port, limit=CHUNK_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Closes the port, then every connection."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= self._limits.connections:
            log.warning("connection.turned_away", open=len(self._connections))
            await drop(writer)
            return
        self._connections.add(task)
        try:
            await self._route(reader, writer)
        except (NotTlsError, TimeoutError, OSError) as error:
            peer = writer.get_extra_info("peername")
            log.info(
                "connection.dropped", peer=str(peer), reason=str(error) or type(error).__name__
            )
        except asyncio.CancelledError:
            # Only `stop` cancels; there is nobody above who would want to know.
            log.debug("connection.stopped")
        finally:
            self._connections.discard(task)
            await drop(writer)

    async def _route(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = b""
        async with asyncio.timeout(self._limits.hello_seconds):
            while (hello := read_client_hello(received)) is None:
                more = await reader.read(CHUNK_BYTES)
                if not more:
                    return
                received += more
        keep_alive(writer.get_extra_info("socket"))
        address = self._choose_socket(hello.server_name)
        inner_reader, inner_writer = await asyncio.open_unix_connection(address, limit=CHUNK_BYTES)
        try:
            inner_writer.write(received)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(pump(reader, inner_writer))
                pumps.create_task(pump(inner_reader, writer))
        except* OSError:
            # One end is gone; so is the connection.
            log.debug("connection.reset")
        finally:
            await drop(inner_writer)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes bytes on, no faster than they are taken, until their end."""
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()


async def drop(writer: asyncio.StreamWriter) -> None:
    """Ends a connection at once, whatever is still to be sent."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


def keep_alive(connection: socket.socket) -> None:
    """Has the operating system notice a peer that is gone without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
