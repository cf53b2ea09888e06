"""Keeps a session with the coordinator, one after another, for as long as the agent runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import grpc
import structlog
from opensiterecovery.provider.v1.session_pb2_grpc import SessionStub

from agent.identity import Identity, load_identity
from agent.root_tasks import until_first_ends
from agent.session.backoff import Backoff
from agent.session.connection import session_channel
from agent.session.refusal import told_failure
from agent.session.renewal import CertificateRenewal
from agent.session.session import IncompatibleCoordinatorError, Session, SessionParts
from agent.state_folder import StateFolder

log = structlog.get_logger(__name__)

_REFUSALS: Final = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


@dataclass(frozen=True)
class Retries:
    """How long to wait between sessions.

    Attributes:
        lost: After a session was lost or could not be made.
        refused: After the coordinator refused this agent; somebody has to do something first.
        good_after_seconds: A session that lasted this long starts the backoff anew.
    """

    lost: Backoff
    refused: Backoff
    good_after_seconds: float = 5.0

    @classmethod
    def with_random(cls, random: Callable[[], float]) -> Retries:
        return cls(
            lost=Backoff(random),
            refused=Backoff(random, first_seconds=30.0, most_seconds=300.0),
        )


class SessionRunner:
    """Opens sessions until it is cancelled; survives whatever happens to the coordinator."""

    def __init__(
        self,
        parts: SessionParts,
        folder: StateFolder,
        renewal: CertificateRenewal,
        retries: Retries,
    ) -> None:
        self._parts = parts
        self._folder = folder
        self._renewal = renewal
        self._retries = retries

    async def run(self) -> None:
        """Never returns.

        Raises:
            IdentityError: The identity was removed or damaged; registering again helps.
        """
        while True:
            # Read anew each time: it was renewed, or the agent was registered again.
            identity = await asyncio.to_thread(load_identity, self._folder.identity)
            wait_seconds = await self._one_session(identity)
            log.debug("session.waiting", seconds=round(wait_seconds, 3))
            await asyncio.sleep(wait_seconds)

    async def _one_session(self, identity: Identity) -> float:
        """Runs a session to its end; gives the time to wait before the next."""
        channel = session_channel(identity)
        stub = SessionStub(channel)
        session = Session(self._parts, stub)
        try:
            ended = await until_first_ends(
                {"session": session.run(), "renewal": self._renewal.run(identity, stub)}
            )
            log.info("session.closed", by=ended)
            if ended == "renewal":
                return 0.0
        except grpc.aio.AioRpcError as error:
            if error.code() in _REFUSALS:
                _log_refusal(identity, error)
                return self._retries.refused.next_seconds()
            told = told_failure(error)
            reason = told.message if told else error.details() or ""
            _log_loss(identity, error.code().name, reason)
            if error.code() is grpc.StatusCode.ABORTED:
                # A newer session of the same provider. Two agents with one identity would throw
                # each other out for ever, so this one slows down however long it was in.
                return self._retries.lost.next_seconds()
        except IncompatibleCoordinatorError as error:
            _log_incompatible(identity, error)
            return self._retries.refused.next_seconds()
        except grpc.aio.BaseError as error:
            _log_loss(identity, type(error).__name__, str(error))
        except TimeoutError:
            _log_loss(identity, "TIMEOUT", "the coordinator did not greet in time")
        finally:
            await channel.close()
        if self._was_good(session):
            self._retries.lost.reset()
            self._retries.refused.reset()
        return self._retries.lost.next_seconds()

    def _was_good(self, session: Session) -> bool:
        good_after = timedelta(seconds=self._retries.good_after_seconds)
        return (
            session.welcomed_at is not None
            and self._parts.clock() - session.welcomed_at >= good_after
        )


def _log_refusal(identity: Identity, error: grpc.aio.AioRpcError) -> None:
    told = told_failure(error)
    log.error(
        "session.refused",
        endpoint=identity.endpoint,
        vault=identity.vault_name,
        provider_id=str(identity.provider_id),
        status=error.code().name,
        code=told.code if told else "",
        reason=told.message if told else error.details(),
        action=told.recommended_action if told else "Look at the provider in the vault.",
    )


def _log_incompatible(identity: Identity, error: IncompatibleCoordinatorError) -> None:
    log.error(
        "session.incompatible",
        endpoint=identity.endpoint,
        reason=str(error),
        action="Bring the agent to the coordinator's version.",
    )


def _log_loss(identity: Identity, status: str, reason: str) -> None:
    log.warning("session.lost", endpoint=identity.endpoint, status=status, reason=reason)
