"""What an agent says about its commands: taken in, and answered once it is in PostgreSQL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog
from opensiterecovery.provider.v1.command_pb2 import CommandResult
from opensiterecovery.provider.v1.session_pb2 import (
    AgentMessage,
    CoordinatorMessage,
    ResultStored,
)

from coordinator.fabrics.services import ProviderIdentity
from coordinator.gateway.session_ends import SessionEndedError, protocol_violation
from coordinator.gateway.settings import GatewayContext
from coordinator.jobs.services import acknowledge_command, record_progress, store_result

log = structlog.get_logger(__name__)


class Results:
    """Takes acknowledgements, progress and results of one session, in order."""

    def __init__(
        self,
        gateway: GatewayContext,
        identity: ProviderIdentity,
        send: Callable[[CoordinatorMessage], Awaitable[None]],
    ) -> None:
        self._gateway = gateway
        self._provider_id = identity.provider_id
        self._send = send

    async def take(self, message: AgentMessage) -> None:
        """Takes one message.

        Raises:
            SessionEndedError: The message names no command.
            DatabaseAwayError: It could not be stored; the agent will send it again.
        """
        database, now = self._gateway.database, self._gateway.clock()
        match message.WhichOneof("message"):
            case "acknowledgement":
                command_id = read_id(message.acknowledgement.command_id)
                await database.run(acknowledge_command, self._provider_id, command_id, now)
            case "progress":
                progress = message.progress
                await database.run(
                    record_progress,
                    self._provider_id,
                    read_id(progress.command_id),
                    progress.percent,
                    progress.activity,
                )
            case "result":
                await self._store(message.result)

    async def _store(self, result: CommandResult) -> None:
        command_id = read_id(result.command_id)
        known = await self._gateway.database.run(
            store_result, self._provider_id, result.SerializeToString(), self._gateway.clock()
        )
        log.info(
            "command.result_stored",
            provider_id=str(self._provider_id),
            command_id=str(command_id),
            outcome=result.WhichOneof("outcome"),
            known=known,
        )
        stored = ResultStored(command_id=result.command_id)
        await self._send(CoordinatorMessage(result_stored=stored))


def read_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise SessionEndedError(protocol_violation("a command id that is no UUID")) from None
