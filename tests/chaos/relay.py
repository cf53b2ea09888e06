"""The link between an agent and the gateway, which can be cut."""

from __future__ import annotations

import asyncio
import threading
from asyncio import StreamReader, StreamWriter
from contextlib import suppress

CHUNK_BYTES = 65536


class Relay:
    """Passes connections on to an endpoint, from a thread of its own.

    While it is cut nothing passes and nothing is lost, as when packets are dropped: whoever waits
    long enough gets what was sent, others give up and connect anew.

    Args:
        endpoint: "host:port" of who is connected to.
    """

    def __init__(self, endpoint: str) -> None:
        host, _, port = endpoint.rpartition(":")
        self._target = (host, int(port))
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._passable: asyncio.Event
        self._over: asyncio.Event
        self._pumps: set[asyncio.Task[None]] = set()
        self.port = 0

    def start(self) -> None:
        """Listens on a free port of this machine."""
        self._thread.start()
        self._ready.wait()

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._passable.clear)

    def heal(self) -> None:
        self._loop.call_soon_threadsafe(self._passable.set)

    def close(self) -> None:
        """Ends every connection."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._passable, self._over = asyncio.Event(), asyncio.Event()
        self._passable.set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        await self._passable.wait()
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        for source, target in ((reader, there_writer), (there_reader, writer)):
            pump = asyncio.create_task(self._pump(source, target))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: StreamReader, target: StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await source.read(CHUNK_BYTES):
                    await self._passable.wait()
                    target.write(data)
                    await target.drain()
        finally:
            target.close()
