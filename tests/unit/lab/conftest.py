"""psrpcore's client against the lab's PowerShell, both in memory."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4
from xml.etree import ElementTree as ET

import pytest
from psrpcore import (
    ClientPowerShell,
    ClientRunspacePool,
    ErrorRecordEvent,
    PipelineOutputEvent,
    PipelineStateEvent,
    ProgressRecordEvent,
    PSRPEvent,
    PSRPPayload,
    StreamType,
    WarningRecordEvent,
)
from psrpcore.types import PSInvocationState, RunspacePoolState

from deploy.lab.powershell.in_process import InProcessPowerShell

if TYPE_CHECKING:
    from deploy.lab.powershell.backends import Backend

POOL = UUID(int=0)
WAIT_SECONDS = 20.0


@dataclass
class Outcome:
    """What came back of one pipeline."""

    output: list[Any] = field(default_factory=list)
    errors: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)
    state: PSInvocationState | None = None
    reason: Any = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def error_id(self) -> str:
        """The fully qualified id of the terminating error."""
        return str(self.reason.FullyQualifiedErrorId)

    @property
    def category(self) -> str:
        return str(self.reason.CategoryInfo.Category.name)

    @property
    def message(self) -> str:
        return str(self.reason.Exception.Message)


@dataclass(frozen=True)
class Step:
    """One command of a pipeline of a test."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    positional: tuple[Any, ...] = ()
    is_script: bool = False


@pytest.fixture
def step() -> Callable[..., Step]:
    """Writes a command: name, positional arguments, named parameters."""

    def make(name: str, *positional: Any, **parameters: Any) -> Step:
        return Step(name, parameters, positional)

    return make


@pytest.fixture
def script() -> Callable[[str], Step]:
    """Writes a script."""
    return lambda text: Step(text, is_script=True)


class Client:
    """A runspace pool on the client's side, over the in-memory PowerShell."""

    def __init__(self, backend: Backend, max_runspaces: int = 1) -> None:
        self.process = InProcessPowerShell(backend)
        self.pool = ClientRunspacePool(max_runspaces=max_runspaces)
        self.outcomes: dict[UUID, Outcome] = {}
        self.acks: list[tuple[str, UUID]] = []
        self.pool_events: list[PSRPEvent[Any, Any]] = []
        self._changed = asyncio.Condition()
        self._rest = b""
        self._reading = asyncio.create_task(self._read())

    async def open(self) -> Client:
        self.pool.open()
        self.flush()
        await self.until(lambda: self.pool.state == RunspacePoolState.Opened)
        return self

    async def aclose(self) -> None:
        await self.process.close()
        await asyncio.wait_for(self._reading, WAIT_SECONDS)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(condition), WAIT_SECONDS)

    def flush(self) -> None:
        while (payload := self.pool.data_to_send()) is not None:
            data = base64.b64encode(payload.data).decode()
            target = payload.pipeline_id or POOL
            self.send(f"<Data Stream='Default' PSGuid='{target}'>{data}</Data>")

    def send(self, line: str) -> None:
        self.process.write(line.encode() + b"\n")

    def expect(self, pipeline_id: UUID) -> Outcome:
        return self.outcomes.setdefault(pipeline_id, Outcome())

    def begin(self, *steps: Step | None, pipeline_id: UUID | None = None, **more: Any) -> UUID:
        """Sends a pipeline, None being the end of a statement.

        When it takes input, the test has to send and to end it.
        """
        powershell = ClientPowerShell(self.pool, pipeline_id=pipeline_id or uuid4(), **more)
        for each in steps:
            if each is None:
                powershell.add_statement()
                continue
            if each.is_script:
                powershell.add_script(each.name)
            else:
                powershell.add_command(each.name)
            for value in each.positional:
                powershell.add_argument(value)
            powershell.add_parameters(**each.parameters)
        self.expect(powershell.pipeline_id)
        self.send(f"<Command PSGuid='{powershell.pipeline_id}' />")
        powershell.start()
        self.flush()
        return powershell.pipeline_id

    async def end(self, pipeline_id: UUID) -> Outcome:
        outcome = self.outcomes[pipeline_id]
        await asyncio.wait_for(outcome.ended.wait(), WAIT_SECONDS)
        return outcome

    async def run(self, *steps: Step, pipeline_id: UUID | None = None) -> Outcome:
        pipeline = self.begin(*steps, pipeline_id=pipeline_id)
        outcome = await self.end(pipeline)
        self.send(f"<Close PSGuid='{pipeline}' />")
        return outcome

    async def _read(self) -> None:
        while data := await self.process.read():
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(ET.fromstring(line))
            async with self._changed:
                self._changed.notify_all()

    def _take(self, element: ET.Element) -> None:
        target = UUID(element.attrib["PSGuid"])
        if element.tag != "Data":
            self.acks.append((element.tag, target))
            return
        payload = base64.b64decode(element.text or "")
        self.pool.receive_data(PSRPPayload(payload, StreamType.default, target))
        while (event := self.pool.next_event()) is not None:
            self._note(event)

    def _note(self, event: PSRPEvent[Any, Any]) -> None:
        outcome = self.outcomes.get(event.pipeline_id or POOL)
        if outcome is None:
            self.pool_events.append(event)
        elif isinstance(event, PipelineOutputEvent):
            outcome.output.append(event.data)
        elif isinstance(event, ErrorRecordEvent):
            outcome.errors.append(event.record)
        elif isinstance(event, WarningRecordEvent):
            outcome.warnings.append(str(event.record.Message))
        elif isinstance(event, ProgressRecordEvent):
            outcome.progress.append(str(event.record.Activity))
        elif isinstance(event, PipelineStateEvent) and event.state != PSInvocationState.Running:
            outcome.state = event.state
            outcome.reason = event.reason
            outcome.ended.set()


Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes open clients; all are closed at the end."""
    clients: list[Client] = []

    async def make(backend: Backend, max_runspaces: int = 1) -> Client:
        client = Client(backend, max_runspaces)
        clients.append(client)
        return await client.open()

    yield make
    for client in clients:
        async with aclosing(client):
            pass
