"""The program that a provider of the lab starts instead of powershell.exe."""

import argparse
import asyncio
import os
import sys
import threading
from pathlib import Path

from deploy.lab.powershell.backends import SocketBackend
from deploy.lab.powershell.server import PowerShellServer, ProtocolFaultError

_CHUNK_BYTES = 1 << 20


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="powershell", allow_abbrev=False)
    parser.add_argument("--site-socket", type=Path, required=True, metavar="PATH")
    # powershell.exe's own, in any case: server mode is the only mode the lab has.
    for flag in ("-nologo", "-noprofile", "-noninteractive"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("-s", "-servermode", action="store_true", dest="server_mode", required=True)
    lowered = [
        each if each.startswith("--") or not each.startswith("-") else each.lower()
        for each in arguments
    ]
    return parser.parse_args(lowered)


def _read_stdin(loop: asyncio.AbstractEventLoop, received: asyncio.Queue[bytes]) -> None:
    """Hands over standard input, an empty piece at its end.

    A thread of its own, since standard input can be a file, which an event loop cannot watch.
    """
    while True:
        data = os.read(sys.stdin.fileno(), _CHUNK_BYTES)
        loop.call_soon_threadsafe(received.put_nowait, data)
        if not data:
            return


async def _serve(socket: Path) -> int:
    """Serves standard input until its end."""
    received: asyncio.Queue[bytes] = asyncio.Queue()
    arguments = (asyncio.get_running_loop(), received)
    # A daemon: it must not hold up the exit after malformed input.
    threading.Thread(target=_read_stdin, args=arguments, daemon=True).start()
    backend = SocketBackend(socket)
    server = PowerShellServer(backend, _write)
    try:
        while data := await received.get():
            server.feed(data)
    except ProtocolFaultError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BrokenPipeError:
        return 0
    finally:
        await server.aclose()
        await backend.aclose()
    return 0


def _write(data: bytes) -> None:
    """Blocking on purpose: a client that does not read holds powershell.exe up as well."""
    view = memoryview(data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]


def main() -> int:
    socket: Path = _arguments(sys.argv[1:]).site_socket
    return asyncio.run(_serve(socket))


if __name__ == "__main__":
    sys.exit(main())
