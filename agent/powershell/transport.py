"""What carries PSRP's lines: a process, by its standard streams."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeAlias

from agent.powershell.errors import PowerShellGone

_CHUNK_BYTES: Final = 256 * 1024
_STDERR_LINES: Final = 20
_STDERR_LINE_CHARACTERS: Final = 500
_LEAVING_SECONDS: Final = 5.0
# PowerShell cuts its messages into fragments of 32 KiB, one a line.
_LONGEST_LINE_BYTES: Final = 32 * 1024 * 1024

LineHandler: TypeAlias = Callable[[bytes], None]
EndHandler: TypeAlias = Callable[[PowerShellGone], None]


class Transport(Protocol):
    """Carries lines to PowerShell and back, until one side ends."""

    def send(self, line: bytes) -> None:
        """Queues a line; what a side that has ended does not read is told by the end handler."""
        ...

    async def flushed(self) -> None:
        """Waits until most of what was queued has been taken."""
        ...

    def close_input(self) -> None:
        """Tells PowerShell, by the end of its input, that it can leave."""
        ...

    def kill(self, reason: str) -> None:
        """Ends PowerShell at once; the end handler gets the reason."""
        ...

    async def ended(self) -> None:
        """Waits until PowerShell is gone and the end handler was called."""
        ...


StartTransport: TypeAlias = Callable[[LineHandler, EndHandler], Awaitable[Transport]]
"""Starts PowerShell; calls the first function with each line it writes, without the newline, and
the second once, when it is gone. Raises PowerShellGone when it cannot be started."""


def process(command_line: Sequence[str]) -> StartTransport:
    """PowerShell as a process of its own.

    Args:
        command_line: Program and arguments, for example
            ("powershell.exe", "-NoLogo", "-NoProfile", "-s").
    """

    async def start(on_line: LineHandler, on_end: EndHandler) -> ProcessTransport:
        try:
            started = await asyncio.create_subprocess_exec(
                *command_line, stdin=PIPE, stdout=PIPE, stderr=PIPE
            )
        except OSError as error:
            raise PowerShellGone(f"{command_line[0]} could not be started: {error}") from error
        return ProcessTransport(started, on_line, on_end)

    return start


class ProcessTransport:
    """Sends lines to a process, hands over each line that it writes, and says when it has ended.

    Args:
        process: Started with pipes on all three standard streams.
        on_line: Called with each line of the output, without its newline.
        on_end: Called once, when the process has ended or its output is closed.
    """

    def __init__(self, process: Process, on_line: LineHandler, on_end: EndHandler) -> None:
        self._process = process
        self._on_line = on_line
        self._on_end = on_end
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._reason = ""
        self._watching = asyncio.create_task(self._watch())

    def send(self, line: bytes) -> None:
        """Queues a line; what a process that has ended does not read is told by `on_end`."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.is_closing():
            stdin.write(line)

    async def flushed(self) -> None:
        """Waits until the process has taken most of what was queued."""
        stdin = self._process.stdin
        if stdin is not None:
            try:
                await stdin.drain()
            except OSError:
                return  # The reader of the output sees the end and says why.

    def close_input(self) -> None:
        """Tells the process, by the end of its input, that it can leave."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self, reason: str) -> None:
        """Ends the process at once; `on_end` gets the reason."""
        self._reason = self._reason or reason
        if self._process.returncode is None:
            try:
                self._process.kill()
            except ProcessLookupError:
                return  # It went by itself in this moment.

    async def ended(self) -> None:
        """Waits until the process is gone and `on_end` was called."""
        await asyncio.wait({self._watching})

    async def _watch(self) -> None:
        """Waits for the end of the process or of its output, whichever is first, and tells it."""
        output = asyncio.create_task(self._read_lines())
        reading = {output, asyncio.create_task(self._read_stderr())}
        leaving = asyncio.create_task(self._process.wait())
        await asyncio.wait({output, leaving}, return_when=asyncio.FIRST_COMPLETED)
        # A process that closes its output leaves soon; what a dead one wrote is read soon, unless
        # a child of it holds the pipe open.
        await asyncio.wait({*reading, leaving}, timeout=_LEAVING_SECONDS)
        if not leaving.done():
            self.kill("the PowerShell process closed its output and went on")
        code = await leaving
        for task in reading:
            task.cancel()
        reason = self._reason or f"the PowerShell process ended with exit code {code}"
        self._on_end(PowerShellGone(reason, "\n".join(self._stderr)))

    async def _read_lines(self) -> None:
        stdout = self._process.stdout
        rest = bytearray()
        while stdout is not None and (chunk := await stdout.read(_CHUNK_BYTES)):
            *lines, after = chunk.split(b"\n")
            for line in lines:
                rest += line
                if rest.strip():
                    self._on_line(bytes(rest))
                rest.clear()
            rest += after
            if len(rest) > _LONGEST_LINE_BYTES:
                self.kill("the PowerShell process wrote a line without end")
                return

    async def _read_stderr(self) -> None:
        stderr = self._process.stderr
        rest = b""
        while stderr is not None and (chunk := await stderr.read(4096)):
            *lines, rest = (rest + chunk).split(b"\n")
            self._keep(lines)
            rest = rest[-_STDERR_LINE_CHARACTERS:]
        self._keep([rest])

    def _keep(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            text = line.decode(errors="replace").strip()
            if text:
                self._stderr.append(text[:_STDERR_LINE_CHARACTERS])
