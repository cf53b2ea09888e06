"""One agent's stream: commands out, everything else in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias
from uuid import UUID

import grpc
import structlog
from opensiterecovery.provider.v1.command_pb2 import Command
from opensiterecovery.provider.v1.first_copy_pb2 import FirstCopyPlace, FirstCopyWatch
from opensiterecovery.provider.v1.replication_pb2 import ReplicationWatch
from opensiterecovery.provider.v1.session_pb2 import (
    AgentMessage,
    CoordinatorMessage,
    ResultStored,
)

from coordinator.fabrics.services import SessionRef
from coordinator.gateway.deliveries import claim, resend
from coordinator.gateway.door import let_in
from coordinator.gateway.intake import CommandIntake, SentCommand
from coordinator.gateway.reports import Reports
from coordinator.gateway.results import Results
from coordinator.gateway.role_assignments import assignments_of
from coordinator.gateway.session_ends import (
    LOST,
    PeerLeftError,
    SessionEnd,
    SessionEndedError,
    protocol_violation,
)
from coordinator.gateway.settings import GatewayContext
from coordinator.jobs.services import ClaimedCommand
from coordinator.protection.queries import Place, RoleOfCopy

log = structlog.get_logger(__name__)

Stream: TypeAlias = grpc.aio.ServicerContext[AgentMessage, CoordinatorMessage]

# How many messages of a kind wait before the agent's next ones are left in the network.
LANE_MESSAGES = 64
OUTGOING_MESSAGES = 256
# Left free for what is no command.
RESERVED_MESSAGES = 32
# Nobody waits for the word that a result is stored; many are one message.
CONFIRM_SECONDS = 0.1
COMMAND_KINDS = {"acknowledgement", "progress"}
REPORT_KINDS = {"inventory", "replication", "first_copies", "role_report"}


class Connection:
    """Serves one stream, after the greeting, until it ends."""

    def __init__(
        self,
        stream: Stream,
        ref: SessionRef,
        gateway: GatewayContext,
        intake: CommandIntake,
    ) -> None:
        self.identity = ref.identity
        self.fence = ref.fence
        # By the event loop's clock.
        self.heard_at = asyncio.get_running_loop().time()
        # What came since the last round; see `rounds`.
        self.heard = False
        self.watched: Sequence[str] | None = None
        self.first_copies: Sequence[Place] = ()
        self.roles: Sequence[RoleOfCopy] | None = None
        self._stream = stream
        self._gateway = gateway
        self._intake = intake
        self._sent: dict[UUID, SentCommand] = {}
        # Ids of those that an earlier session had sent and this one has not yet.
        self._again: set[str] = set()
        # Results the agent is told about soon.
        self._stored: list[str] = []
        self._wanted = asyncio.Event()
        self._end: asyncio.Future[SessionEnd] = asyncio.get_running_loop().create_future()
        self._outgoing: asyncio.Queue[CoordinatorMessage] = asyncio.Queue(OUTGOING_MESSAGES)
        self._commands: asyncio.Queue[AgentMessage] = asyncio.Queue(LANE_MESSAGES)
        self._reports: asyncio.Queue[AgentMessage] = asyncio.Queue(LANE_MESSAGES)

    def end(self, end: SessionEnd) -> None:
        """Ends the session soon; the first reason given counts."""
        if not self._end.done():
            self._end.set_result(end)

    def wake(self) -> None:
        """Has the session look for commands to send."""
        self._wanted.set()

    async def send(self, message: CoordinatorMessage) -> None:
        """Queues a message; waits while the agent takes none."""
        await self._outgoing.put(message)

    def watch(self, vm_ids: Sequence[str]) -> None:
        """Tells the agent which machines to report about, when that has changed."""
        if self.watched == vm_ids or self._outgoing.full():
            # A full queue is looked at again in the next round.
            return
        self._outgoing.put_nowait(
            CoordinatorMessage(replication_watch=ReplicationWatch(vm_ids=vm_ids))
        )
        self.watched = vm_ids

    def watch_first_copies(self, places: Sequence[Place]) -> None:
        """Tells the agent where to look for offline first copies, when that has changed."""
        if self.first_copies == places or self._outgoing.full():
            return
        wanted = FirstCopyWatch(
            places=[
                FirstCopyPlace(vm_id=place.vm_id, host=place.host, path=place.path)
                for place in places
            ]
        )
        self._outgoing.put_nowait(CoordinatorMessage(first_copy_watch=wanted))
        self.first_copies = places

    def assign_roles(self, roles: Sequence[RoleOfCopy]) -> None:
        """Tells the agent which copies may run, when that has changed."""
        if self.roles == roles or self._outgoing.full():
            return
        self._outgoing.put_nowait(CoordinatorMessage(role_assignments=assignments_of(roles)))
        self.roles = roles

    async def run(self) -> None:
        """Serves the stream.

        Raises:
            ExceptionGroup: Of what ended it: PeerLeftError, SessionEndedError, DatabaseAwayError,
                or a defect.
        """
        results = Results(self._gateway, self, self._intake)
        reports = Reports(self._gateway, SessionRef(self.identity, self.fence), self.send)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(results), name="session reader")
            tasks.create_task(self._write(), name="session writer")
            tasks.create_task(self._deliver(), name="session commands")
            tasks.create_task(take_all(self._commands, results), name="session results")
            tasks.create_task(take_all(self._reports, reports), name="session reports")
            tasks.create_task(self._await_end(), name="session end")

    async def _read(self, results: Results) -> None:
        loop = asyncio.get_running_loop()
        while isinstance(message := await self._stream.read(), AgentMessage):
            self.heard_at, self.heard = loop.time(), True
            await let_in(message)
            kind = message.WhichOneof("message")
            if kind == "result":
                # Past what waits in the lane: the engine passes over what is said of a command
                # after its result, and a machine waits for what comes next.
                await results.take(message)
            elif kind in COMMAND_KINDS:
                await self._commands.put(message)
            elif kind in REPORT_KINDS:
                await self._reports.put(message)
            elif kind == "hello":
                raise SessionEndedError(protocol_violation("a second Hello"))
        raise PeerLeftError

    async def _write(self) -> None:
        while True:
            message = await self._outgoing.get()
            await self._stream.write(message)
            if message.WhichOneof("message") == "command":
                # Only now: a machine waits for the command, nobody for the line.
                self._log_sent(message.command)

    async def _deliver(self) -> None:
        """Sends what earlier sessions left open, then what comes."""
        database, provider_id = self._gateway.database, self.identity.provider_id
        clock = self._gateway.clock
        for claimed in await database.run_once(resend, provider_id, self.fence, clock()):
            self._again.add(str(claimed.command_id))
            await self.send(self._message(claimed))
        self._wanted.set()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while True:
                found = await database.run_once(claim, provider_id, self.fence, clock())
                for claimed in found:
                    await self.send(self._message(claimed))
                if not found:
                    break

    def room(self) -> int:
        """How many commands `send_commands` takes now."""
        return OUTGOING_MESSAGES - RESERVED_MESSAGES - self._outgoing.qsize()

    def send_commands(self, claimed: Sequence[ClaimedCommand]) -> None:
        """Queues commands that were taken for this session."""
        for each in claimed:
            try:
                self._outgoing.put_nowait(self._message(each))
            except asyncio.QueueFull:
                # The next session is sent what this one leaves.
                self.end(LOST)

    def confirm(self, command_id: UUID) -> None:
        """Tells the agent soon that a result is stored. May be lost: it sends the result again."""
        if not self._stored:
            asyncio.get_running_loop().call_later(CONFIRM_SECONDS, self._send_confirmations)
        self._stored.append(str(command_id))

    def _send_confirmations(self) -> None:
        first, *more = self._stored
        self._stored.clear()
        stored = ResultStored(command_id=first, more_command_ids=more)
        with suppress(asyncio.QueueFull):
            self._outgoing.put_nowait(CoordinatorMessage(result_stored=stored))

    def forget_command(self, command_id: UUID) -> SentCommand | None:
        """The command is answered; gives what it was for, if it was sent in this session."""
        return self._sent.pop(command_id, None)

    def _message(self, claimed: ClaimedCommand) -> CoordinatorMessage:
        command = Command.FromString(claimed.body)
        self._sent[claimed.command_id] = SentCommand(claimed.root_id, UUID(command.job_id))
        return CoordinatorMessage(command=command)

    def _log_sent(self, command: Command) -> None:
        again = command.command_id in self._again
        self._again.discard(command.command_id)
        log.info(
            "command.sent",
            vault_id=str(self.identity.vault_id),
            provider_id=str(self.identity.provider_id),
            job_id=command.job_id,
            correlation_id=command.correlation_id,
            step=command.step_key,
            command_id=command.command_id,
            verb=command.WhichOneof("verb"),
            again=again,
        )

    async def _await_end(self) -> None:
        raise SessionEndedError(await self._end)


async def take_all(lane: asyncio.Queue[AgentMessage], taker: Any) -> None:
    """Has one after the other taken, in order."""
    while True:
        await taker.take(await lane.get())
