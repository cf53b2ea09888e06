"""The PSRP server of one powershell process: bytes in, bytes out, pipelines as asyncio tasks."""

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

from psrpcore import (
    CreatePipelineEvent,
    EndOfPipelineInputEvent,
    GetAvailableRunspacesEvent,
    GetCommandMetadataEvent,
    PipelineInputEvent,
    PSRPCoreError,
    PSRPEvent,
    PSRPPayload,
    ResetRunspaceStateEvent,
    SetMaxRunspacesEvent,
    SetMinRunspacesEvent,
    StreamType,
)
from psrpcore.types import RunspacePoolState

from deploy.lab.powershell.backends import Backend
from deploy.lab.powershell.command_facts import CommandTable, load_command_table
from deploy.lab.powershell.engine import Engine, SessionState
from deploy.lab.powershell.framing import (
    POOL,
    Frame,
    FramingError,
    LineSplitter,
    ack_line,
    data_line,
    parse_frame,
)
from deploy.lab.powershell.running_pipeline import RunningPipeline
from deploy.lab.powershell.runspace_pool import LabRunspacePool

# PowerShell cuts its messages into fragments of this size, one a line.
_LINE_BYTES = 32 * 1024

# What psrpcore raises on bytes that are no PSRP: its own errors and those of the parsers below it.
_MALFORMED = (PSRPCoreError, struct.error, ET.ParseError, ValueError, LookupError, AttributeError)


class ProtocolFaultError(Exception):
    """The input cannot be understood; powershell writes the text to stderr and exits with 1."""


class PowerShellServer:
    """One powershell process.

    Args:
        backend: Carries out bound cmdlets.
        send: Called with bytes for the client's standard input side, whole lines.
        table: What is documented about the cmdlets.

    Feeding and everything it starts happen in the running event loop. A pool that the client
    closes leaves the server ready for another one, as powershell -s does.
    """

    def __init__(
        self,
        backend: Backend,
        send: Callable[[bytes], None],
        table: CommandTable | None = None,
    ) -> None:
        self._table = table or load_command_table()
        self._backend = backend
        self._send = send
        self._lines = LineSplitter()
        self._start_pool()

    def _start_pool(self) -> None:
        self._pool = LabRunspacePool()
        self._engine = Engine(self._table, self._backend, SessionState())
        self._pipelines: dict[UUID, RunningPipeline] = {}
        self._queued: deque[RunningPipeline] = deque()
        self._busy = 0

    def feed(self, data: bytes) -> None:
        """Takes bytes from the client.

        Raises:
            ProtocolFaultError: They are not what a PSRP client sends.
        """
        for line in self._lines.feed(data):
            try:
                self._take(parse_frame(line))
            except FramingError as error:
                raise ProtocolFaultError(str(error)) from None

    async def aclose(self) -> None:
        """Stops every pipeline; what a site has begun goes on there."""
        stopping = [each.stop() for each in list(self._pipelines.values())]
        await asyncio.gather(*stopping)
        self._pipelines.clear()

    def _take(self, frame: Frame) -> None:
        if frame.kind == "Data":
            self._send(ack_line(frame))
            self._take_data(frame)
        elif frame.kind == "Command":
            self._create(frame)
        elif frame.kind == "Signal":
            self._signal(frame)
        elif frame.kind == "Close":
            self._close(frame)
        # Acks of what was sent to the client need no answer.

    def _take_data(self, frame: Frame) -> None:
        if frame.target != POOL and frame.target not in self._pipelines:
            # Input for a pipeline that was closed meanwhile.
            return
        pool = self._pool
        stream = StreamType.default if frame.stream == "Default" else StreamType.prompt_response
        target = None if frame.target == POOL else frame.target
        try:
            pool.receive_data(PSRPPayload(frame.payload, stream, target))
            while (event := pool.next_event()) is not None:
                self._handle(event)
        except TypeError as error:
            raise ProtocolFaultError(f"The data received cannot be used: {error}") from error
        except _MALFORMED as error:
            raise ProtocolFaultError(f"The data received is not valid: {error}") from error
        self._flush()

    def _handle(self, event: PSRPEvent[Any, Any]) -> None:
        if isinstance(event, CreatePipelineEvent | GetCommandMetadataEvent):
            self._pipeline_of(event).describe(event)
        elif isinstance(event, PipelineInputEvent):
            self._pipeline_of(event).add_input(event.data)
        elif isinstance(event, EndOfPipelineInputEvent):
            self._pipeline_of(event).end_input()
        elif isinstance(event, GetAvailableRunspacesEvent):
            free = max(0, self._pool.max_runspaces - self._busy)
            self._pool.runspace_availability_response(event.ci, free)
        elif isinstance(event, SetMaxRunspacesEvent | SetMinRunspacesEvent):
            self._pool.runspace_availability_response(event.ci, event.count > 0)
            self._start_queued()
        elif isinstance(event, ResetRunspaceStateEvent):
            self._engine.session.connected_to_vmm = False
            self._pool.runspace_availability_response(event.ci, response=True)

    def _pipeline_of(self, event: PSRPEvent[Any, Any]) -> RunningPipeline:
        pipeline = self._pipelines.get(event.pipeline_id or POOL)
        if pipeline is None:
            raise ProtocolFaultError(f"There is no pipeline {event.pipeline_id}.")
        return pipeline

    def _create(self, frame: Frame) -> None:
        if self._pool.state != RunspacePoolState.Opened:
            raise ProtocolFaultError("A command was received before the session was opened.")
        if frame.target == POOL or frame.target in self._pipelines:
            raise ProtocolFaultError(f"The command id {frame.target} cannot be used.")
        self._pipelines[frame.target] = RunningPipeline(
            self._pool, frame.target, self._engine, self._ready
        )
        self._send(ack_line(frame))

    def _ready(self, pipeline: RunningPipeline) -> None:
        """A pipeline has all it needs: it runs now, or when a runspace is free."""
        self._queued.append(pipeline)
        self._start_queued()

    def _start_queued(self) -> None:
        while self._queued and self._busy < max(1, self._pool.max_runspaces):
            pipeline = self._queued.popleft()
            if pipeline.is_stopped:
                continue
            self._busy += 1
            pipeline.start(self._flush).add_done_callback(self._finished(self._pool))

    def _finished(self, pool: LabRunspacePool) -> Callable[[asyncio.Task[None]], None]:
        def one_is_free(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and task.exception() is not None:
                task.get_loop().call_exception_handler(
                    {"message": "a pipeline died", "exception": task.exception()}
                )
            if pool is self._pool:
                self._busy -= 1
                self._start_queued()
                self._flush()

        return one_is_free

    def _signal(self, frame: Frame) -> None:
        if frame.target == POOL:
            raise ProtocolFaultError("A session cannot be signalled.")
        self._after(self._pipelines.get(frame.target), frame)

    def _after(self, pipeline: RunningPipeline | None, frame: Frame) -> None:
        """Acknowledges once the pipeline stands still; one that is gone counts as standing."""
        if pipeline is None:
            self._send(ack_line(frame))
            return
        stopping = pipeline.stop()
        if frame.kind == "Close":
            self._pipelines.pop(frame.target, None)

        def acknowledge(_: asyncio.Future[None]) -> None:
            if frame.kind == "Close":
                pipeline.close()
            self._flush()
            self._send(ack_line(frame))

        stopping.add_done_callback(acknowledge)

    def _close(self, frame: Frame) -> None:
        if frame.target != POOL:
            self._after(self._pipelines.get(frame.target), frame)
            return
        pool, pipelines = self._pool, list(self._pipelines.values())
        stopping = asyncio.gather(*[pipeline.stop() for pipeline in pipelines])

        def acknowledge(_: asyncio.Future[list[None]]) -> None:
            for pipeline in pipelines:
                pipeline.close()
            if pool.state == RunspacePoolState.Opened:
                pool.close()
            self._flush(pool)
            self._send(ack_line(frame))

        self._start_pool()
        stopping.add_done_callback(acknowledge)

    def _flush(self, pool: LabRunspacePool | None = None) -> None:
        source = pool or self._pool
        while (payload := source.data_to_send(_LINE_BYTES)) is not None:
            stream = "Default" if payload.stream_type is StreamType.default else "PromptResponse"
            self._send(data_line(payload.pipeline_id, payload.data, stream))
