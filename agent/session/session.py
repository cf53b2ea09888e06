"""One session: a stream of messages from the greeting until it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import grpc
import structlog
from opensiterecovery.provider.v1.command_pb2 import Command, CommandResult
from opensiterecovery.provider.v1.first_copy_pb2 import FirstCopyPlace
from opensiterecovery.provider.v1.role_pb2 import RoleAssignment
from opensiterecovery.provider.v1.session_pb2 import (
    AgentMessage,
    CommandAcknowledgement,
    CoordinatorMessage,
    Heartbeat,
    Hello,
    Welcome,
)

from agent.clock import Clock, to_timestamp
from agent.journal.commands import CommandJournal
from agent.root_tasks import until_first_ends
from agent.session.executor import CommandExecutor
from agent.session.outbound import Outbound

if TYPE_CHECKING:
    # Exists only in the stub file of the generated module.
    from opensiterecovery.provider.v1.session_pb2_grpc import SessionAsyncStub

log = structlog.get_logger(__name__)

PROTOCOL_VERSION: Final = 1
# More are left in the network until these are in the journal.
COMMANDS_AT_ONCE: Final = 64

Stream: TypeAlias = "grpc.aio.StreamStreamCall[AgentMessage, CoordinatorMessage]"


class IncompatibleCoordinatorError(Exception):
    """The coordinator speaks a protocol this agent does not."""


class FabricWatch(Protocol):
    """Discovery and watching, as far as a session has to tell them something."""

    async def session_opened(self, welcome: Welcome) -> None:
        """The coordinator can be told things again, at these intervals."""

    async def inventory_stored(self, revision: int) -> None:
        """The coordinator has applied this revision."""

    async def inventory_requested(self, *, full: bool) -> None:
        """The coordinator wants a look now; everything when it lost its base."""

    async def replication_watched(self, vm_ids: Sequence[str]) -> None:
        """The machines to report about from now on."""

    async def first_copies_watched(self, places: Iterable[FirstCopyPlace]) -> None:
        """Where to look for folders of offline first copies from now on."""

    async def roles_assigned(self, assignments: Sequence[RoleAssignment]) -> None:
        """What each copy at this fabric may do from now on."""


@dataclass(frozen=True)
class Introduction:
    """What an agent says of itself in its Hello.

    Attributes:
        agent_version: Version of this distribution.
        instance_id: New for every start of the process.
        capabilities: Names of the verbs.
        vmm_product_version: As VMM gave it at registration.
        inventory_revision: Gives the revision the coordinator is believed to have.
    """

    agent_version: str
    instance_id: str
    capabilities: Sequence[str]
    vmm_product_version: str
    inventory_revision: Callable[[], Awaitable[int]]


@dataclass(frozen=True)
class SessionParts:
    """What outlives a session and is used by each.

    Attributes:
        stored_interval_seconds: How long what the coordinator has stored is collected before it is
            noted.
        acknowledge_after_seconds: Only commands that take longer are acknowledged: of the others
            the result says that they have arrived.
    """

    introduction: Introduction
    journal: CommandJournal
    executor: CommandExecutor
    outbound: Outbound
    watch: FabricWatch
    clock: Clock
    greeting_seconds: float = 20.0
    stored_interval_seconds: float = 0.25
    acknowledge_after_seconds: float = 1.0


class Session:
    """One stream. It delivers what comes in, and writes what the outbound queue holds."""

    def __init__(self, parts: SessionParts, stub: SessionAsyncStub) -> None:
        self._parts = parts
        self._stub = stub
        self.welcomed_at: datetime | None = None
        self._stored = asyncio.Event()
        self._stored_ids: list[str] = []
        self._accepted = asyncio.Event()
        self._accepted_ids: list[str] = []
        self._commands: asyncio.Queue[Command] = asyncio.Queue(COMMANDS_AT_ONCE)

    async def run(self) -> None:
        """Serves the coordinator until the stream ends or this is cancelled.

        Raises:
            grpc.aio.AioRpcError: The stream broke, or was refused.
            IncompatibleCoordinatorError: Trying again helps only after an update.
            TimeoutError: The coordinator did not greet in time.
        """
        stream: Stream = self._stub.Connect()
        try:
            async with asyncio.timeout(self._parts.greeting_seconds):
                welcome = await self._greet(stream)
            await self._parts.outbound.open()
            try:
                await self._serve(stream, welcome)
            finally:
                await self._parts.outbound.close()
        finally:
            stream.cancel()

    async def _greet(self, stream: Stream) -> Welcome:
        introduction = self._parts.introduction
        hello = Hello(
            protocol_version=PROTOCOL_VERSION,
            agent_version=introduction.agent_version,
            instance_id=introduction.instance_id,
            capabilities=introduction.capabilities,
            vmm_product_version=introduction.vmm_product_version,
            clock=to_timestamp(self._parts.clock()),
            inventory_revision=await introduction.inventory_revision(),
        )
        await _write(stream, AgentMessage(hello=hello))
        first = await _read(stream)
        if first is None or first.WhichOneof("message") != "welcome":
            raise IncompatibleCoordinatorError("the coordinator's first message is no Welcome")
        welcome = first.welcome
        if not 1 <= welcome.protocol_version <= PROTOCOL_VERSION:
            raise IncompatibleCoordinatorError(
                f"the coordinator wants protocol version {welcome.protocol_version},"
                f" this agent speaks up to {PROTOCOL_VERSION}"
            )
        return welcome

    async def _serve(self, stream: Stream, welcome: Welcome) -> None:
        now = self.welcomed_at = self._parts.clock()
        log.info(
            "session.opened",
            session=welcome.session_id,
            protocol_version=welcome.protocol_version,
            clock_difference_seconds=round(
                welcome.clock.ToMicroseconds() / 1e6 - now.timestamp(), 3
            ),
        )
        await self._parts.watch.session_opened(welcome)
        interval_seconds = welcome.heartbeat_interval.ToMilliseconds() / 1000
        await until_first_ends(
            {
                "session reader": self._receive(stream),
                "session commands": self._take_commands(),
                "session writer": self._send(stream),
                "heartbeat": self._beat(interval_seconds),
                "kept results": self._send_kept_results(),
                "stored results": self._note_stored_results(),
                "acknowledgements": self._acknowledge(),
            }
        )

    async def _receive(self, stream: Stream) -> None:
        while (message := await _read(stream)) is not None:
            await self._handle(message)

    async def _send(self, stream: Stream) -> None:
        while True:
            await _write(stream, await self._parts.outbound.take())

    async def _beat(self, interval_seconds: float) -> None:
        if interval_seconds <= 0:
            raise IncompatibleCoordinatorError("the coordinator gave no heartbeat interval")
        while True:
            beat = Heartbeat(
                sent_at=to_timestamp(self._parts.clock()),
                running_commands=self._parts.executor.running_commands,
            )
            await self._parts.outbound.send(AgentMessage(heartbeat=beat))
            await asyncio.sleep(interval_seconds)

    async def _send_kept_results(self) -> None:
        """Results whose way to the coordinator is uncertain go again, once a session."""
        kept = await asyncio.to_thread(self._parts.journal.unstored_results)
        if kept:
            log.info("results.sent_again", count=len(kept))
        for result in kept:
            await self._parts.outbound.send(AgentMessage(result=result))
        await asyncio.Event().wait()  # the session ends with its stream, not with this

    async def _handle(self, message: CoordinatorMessage) -> None:
        match message.WhichOneof("message"):
            case "command":
                await self._commands.put(message.command)
            case "result_stored":
                stored = message.result_stored
                self._stored_ids += [stored.command_id, *stored.more_command_ids]
                self._stored.set()
            case "inventory_stored":
                await self._parts.watch.inventory_stored(message.inventory_stored.revision)
            case "inventory_request":
                await self._parts.watch.inventory_requested(full=message.inventory_request.full)
            case "replication_watch":
                await self._parts.watch.replication_watched(message.replication_watch.vm_ids)
            case "first_copy_watch":
                await self._parts.watch.first_copies_watched(message.first_copy_watch.places)
            case "role_assignments":
                await self._parts.watch.roles_assigned(message.role_assignments.assignments)
            case other:
                # Of a newer coordinator; what an old agent must know is not sent this way.
                log.warning("message.ignored", message=other)

    async def _take_commands(self) -> None:
        """Takes commands in the order they come; those that came together are one write."""
        while True:
            commands = [await self._commands.get()]
            while not self._commands.empty():
                commands.append(self._commands.get_nowait())
            if len(commands) == 1:
                # A group would begin it a turn of the loop later.
                await self._take_command(commands[0])
                continue
            async with asyncio.TaskGroup() as group:
                for command in commands:
                    group.create_task(self._take_command(command))

    async def _take_command(self, command: Command) -> None:
        result: CommandResult | None = await self._parts.executor.deliver(command)
        if result is not None:
            await self._parts.outbound.send(AgentMessage(result=result))
            return
        self._accepted_ids.append(command.command_id)
        self._accepted.set()

    async def _acknowledge(self) -> None:
        """Says now and then which commands are in the journal and still at work."""
        while True:
            await self._accepted.wait()
            await asyncio.sleep(self._parts.acknowledge_after_seconds)
            self._accepted.clear()
            accepted, self._accepted_ids = self._accepted_ids, []
            for command_id in filter(self._parts.executor.is_at, accepted):
                acknowledgement = CommandAcknowledgement(command_id=command_id)
                await self._parts.outbound.send(AgentMessage(acknowledgement=acknowledgement))

    async def _note_stored_results(self) -> None:
        """Notes now and then what the coordinator has; it may be told again of the others."""
        journal = self._parts.journal
        while True:
            await self._stored.wait()
            await asyncio.sleep(self._parts.stored_interval_seconds)
            self._stored.clear()
            noted, self._stored_ids = self._stored_ids, []
            refused = await journal.writer.run(journal.mark_all_stored, noted)
            for command_id, error in refused.items():
                log.warning("result.stored_unexpectedly", command_id=command_id, why=str(error))


async def _read(stream: Stream) -> CoordinatorMessage | None:
    message = await stream.read()
    return message if isinstance(message, CoordinatorMessage) else None


async def _write(stream: Stream, message: AgentMessage) -> None:
    try:
        await stream.write(message)
    except asyncio.InvalidStateError:
        # The stream is over; its status says why.
        code = await stream.code()
        raise grpc.aio.AioRpcError(
            code,
            await stream.initial_metadata(),
            await stream.trailing_metadata(),
            details=await stream.details(),
        ) from None
