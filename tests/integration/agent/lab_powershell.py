"""The agent's PowerShell on a site of the lab, both in the test's process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.powershell.errors import PowerShellGone
from agent.powershell.transport import EndHandler, LineHandler, StartTransport
from deploy.lab.powershell.backends import Backend
from deploy.lab.powershell.in_process import InProcessPowerShell
from deploy.lab.powershell.site_backend import SiteBackend
from deploy.lab.site.site import Site


class LabTransport:
    """Carries lines; killing it ends the PowerShell while the site works on."""

    def __init__(self, lab: InProcessPowerShell, on_line: LineHandler, on_end: EndHandler) -> None:
        self._lab = lab
        self._on_line = on_line
        self._on_end = on_end
        self._reason = "left"
        # Why it was ended by force; empty when it left by itself.
        self.killed_for = ""
        self._reading = asyncio.create_task(self._read())
        self._leaving: asyncio.Task[None] | None = None

    def send(self, line: bytes) -> None:
        try:
            self._lab.write(line)
        except BrokenPipeError:
            self._reason = "the pipe is broken"

    async def flushed(self) -> None:
        return

    def close_input(self) -> None:
        self._leaving = asyncio.create_task(self._lab.close())

    def kill(self, reason: str) -> None:
        self.killed_for = reason
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
        self._on_end(PowerShellGone(self._reason))


class LabPowerShells:
    """Starts PowerShells on a site and can kill the one that runs."""

    def __init__(self, site: Site, backend: Callable[[Site], Backend] = SiteBackend) -> None:
        self._site = site
        self._backend = backend
        self.started: list[LabTransport] = []

    @property
    def start(self) -> StartTransport:
        async def start(on_line: LineHandler, on_end: EndHandler) -> LabTransport:
            transport = LabTransport(
                InProcessPowerShell(self._backend(self._site)), on_line, on_end
            )
            self.started.append(transport)
            return transport

        return start

    def kill(self) -> None:
        """Like the end of the process."""
        if self.started:
            self.started[-1].kill("killed by the test")
