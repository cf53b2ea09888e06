"""PowerShell without a process: the same bytes as over the standard streams, in one event loop."""

import asyncio

from deploy.lab.powershell.backends import Backend
from deploy.lab.powershell.command_facts import CommandTable
from deploy.lab.powershell.server import PowerShellServer, ProtocolFaultError


class InProcessPowerShell:
    """Stands where a powershell.exe subprocess would stand.

    Args:
        backend: Carries out bound cmdlets.
        table: What is documented about the cmdlets; the committed table when left out.

    `write` is the process's standard input, `read` its standard output. `returncode` is None until
    it has ended: 0 after `close`, 1 after malformed input, with the reason in `stderr`.
    """

    def __init__(self, backend: Backend, table: CommandTable | None = None) -> None:
        self.returncode: int | None = None
        self.stderr = b""
        self._output = bytearray()
        self._changed = asyncio.Event()
        self._server = PowerShellServer(backend, self._append, table)

    def write(self, data: bytes) -> None:
        """Feeds bytes.

        Raises:
            BrokenPipeError: It has ended.
        """
        if self.returncode is not None:
            raise BrokenPipeError("powershell has ended")
        try:
            self._server.feed(data)
        except ProtocolFaultError as error:
            self.stderr += f"{error}\n".encode()
            self._end(1)

    async def read(self) -> bytes:
        """What was written since the last call, waiting for some; empty at the end."""
        while not self._output and self.returncode is None:
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._output)
        self._output.clear()
        return data

    async def close(self) -> None:
        """Ends it as the end of standard input does; what a site has begun goes on there."""
        await self._server.aclose()
        if self.returncode is None:
            self._end(0)

    def _append(self, data: bytes) -> None:
        self._output += data
        self._changed.set()

    def _end(self, returncode: int) -> None:
        self.returncode = returncode
        self._changed.set()
