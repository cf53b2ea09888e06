"""The router passes each connection on, whole, and drops what is no TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest

from coordinator.gateway.sni_router import RouterLimits, SniRouter

GENEROUS = RouterLimits()


def greeting(server_name: str) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=server_name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


class EchoServer:
    """Stands behind the router: names itself, then sends back what comes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = f"\0osr-test-{uuid4()}"
        self._serving: set[asyncio.Task[None]] = set()

    async def ended(self) -> None:
        await asyncio.gather(*self._serving)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        with suppress(ConnectionError):
            writer.write(f"{self.name}:".encode())
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        await hang_up(writer)


@asynccontextmanager
async def routed(limits: RouterLimits = GENEROUS) -> AsyncIterator[int]:
    servers = {name: EchoServer(name) for name in ("one", "two")}
    listeners = [
        await asyncio.start_unix_server(server.serve, server.address) for server in servers.values()
    ]

    def choose_socket(name: str) -> str:
        return servers["two" if name == "two.example" else "one"].address

    router = SniRouter(choose_socket, limits)
    port = await router.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await router.stop()
        for listener in listeners:
            listener.close()
        await asyncio.gather(*(server.ended() for server in servers.values()))


@pytest.mark.parametrize(("name", "server"), [("two.example", b"two:"), ("else.example", b"one:")])
async def test_the_name_decides_who_answers(name: str, server: bytes) -> None:
    async with routed() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        hello = greeting(name)
        for byte in (hello[:1], hello[1:100], hello[100:]):
            writer.write(byte)
            await writer.drain()
        assert await reader.readexactly(4) == server
        assert await reader.readexactly(len(hello)) == hello
        await hang_up(writer)


async def test_much_data_passes_whole_and_so_does_its_end() -> None:
    async with routed() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        content = greeting("two.example") + bytes(range(256)) * 20_000
        writer.write(content)
        writer.write_eof()
        assert await reader.read() == b"two:" + content
        await hang_up(writer)


async def test_what_is_no_tls_is_dropped() -> None:
    async with routed() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b""
        await hang_up(writer)


async def test_who_says_nothing_is_dropped_and_does_not_hold_others() -> None:
    async with routed(RouterLimits(hello_seconds=0.2)) as port:
        silent, silent_writer = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(greeting("two.example"))
        assert await reader.readexactly(4) == b"two:"
        assert await silent.read() == b""
        await hang_up(silent_writer)
        await hang_up(writer)


async def test_one_too_many_is_turned_away() -> None:
    async with routed(RouterLimits(connections=1)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(greeting("two.example"))
        assert await reader.readexactly(4) == b"two:"
        other, other_writer = await asyncio.open_connection("127.0.0.1", port)
        assert await other.read() == b""
        await hang_up(other_writer)
        await hang_up(writer)
