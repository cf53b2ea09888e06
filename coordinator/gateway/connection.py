"""One agent's stream: commands out, everything else in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

import grpc
import structlog
from opensiterecovery.provider.v1.command_pb2 import Command
from opensiterecovery.provider.v1.first_copy_pb2 import FirstCopyPlace, FirstCopyWatch
from opensiterecovery.provider.v1.replication_pb2 import ReplicationWatch
from opensiterecovery.provider.v1.session_pb2 import AgentMessage, CoordinatorMessage

from coordinator.fabrics.services import ProviderIdentity, SessionRef
from coordinator.gateway.deliveries import claim, resend
from coordinator.gateway.door import let_in
from coordinator.gateway.reports import Reports
from coordinator.gateway.results import Results
from coordinator.gateway.role_assignments import assignments_of
from coordinator.gateway.session_ends import (
    PeerLeftError,
    SessionEnd,
    SessionEndedError,
    protocol_violation,
)
from coordinator.gateway.settings import GatewayContext
from coordinator.protection.queries import Place, RoleOfCopy

log = structlog.get_logger(__name__)

Stream: TypeAlias = grpc.aio.ServicerContext[AgentMessage, CoordinatorMessage]

# How many messages of a kind wait before the agent's next ones are left in the network.
LANE_MESSAGES = 64
OUTGOING_MESSAGES = 256
COMMAND_KINDS = {"acknowledgement", "progress", "result"}
REPORT_KINDS = {"inventory", "replication", "first_copies", "role_report"}


class Connection:
    """Serves one stream, after the greeting, until it ends."""

    def __init__(
        self, stream: Stream, identity: ProviderIdentity, fence: int, gateway: GatewayContext
    ) -> None:
        self.identity = identity
        self.fence = fence
        # By the event loop's clock.
        self.heard_at = asyncio.get_running_loop().time()
        # What came since the last round; see `rounds`.
        self.heard = False
        self.watched: Sequence[str] | None = None
        self.first_copies: Sequence[Place] = ()
        self.roles: Sequence[RoleOfCopy] | None = None
        self._stream = stream
        self._gateway = gateway
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
        results = Results(self._gateway, self.identity, self.send)
        reports = Reports(self._gateway, SessionRef(self.identity, self.fence), self.send)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(), name="session reader")
            tasks.create_task(self._write(), name="session writer")
            tasks.create_task(self._deliver(), name="session commands")
            tasks.create_task(take_all(self._commands, results), name="session results")
            tasks.create_task(take_all(self._reports, reports), name="session reports")
            tasks.create_task(self._await_end(), name="session end")

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while isinstance(message := await self._stream.read(), AgentMessage):
            self.heard_at, self.heard = loop.time(), True
            await let_in(message)
            kind = message.WhichOneof("message")
            if kind in COMMAND_KINDS:
                await self._commands.put(message)
            elif kind in REPORT_KINDS:
                await self._reports.put(message)
            elif kind == "hello":
                raise SessionEndedError(protocol_violation("a second Hello"))
        raise PeerLeftError

    async def _write(self) -> None:
        while True:
            await self._stream.write(await self._outgoing.get())

    async def _deliver(self) -> None:
        """Sends what earlier sessions left open, then what comes."""
        database, provider_id = self._gateway.database, self.identity.provider_id
        clock = self._gateway.clock
        for body in await database.run(resend, provider_id, self.fence, clock()):
            await self._send_command(body, again=True)
        self._wanted.set()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while True:
                bodies = await database.run(claim, provider_id, self.fence, clock())
                for body in bodies:
                    await self._send_command(body, again=False)
                if not bodies:
                    break

    async def _send_command(self, body: bytes, *, again: bool) -> None:
        command = Command.FromString(body)
        await self.send(CoordinatorMessage(command=command))
        log.info(
            "command.sent",
            vault_id=str(self.identity.vault_id),
            provider_id=str(self.identity.provider_id),
            job_id=command.job_id,
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
