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
from dataclasses import dataclass

import structlog

from coordinator.gateway.client_hello import NotTlsError, read_client_hello

log = structlog.get_logger(__name__)


# So long connections have for what their services said at their end.
LAST_WORDS_SECONDS = 1.0


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
        self.choose_socket = choose_socket
        self.limits = limits
        self._server: asyncio.Server | None = None
        self._connections: set[_Client] = set()
        self._connecting: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Begins to listen.

        Returns:
            The port: the one given, or a free one for 0.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Closes the port, then every connection.

        Services that have ended before may have said so: what they said is on its way here still.
        """
        if self._server is not None:
            self._server.close()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        connections = list(self._connections)
        closed = [asyncio.ensure_future(connection.closed()) for connection in connections]
        if closed:
            await asyncio.wait(closed, timeout=LAST_WORDS_SECONDS)
        for connection in connections:
            connection.abort()
        await asyncio.gather(*closed)

    def admits(self, client: _Client) -> bool:
        """Takes a connection in, unless there are too many."""
        if len(self._connections) >= self.limits.connections:
            log.warning("connection.turned_away", open=len(self._connections))
            return False
        self._connections.add(client)
        return True

    def connect(self, client: _Client, server_name: str) -> None:
        """Splices a connection to the service of that name."""
        task = asyncio.create_task(client.splice(self.choose_socket(server_name)))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def forget(self, client: _Client) -> None:
        self._connections.discard(client)


class _End(asyncio.Protocol):
    """One end of a spliced connection: what comes in here goes out at the other, no faster.

    No streams: they copy each chunk twice and wake a task for it, of which the gateway had more
    work than of its messages.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._other: _End | None = None
        self._closed = asyncio.get_running_loop().create_future()
        self.at_eof = False

    def join(self, other: _End) -> None:
        self._other, other._other = other, self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's stream transports are what servers and clients of streams are given.
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._other is not None:
            self._other.write(data)

    def eof_received(self) -> bool:
        """This direction is over; the other may go on."""
        self.at_eof = True
        if self._other is None:
            return False
        self._other.end()
        if self._other.at_eof:
            self._other.close()
        return not self._other.at_eof

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other.pause()

    def resume_writing(self) -> None:
        if self._other is not None:
            self._other.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed.done():
            self._closed.set_result(None)
        if self._other is not None:
            # What is on its way to an end that closed well still arrives.
            self._other.close() if exc is None else self._other.abort()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def end(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def closed(self) -> None:
        await self._closed


class _Client(_End):
    """The end that came from outside: says first which service it wants."""

    def __init__(self, router: SniRouter) -> None:
        super().__init__()
        self._router = router
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self._router.admits(self):
            self.abort()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(
            self._router.limits.hello_seconds, self._drop, "it said nothing in time"
        )

    def data_received(self, data: bytes) -> None:
        if self._other is not None:
            self._other.write(data)
            return
        self._received += data
        try:
            hello = read_client_hello(self._received)
        except NotTlsError as error:
            self._drop(str(error))
            return
        if hello is not None:
            self.pause()
            self._router.connect(self, hello.server_name)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_timer()
        self._router.forget(self)

    async def splice(self, address: str) -> None:
        """Connects with the service, and passes on what it was sent already."""
        self._stop_timer()
        try:
            inner = await _connected_end(address)
        except OSError as error:
            self._drop(str(error))
            return
        if self._transport is None or self._transport.is_closing():
            inner.abort()
            return
        keep_alive(self._transport.get_extra_info("socket"))
        self.join(inner)
        inner.write(self._received)
        self._received = b""
        self.resume()

    def _drop(self, reason: str) -> None:
        peer = None if self._transport is None else self._transport.get_extra_info("peername")
        log.info("connection.dropped", peer=str(peer), reason=reason)
        self.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


async def _connected_end(address: str) -> _End:
    """Connected with a service.

    Raises:
        OSError: Nobody listens there.
    """
    loop = asyncio.get_running_loop()
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    try:
        # By hand: libuv takes no abstract address for a path.
        await loop.sock_connect(connection, address)
        _, end = await loop.create_unix_connection(_End, sock=connection)
    except BaseException:
        connection.close()
        raise
    return end


def keep_alive(connection: socket.socket) -> None:
    """Has the operating system notice a peer that is gone without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
