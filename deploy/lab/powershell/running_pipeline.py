"""One PSRP pipeline on the server: waits for its input, runs, streams, stops, ends."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

from psrpcore import (
    Command,
    CreatePipelineEvent,
    GetCommandMetadataEvent,
    GetMetadata,
    PowerShell,
    ServerPipeline,
)
from psrpcore.types import PipelineState, PSInvocationState

from deploy.lab.invocation import ErrorRecord, ProgressRecord, Value
from deploy.lab.powershell.command_metadata import write_metadata
from deploy.lab.powershell.engine import CommandCall, Engine, PipelineFailedError
from deploy.lab.powershell.engine_errors import engine_error
from deploy.lab.powershell.error_records import (
    category_of,
    details_of,
    exception_of,
    wire_error_record,
)
from deploy.lab.powershell.incoming import from_psrp
from deploy.lab.powershell.runspace_pool import LabRunspacePool

# A pipeline of a command carries the command's id; its last four bytes count the pipelines.
_COUNTER_MASK = 0xFFFFFFFF


def command_id_of(pipeline_id: UUID) -> str | None:
    """The command that caused a pipeline; None for pipelines that no command caused."""
    command = pipeline_id.int & ~_COUNTER_MASK
    return str(UUID(int=command)) if command else None


def _statements(powershell: PowerShell) -> list[list[CommandCall]]:
    statements: list[list[CommandCall]] = [[]]
    commands: list[Command] = powershell.commands
    for position, command in enumerate(commands):
        arguments = tuple(
            (None if name is None else str(name), from_psrp(value))
            for name, value in command.parameters
        )
        call = CommandCall(str(command.command_text), bool(command.is_script), arguments)
        statements[-1].append(call)
        if command.end_of_statement and position < len(commands) - 1:
            statements.append([])
    return statements


class RunningPipeline:
    """A pipeline from its Command element to its Close.

    Args:
        pool: The pool it belongs to.
        pipeline_id: Its id.
        engine: Runs it.
        ready: Called once when nothing more is missing to start it.
    """

    def __init__(
        self,
        pool: LabRunspacePool,
        pipeline_id: UUID,
        engine: Engine,
        ready: Callable[["RunningPipeline"], None],
    ) -> None:
        self._pool = pool
        self._pipeline_id = pipeline_id
        self._engine = engine
        self._ready = ready
        self._pipeline = ServerPipeline(pool, pipeline_id)
        self._statements: list[list[CommandCall]] | None = None
        self._metadata: GetMetadata | None = None
        self._input: list[Value] = []
        self._takes_input = False
        self._task: asyncio.Task[None] | None = None
        self._flush: Callable[[], None] = lambda: None
        self.is_stopped = False

    def describe(self, event: CreatePipelineEvent | GetCommandMetadataEvent) -> None:
        """Takes what the client wants to run."""
        if isinstance(event, GetCommandMetadataEvent):
            self._metadata = event.pipeline
            self._ready(self)
            return
        powershell = event.pipeline
        self._statements = _statements(powershell)
        self._takes_input = not powershell.no_input
        if not self._takes_input:
            self._ready(self)

    def add_input(self, value: Any) -> None:
        self._input.append(from_psrp(value))

    def end_input(self) -> None:
        if self._takes_input and self._task is None:
            self._ready(self)

    def start(self, flush: Callable[[], None]) -> asyncio.Task[None]:
        self._flush = flush
        self._task = asyncio.create_task(self._run(), name=f"pipeline {self._pipeline_id}")
        return self._task

    def stop(self) -> asyncio.Future[None]:
        """Stops it. The future is done when it stands still; one that has ended stays as it is."""
        stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_stopped = True

        def standing(_: asyncio.Task[None] | None) -> None:
            if self._pipeline.state == PSInvocationState.NotStarted:
                self._pipeline.start()
                self._pipeline.stop()
            stopped.set_result(None)

        if self._task is None or self._task.done():
            standing(self._task)
        else:
            self._task.add_done_callback(standing)
            self._task.cancel()
        return stopped

    def close(self) -> None:
        self._pipeline.close()

    async def _run(self) -> None:
        pipeline = self._pipeline
        pipeline.start()
        try:
            if self._metadata is not None:
                write_metadata(self._pool, self._pipeline_id, self._metadata, self._engine.table)
            else:
                await self._engine.run(
                    self._statements or [],
                    self._input if self._takes_input else None,
                    self,
                    command_id_of(self._pipeline_id),
                )
        except asyncio.CancelledError:
            pipeline.stop()
            raise
        except PipelineFailedError as failure:
            self._fail(failure.record)
        except Exception as error:  # noqa: BLE001 -- a defect of the lab ends the pipeline, visibly
            self._fail(engine_error("LabDefect", target=f"{type(error).__name__}: {error}"))
        else:
            pipeline.complete()
        finally:
            self._flush()

    def _fail(self, record: ErrorRecord) -> None:
        state = PipelineState(PipelineState=int(PSInvocationState.Failed))
        state.ExceptionAsErrorRecord = wire_error_record(record)
        self._pipeline.prepare_message(state)
        self._pipeline.state = PSInvocationState.Failed

    # Streams of the engine.

    def output(self, value: Value) -> None:
        self._pool.write_output(self._pipeline_id, value)
        self._flush()

    def error(self, error: ErrorRecord) -> None:
        self._pipeline.write_error(
            exception_of(error),
            category_info=category_of(error),
            target_object=error.target_name or None,
            fully_qualified_error_id=error.fully_qualified_error_id,
            error_details=details_of(error),
        )
        self._flush()

    def warning(self, message: str) -> None:
        self._pipeline.write_warning(message)
        self._flush()

    def progress(self, record: ProgressRecord) -> None:
        self._pipeline.write_progress(
            record.activity, 0, record.status, percent_complete=record.percent_complete
        )
        self._flush()
