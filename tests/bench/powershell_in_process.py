"""The lab's PowerShell in the process of a measurement."""

from __future__ import annotations

import asyncio

from agent.powershell.errors import PowerShellGone
from agent.powershell.transport import EndHandler, LineHandler, StartTransport
from deploy.lab.powershell.backends import Backend
from deploy.lab.powershell.in_process import InProcessPowerShell


class InProcessTransport:
    """Carries lines between the agent's client and the lab's server."""

    def __init__(self, lab: InProcessPowerShell, on_line: LineHandler, on_end: EndHandler) -> None:
        self._lab = lab
        self._on_line = on_line
        self._on_end = on_end
        self._reading = asyncio.create_task(self._read())
        self._leaving: asyncio.Task[None] | None = None

    def send(self, line: bytes) -> None:
        self._lab.write(line)

    async def flushed(self) -> None:
        return

    def close_input(self) -> None:
        self._leaving = asyncio.create_task(self._lab.close())

    def kill(self, reason: str) -> None:
        self._reading.cancel()
        self._on_end(PowerShellGone(reason))
        self.close_input()

    async def ended(self) -> None:
        await asyncio.wait({self._reading})

    async def _read(self) -> None:
        rest = b""
        while data := await self._lab.read():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._on_line(line)
        self._on_end(PowerShellGone("left"))


def starting(backend: Backend) -> StartTransport:
    """Starts PowerShells on a backend."""

    async def start(on_line: LineHandler, on_end: EndHandler) -> InProcessTransport:
        return InProcessTransport(InProcessPowerShell(backend), on_line, on_end)

    return start
