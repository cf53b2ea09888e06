"""One PowerShell process and the pool of runspaces that is open in it."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias
from uuid import UUID

import structlog
from psrpcore import (
    ClientRunspacePool,
    EncryptedSessionKeyEvent,
    ErrorRecordEvent,
    PipelineHostCallEvent,
    PipelineStateEvent,
    PSRPEvent,
    PSRPPayload,
    RunspacePoolStateEvent,
    StreamType,
)
from psrpcore.types import PSInvocationState, RunspacePoolState

from agent.powershell.calls import Call
from agent.powershell.cmdlet import Cmdlet
from agent.powershell.error_records import read_error
from agent.powershell.errors import ErrorDetail, PowerShellGone, PowerShellTimeout
from agent.powershell.framing import POOL, Packet, control_line, data_line, read_line
from agent.powershell.messages import MessageAssembler, Output
from agent.powershell.pipelines import build, describe, has_secret
from agent.powershell.records import PSRecord
from agent.powershell.transport import StartTransport, Transport

log = structlog.get_logger(__name__)

AnyEvent: TypeAlias = "PSRPEvent[Any, Any]"

# What PowerShell itself puts into one element.
_FRAGMENT_BYTES: Final = 32 * 1024
_NO_ANSWER_EXPECTED: Final = -100
_ENDED: Final = frozenset(
    {PSInvocationState.Completed, PSInvocationState.Failed, PSInvocationState.Stopped}
)
_POOL_OVER: Final = frozenset({RunspacePoolState.Broken, RunspacePoolState.Closed})

# psrpcore's debug lines show every argument, certificates and all.
logging.getLogger("psrpcore").setLevel(logging.WARNING)


@dataclass(frozen=True)
class RunspaceSettings:
    """How to start PowerShell and how long to wait for it."""

    start: StartTransport
    max_runspaces: int = 8
    open_time_limit_seconds: float = 60.0
    stop_grace_seconds: float = 10.0
    close_time_limit_seconds: float = 10.0


class Runspaces:
    """Runs pipelines in one process, until the process is gone."""

    def __init__(self, settings: RunspaceSettings) -> None:
        self._settings = settings
        self._psrp = ClientRunspacePool(max_runspaces=settings.max_runspaces)
        self._assembler = MessageAssembler()
        self._transport: Transport | None = None
        self._calls: dict[UUID, Call] = {}
        self._acknowledgements: dict[tuple[str, UUID], asyncio.Future[None]] = {}
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._session_key: asyncio.Future[None] | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._closing = False
        self.gone: PowerShellGone | None = None

    @classmethod
    async def open(cls, settings: RunspaceSettings) -> Self:
        """Starts the process and opens the pool.

        Raises:
            PowerShellGone: The process could not be started, ended, or did not answer in time.
        """
        runspaces = cls(settings)
        try:
            async with asyncio.timeout(settings.open_time_limit_seconds):
                await runspaces._open()
        except TimeoutError:
            limit = settings.open_time_limit_seconds
            reason = f"PowerShell opened no runspaces within {limit:g} seconds"
            await runspaces._end(reason)
            raise runspaces.gone or PowerShellGone(reason) from None
        except BaseException:
            runspaces.kill("opening runspaces was given up")
            raise
        if runspaces.gone is not None:
            raise PowerShellGone(runspaces.gone.reason, runspaces.gone.stderr)
        return runspaces

    async def run(
        self, pipeline_id: UUID, pipeline: tuple[Cmdlet, ...], time_limit_seconds: float
    ) -> list[PSRecord]:
        """Runs one pipeline; see PowerShell.run."""
        if self.gone is not None:
            raise PowerShellGone(self.gone.reason, self.gone.stderr)
        call = Call(pipeline_id, asyncio.get_running_loop().create_future())
        self._calls[pipeline_id] = call
        try:
            async with asyncio.timeout(time_limit_seconds):
                await self._invoke(call, pipeline)
                await asyncio.shield(call.ended)
        except TimeoutError:
            # Should the caller be cancelled meanwhile, stopping goes on.
            await asyncio.shield(self._begin_stop(call))
            raise PowerShellTimeout(describe(pipeline), time_limit_seconds) from None
        except asyncio.CancelledError:
            if call.created:
                self._begin_stop(call)
            else:
                self._forget(call)
            raise
        self._forget(call)
        return call.result()

    def kill(self, reason: str) -> None:
        """Ends the process at once; every pipeline in it fails with PowerShellGone."""
        if self._transport is not None:
            self._transport.kill(reason)

    async def close(self) -> None:
        """Closes the pool and lets the process leave; ends it when it does not."""
        transport = self._transport
        if transport is None:
            return
        self._closing = True
        try:
            async with asyncio.timeout(self._settings.close_time_limit_seconds):
                if self.gone is None:
                    await self._acknowledged("Close", POOL)
                transport.close_input()
                await transport.ended()
        except TimeoutError:
            await self._end("PowerShell did not leave when its runspaces were closed")

    # ---- sending ---------------------------------------------------------------------------------

    async def _open(self) -> None:
        self._transport = await self._settings.start(self._on_line, self._on_end)
        self._psrp.open()
        self._send_messages()
        await self._opened

    async def _invoke(self, call: Call, pipeline: tuple[Cmdlet, ...]) -> None:
        if has_secret(pipeline):
            await self._exchange_key()
        # PowerShell wants to know the pipeline before the data that describe it.
        await self._acknowledged("Command", call.pipeline_id)
        if self.gone is None:
            call.created = True
            build(self._psrp, call.pipeline_id, pipeline).start()
            self._send_messages()
            await self._flushed()

    async def _exchange_key(self) -> None:
        if self._session_key is None:
            self._session_key = asyncio.get_running_loop().create_future()
            self._psrp.exchange_key()
            self._send_messages()
        await asyncio.shield(self._session_key)

    async def _acknowledged(self, name: str, target: UUID) -> None:
        """Sends a control element and waits for its acknowledgement, or for the process's end."""
        acknowledgement: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._acknowledgements[f"{name}Ack", target] = acknowledgement
        self._send(control_line(name, target))
        if self.gone is None:
            await acknowledgement

    def _send_messages(self) -> None:
        while (payload := self._psrp.data_to_send(_FRAGMENT_BYTES)) is not None:
            self._send(data_line(payload.pipeline_id or POOL, payload.data))

    def _send(self, line: bytes) -> None:
        if self._transport is not None:
            self._transport.send(line)

    async def _flushed(self) -> None:
        if self._transport is not None:
            await self._transport.flushed()

    # ---- stopping and ending ---------------------------------------------------------------------

    def _begin_stop(self, call: Call) -> asyncio.Task[None]:
        task = asyncio.create_task(self._stop(call))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
        return task

    async def _stop(self, call: Call) -> None:
        try:
            async with asyncio.timeout(self._settings.stop_grace_seconds):
                self._send(control_line("Signal", call.pipeline_id))
                await asyncio.shield(call.ended)
        except TimeoutError:
            log.warning("pipeline.abandoned", pipeline_id=str(call.pipeline_id))
            await self._end("a pipeline could not be stopped, so its PowerShell process was ended")
        self._forget(call)

    def _forget(self, call: Call) -> None:
        self._calls.pop(call.pipeline_id, None)
        self._acknowledgements.pop(("CommandAck", call.pipeline_id), None)
        self._psrp.pipeline_table.pop(call.pipeline_id, None)
        if self.gone is None:
            self._send(control_line("Close", call.pipeline_id))

    async def _end(self, reason: str) -> None:
        if self._transport is not None:
            self._transport.kill(reason)
            await self._transport.ended()

    # ---- receiving -------------------------------------------------------------------------------

    def _on_line(self, line: bytes) -> None:
        try:
            self._on_packet(read_line(line))
        except Exception as error:  # noqa: BLE001 - whatever PowerShell sent, it becomes one reason
            self.kill(f"PowerShell sent what the agent does not understand: {error}")

    def _on_packet(self, packet: Packet) -> None:
        if packet.name != "Data":
            waiting = self._acknowledgements.pop((packet.name, packet.target), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
            return
        for message in self._assembler.feed(packet.data):
            call = self._calls.get(message.pipeline_id)
            if call is None and message.pipeline_id != POOL:
                continue  # The last words of a pipeline that nobody waits for.
            if isinstance(message, Output):
                if call is not None:
                    call.add_output(message.clixml)
            else:
                self._psrp.receive_data(
                    PSRPPayload(message.fragments, StreamType.default, packet.target)
                )
                while (event := self._psrp.next_event()) is not None:
                    self._on_event(event)

    def _on_event(self, event: AnyEvent) -> None:
        if isinstance(event, RunspacePoolStateEvent):
            self._on_pool_state(event)
        elif isinstance(event, EncryptedSessionKeyEvent):
            _settle(self._session_key)
        elif event.pipeline_id is not None and event.pipeline_id in self._calls:
            self._on_call_event(self._calls[event.pipeline_id], event)

    def _on_pool_state(self, event: RunspacePoolStateEvent) -> None:
        if event.state == RunspacePoolState.Opened:
            _settle(self._opened)
        elif event.state in _POOL_OVER and not self._closing:
            why = f": {read_error(event.reason).message}" if event.reason else ""
            self.kill(f"PowerShell's runspaces are {event.state.name.lower()}{why}")

    def _on_call_event(self, call: Call, event: AnyEvent) -> None:
        if isinstance(event, ErrorRecordEvent):
            call.add_error(read_error(event.record))
        elif isinstance(event, PipelineHostCallEvent):
            self._refuse(call, event)
        elif isinstance(event, PipelineStateEvent) and event.state in _ENDED:
            if event.reason is not None:
                call.add_error(read_error(event.reason))
            call.end()

    def _refuse(self, call: Call, event: PipelineHostCallEvent) -> None:
        """Nobody sits at the agent: a cmdlet that asks would wait for ever."""
        if event.ci == _NO_ANSWER_EXPECTED:
            return
        question = event.method_identifier.name
        call.add_error(
            ErrorDetail(
                error_id="HostCallRefused",
                category="InvalidOperation",
                message=f"A cmdlet wanted an answer from a person ({question}).",
            )
        )
        self._send(control_line("Signal", call.pipeline_id))

    def _on_end(self, gone: PowerShellGone) -> None:
        self.gone = gone
        for call in list(self._calls.values()):
            call.end(gone)
        for waiting in [*self._acknowledgements.values(), self._opened, self._session_key]:
            _settle(waiting)


def _settle(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
