"""What an agent says about its commands, from one session."""

from __future__ import annotations

from uuid import UUID

from opensiterecovery.provider.v1.session_pb2 import AgentMessage

from coordinator.gateway.intake import CommandIntake, Session
from coordinator.gateway.session_ends import SessionEndedError, protocol_violation
from coordinator.gateway.settings import GatewayContext
from coordinator.jobs.services import record_progress


class Results:
    """Takes acknowledgements, progress and results of one session, in order."""

    def __init__(self, gateway: GatewayContext, session: Session, intake: CommandIntake) -> None:
        self._gateway = gateway
        self._session = session
        self._intake = intake

    async def take(self, message: AgentMessage) -> None:
        """Takes one message.

        Raises:
            SessionEndedError: The message names no command.
            DatabaseAwayError: Progress could not be stored.
        """
        provider_id = self._session.identity.provider_id
        match message.WhichOneof("message"):
            case "acknowledgement":
                command_id = read_id(message.acknowledgement.command_id)
                self._intake.acknowledge(provider_id, command_id)
            case "progress":
                progress = message.progress
                await self._gateway.database.run(
                    record_progress,
                    provider_id,
                    read_id(progress.command_id),
                    progress.percent,
                    progress.activity,
                )
            case "result":
                result = message.result
                await self._intake.give(self._session, read_id(result.command_id), result)


def read_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise SessionEndedError(protocol_violation("a command id that is no UUID")) from None
