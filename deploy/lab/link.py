"""The network between a site's agent and the gateway: a relay that can be frozen.

A frozen relay is what a broken network is to both ends: nothing comes, and nobody says so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal

import structlog

log = structlog.get_logger(__name__)

CHUNK_BYTES = 64 * 1024


async def relay(port: int, target: tuple[str, int], stop: asyncio.Event) -> None:
    """Passes bytes on, both ways, until told to stop.

    Args:
        port: Of the loopback interface, where agents connect.
        target: Host and port of the gateway.
        stop: Ends it.
    """
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_join((reader, writer), target), name="link")
        connections.add(task)
        task.add_done_callback(connections.discard)

    async with await asyncio.start_server(connected, "127.0.0.1", port):
        log.info("link.opened", port=port, target=f"{target[0]}:{target[1]}")
        await stop.wait()
    for task in connections:
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


async def _join(
    agent: tuple[asyncio.StreamReader, asyncio.StreamWriter], target: tuple[str, int]
) -> None:
    """Ends both directions when one of them ends: each side sees the other's end."""
    try:
        gateway = await asyncio.open_connection(*target)
    except OSError:
        agent[1].close()
        return
    directions = {
        asyncio.create_task(_pass_on(agent[0], gateway[1]), name="link out"),
        asyncio.create_task(_pass_on(gateway[0], agent[1]), name="link in"),
    }
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        for writer in (agent[1], gateway[1]):
            writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()


async def _run(port: int, target: tuple[str, int]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await relay(port, target, stop)


def main() -> None:
    """`python -m deploy.lab.link --port 40001 --target 127.0.0.1:8443`."""
    parser = argparse.ArgumentParser(prog="deploy.lab.link", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--target", required=True, metavar="HOST:PORT")
    options = parser.parse_args()
    host, _, port = options.target.rpartition(":")
    asyncio.run(_run(options.port, (host, int(port))))


if __name__ == "__main__":
    main()
