"""The Session service: greeting an agent, then serving its stream; renewing certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, timedelta
from uuid import uuid4

import grpc
import structlog
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from opensiterecovery.provider.v1.inventory_pb2 import InventoryRequest
from opensiterecovery.provider.v1.session_pb2 import (
    AgentMessage,
    CoordinatorMessage,
    Hello,
    RenewCertificateRequest,
    RenewCertificateResponse,
    Welcome,
)
from opensiterecovery.provider.v1.session_pb2_grpc import SessionServicer

from coordinator.fabrics.services import (
    OpenedSession,
    ProviderIdentity,
    SessionOpening,
    SessionRef,
    close_session,
    open_session,
    renew_certificate,
)
from coordinator.failures import RefusedError
from coordinator.gateway.connection import Connection, Stream
from coordinator.gateway.database import DatabaseAwayError
from coordinator.gateway.door import let_in
from coordinator.gateway.identity import identify
from coordinator.gateway.intake import CommandIntake
from coordinator.gateway.live_sessions import LiveSessions
from coordinator.gateway.refusals import AWAY, BROKEN, abort, status_of
from coordinator.gateway.session_ends import (
    BROKE,
    DATABASE_AWAY,
    LOST,
    PeerLeftError,
    SessionEnd,
    SessionEndedError,
    protocol_violation,
)
from coordinator.gateway.settings import GatewayContext
from coordinator.protection.queries import RoleOfCopy, roles_of

log = structlog.get_logger(__name__)

PROTOCOL_VERSION = 1
# An agent whose clock is off by more writes times that mislead; it is told in the log.
CLOCK_DIFFERENCE = timedelta(minutes=5)
TEXT_LENGTH = 64
MOST_CAPABILITIES = 500


class SessionService(SessionServicer):
    """Serves all agents of this gateway."""

    def __init__(self, gateway: GatewayContext, live: LiveSessions, intake: CommandIntake) -> None:
        self._gateway = gateway
        self._live = live
        self._intake = intake
        self._closings: set[asyncio.Task[None]] = set()

    async def Connect(  # type: ignore[override]  # noqa: N802 - gRPC's name; read() and write() instead of iterators
        self, _requests: object, context: Stream
    ) -> None:
        """Serves one stream from Hello to its end."""
        identity = await identify(context, self._gateway)
        end = await self._serve(context, identity)
        if end is not None:
            await abort(context, end.code, end.failure)

    async def RenewCertificate(  # noqa: N802 - gRPC's name
        self,
        request: RenewCertificateRequest,
        context: grpc.aio.ServicerContext[RenewCertificateRequest, RenewCertificateResponse],
    ) -> RenewCertificateResponse:
        """Signs a new certificate for the provider that calls."""
        gateway = self._gateway
        identity = await identify(context, gateway)
        try:
            certificate = await gateway.database.run(
                renew_certificate,
                identity,
                request.certificate_request,
                gateway.authority,
                gateway.clock(),
            )
        except RefusedError as error:
            await abort(context, status_of(error), error.failure)
        except DatabaseAwayError:
            await abort(context, grpc.StatusCode.UNAVAILABLE, AWAY)
        except Exception:
            log.exception("renewal.broke", provider_id=str(identity.provider_id))
            await abort(context, grpc.StatusCode.INTERNAL, BROKEN)
        not_after = Timestamp()
        not_after.FromDatetime(certificate.not_valid_after_utc)
        return RenewCertificateResponse(
            certificate=certificate.public_bytes(Encoding.DER),
            issuers=[gateway.authority.der],
            not_after=not_after,
        )

    async def wait_closed(self) -> None:
        """Waits until every ended session is marked so in the database."""
        await asyncio.gather(*self._closings, return_exceptions=True)

    async def _serve(self, stream: Stream, identity: ProviderIdentity) -> SessionEnd | None:
        """Greets and serves; says why it ended, None when the agent left."""
        end: SessionEnd | None = None
        try:
            await self._greet_and_run(stream, identity)
        except* PeerLeftError:
            end = None
        except* SessionEndedError as group:
            end = first(group).end
        except* DatabaseAwayError:
            end = DATABASE_AWAY
        except* Exception:
            log.exception("session.broke", provider_id=str(identity.provider_id))
            end = BROKE
        return end

    async def _greet_and_run(self, stream: Stream, identity: ProviderIdentity) -> None:
        hello = await self._read_hello(stream)
        opened = await self._open(identity, hello)
        ref = SessionRef(identity, opened.fence)
        connection = Connection(stream, ref, self._gateway, self._intake)
        names = {
            "vault_id": str(identity.vault_id),
            "provider_id": str(identity.provider_id),
            "fence": opened.fence,
        }
        await connection.send(CoordinatorMessage(welcome=self._welcome(hello, opened)))
        connection.assign_roles(await self._roles(identity))
        if hello.inventory_revision not in {0, opened.inventory_revision}:
            # An agent that has none sends everything anyway.
            request = InventoryRequest(full=True)
            await connection.send(CoordinatorMessage(inventory_request=request))
        log.info("session.opened", **names, agent_version=hello.agent_version)
        try:
            self._live.add(connection)
            await connection.run()
        finally:
            self._live.remove(connection)
            # In a task of its own: this one may be being cancelled.
            closing = asyncio.create_task(self._close(connection))
            self._closings.add(closing)
            closing.add_done_callback(self._closings.discard)
            log.info("session.closed", **names)

    async def _roles(self, identity: ProviderIdentity) -> Sequence[RoleOfCopy]:
        """Read after the session is the provider's: what is decided later is told later."""
        roles = await self._gateway.database.run(roles_of, [identity.fabric_id])
        return roles[identity.fabric_id]

    async def _read_hello(self, stream: Stream) -> Hello:
        try:
            async with asyncio.timeout(self._gateway.settings.lease_seconds):
                message = await stream.read()
        except TimeoutError:
            raise SessionEndedError(LOST) from None
        if not isinstance(message, AgentMessage):
            raise PeerLeftError
        await let_in(message)
        if message.WhichOneof("message") != "hello":
            raise SessionEndedError(protocol_violation("a first message that is no Hello"))
        hello = message.hello
        if hello.protocol_version < 1:
            raise SessionEndedError(protocol_violation("a Hello without a protocol version"))
        return hello

    async def _open(self, identity: ProviderIdentity, hello: Hello) -> OpenedSession:
        now = self._gateway.clock()
        difference = hello.clock.ToDatetime(tzinfo=UTC) - now
        if hello.HasField("clock") and abs(difference) > CLOCK_DIFFERENCE:
            log.warning(
                "agent.clock_differs",
                provider_id=str(identity.provider_id),
                seconds=round(difference.total_seconds()),
            )
        opening = SessionOpening(
            certificate_serial=identity.certificate_serial,
            gateway_id=self._gateway.gateway_id,
            agent_version=plain(hello.agent_version),
            capabilities=tuple(plain(name) for name in hello.capabilities[:MOST_CAPABILITIES]),
            vmm_product_version=plain(hello.vmm_product_version),
        )
        try:
            return await self._gateway.database.run(
                open_session, identity.provider_id, opening, now
            )
        except RefusedError as error:
            end = SessionEnd(grpc.StatusCode.UNAUTHENTICATED, error.failure)
            raise SessionEndedError(end) from error

    def _welcome(self, hello: Hello, opened: OpenedSession) -> Welcome:
        settings = self._gateway.settings
        clock = Timestamp()
        clock.FromDatetime(self._gateway.clock())
        return Welcome(
            protocol_version=min(hello.protocol_version, PROTOCOL_VERSION),
            session_id=str(uuid4()),
            heartbeat_interval=to_duration(settings.heartbeat_seconds),
            clock=clock,
            inventory_interval=to_duration(settings.inventory_seconds),
            replication_interval=to_duration(settings.replication_seconds),
            chosen_clouds_only=opened.chosen_clouds_only,
        )

    async def _close(self, connection: Connection) -> None:
        gateway = self._gateway
        try:
            await gateway.database.run(
                close_session, connection.identity.provider_id, connection.fence, gateway.clock()
            )
        except DatabaseAwayError:
            # Its heartbeats stop, which says the same a little later.
            log.warning("session.close_not_stored", fence=connection.fence)


def first(group: BaseExceptionGroup[SessionEndedError]) -> SessionEndedError:
    """The first of the errors, however deep it is nested."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, SessionEndedError):
        raise error
    return error


def plain(text: str) -> str:
    """An agent's short text at the length its column has."""
    return text[:TEXT_LENGTH]


def to_duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration
