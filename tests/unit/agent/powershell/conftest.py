"""The tests' PowerShell, as a process and in memory."""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.powershell.errors import PowerShellGone
from agent.powershell.pool import PowerShellPool
from agent.powershell.transport import EndHandler, LineHandler, StartTransport

PROGRAM = Path(__file__).with_name("psrp_server.py")


class InMemoryTransport:
    """Both ends of PSRP in one event loop, fed to each other line by line."""

    def __init__(self, server_type: Any, on_line: LineHandler, on_end: EndHandler) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self._over = asyncio.Event()
        self._server = server_type(
            lambda line: self._loop.call_soon(on_line, line.rstrip(b"\n")), self._leave
        )

    def send(self, line: bytes) -> None:
        self._loop.call_soon(self._server.feed, line.decode())

    async def flushed(self) -> None:
        return

    def close_input(self) -> None:
        self.kill("its input ended")

    def kill(self, reason: str) -> None:
        if not self._over.is_set():
            self._over.set()
            self._on_end(PowerShellGone(reason))

    async def ended(self) -> None:
        await self._over.wait()

    def _leave(self, code: int) -> None:
        self.kill(f"left with {code}")


@pytest.fixture
def command_line() -> tuple[str, ...]:
    return (sys.executable, str(PROGRAM))


@pytest.fixture
def in_memory() -> StartTransport:
    specification = importlib.util.spec_from_file_location("psrp_server", PROGRAM)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)

    async def start(on_line: LineHandler, on_end: EndHandler) -> InMemoryTransport:
        return InMemoryTransport(module.Server, on_line, on_end)

    return start


@pytest.fixture(params=["process", "in memory"])
async def pool(
    request: pytest.FixtureRequest, command_line: tuple[str, ...], in_memory: StartTransport
) -> AsyncIterator[PowerShellPool]:
    powershell = command_line if request.param == "process" else in_memory
    made = PowerShellPool(powershell, max_runspaces=8, stop_grace_seconds=0.5)
    yield made
    await made.close()
