"""A coordinator on the loopback: real gRPC, real TLS, answers as the test wants them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
from cryptography import x509
from google.protobuf.duration_pb2 import Duration
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.registration_pb2 import RegisterRequest, RegisterResponse
from opensiterecovery.provider.v1.registration_pb2_grpc import (
    RegistrationServicer,
    add_RegistrationServicer_to_server,
)
from opensiterecovery.provider.v1.session_pb2 import (
    AgentMessage,
    CoordinatorMessage,
    Hello,
    RenewCertificateRequest,
    RenewCertificateResponse,
    Welcome,
)
from opensiterecovery.provider.v1.session_pb2_grpc import (
    SessionServicer,
    add_SessionServicer_to_server,
)

from tests.unit.agent.authority import Authority

PROVIDER = UUID("aaaaaaaa-1111-4111-8111-111111111111")
FABRIC = UUID("bbbbbbbb-1111-4111-8111-111111111111")
VAULT = UUID("cccccccc-1111-4111-8111-111111111111")


@dataclass
class Refusal:
    """How calls are refused."""

    code: grpc.StatusCode
    failure: Failure | None = None


@dataclass
class FakeSession:
    """One stream as the coordinator sees it."""

    hello: Hello
    certificate: x509.Certificate
    outgoing: asyncio.Queue[CoordinatorMessage | Refusal | None] = field(
        default_factory=asyncio.Queue
    )
    received: list[AgentMessage] = field(default_factory=list)
    over: bool = False

    def send(self, **message: Any) -> None:
        self.outgoing.put_nowait(CoordinatorMessage(**message))

    def end(self, refusal: Refusal | None = None) -> None:
        self.outgoing.put_nowait(refusal)

    def of(self, kind: str) -> list[Any]:
        """What came of one kind."""
        return [getattr(m, kind) for m in self.received if m.WhichOneof("message") == kind]


class FakeCoordinator(SessionServicer, RegistrationServicer):
    """Both services."""

    def __init__(self, authority: Authority | None = None) -> None:
        self.authority = authority or Authority()
        self.port = 0
        self.protocol_version = 1
        self.heartbeat_seconds = 0.05
        self.refusal: Refusal | None = None
        self.sessions: list[FakeSession] = []
        self.registrations: list[RegisterRequest] = []
        self.renewals: list[bytes] = []
        self.refused = 0
        self.certificate_left = timedelta(days=30)
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def serving(
        self, *, mutual: bool = True, authority: Authority | None = None
    ) -> AsyncIterator[str]:
        """Serves on the port of the first time; gives the endpoint.

        Args:
            mutual: Whether callers must show a certificate.
            authority: Who signed the server's certificate, if not the coordinator's own.
        """
        server = grpc.aio.server()
        add_SessionServicer_to_server(self, server)
        add_RegistrationServicer_to_server(self, server)
        names = ("registration.opensiterecovery", "session.opensiterecovery")
        credentials = grpc.ssl_server_credentials(
            [(authority or self.authority).server(*names)],
            root_certificates=self.authority.pem if mutual else None,
            require_client_auth=mutual,
        )
        self.port = server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        await server.start()
        try:
            yield f"127.0.0.1:{self.port}"
        finally:
            await server.stop(None)

    async def until(self, condition: Callable[[], Any]) -> None:
        """Waits for what the agent does."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(condition)

    async def session(self, count: int = 1) -> FakeSession:
        """The session with this number, as soon as there is one."""
        await self.until(lambda: len(self.sessions) >= count)
        return self.sessions[count - 1]

    async def Connect(  # noqa: N802 (gRPC)
        self, request_iterator: Any, context: Any
    ) -> AsyncIterator[CoordinatorMessage]:
        await self._refuse_if_told(context)
        first = await anext(request_iterator)
        [certificate] = context.auth_context()["x509_pem_cert"]
        session = FakeSession(first.hello, x509.load_pem_x509_certificate(certificate))
        welcome = Welcome(
            protocol_version=self.protocol_version,
            session_id=str(len(self.sessions) + 1),
            heartbeat_interval=Duration(nanos=int(self.heartbeat_seconds * 1e9)),
            inventory_interval=Duration(seconds=60),
            replication_interval=Duration(seconds=5),
        )
        yield CoordinatorMessage(welcome=welcome)
        self.sessions.append(session)
        await self._tell()
        reading = asyncio.create_task(self._read(request_iterator, session))
        try:
            while isinstance(message := await session.outgoing.get(), CoordinatorMessage):
                yield message
        finally:
            reading.cancel()
            session.over = True
        if isinstance(message, Refusal):
            await context.abort(message.code, "told to")

    async def RenewCertificate(  # noqa: N802 (gRPC)
        self, request: RenewCertificateRequest, context: Any
    ) -> RenewCertificateResponse:
        await self._refuse_if_told(context)
        self.renewals.append(request.certificate_request)
        signed = self.authority.sign_request(request.certificate_request)
        await self._tell()
        return RenewCertificateResponse(certificate=signed, issuers=[self.authority.der])

    async def Register(  # noqa: N802 (gRPC)
        self, request: RegisterRequest, context: Any
    ) -> RegisterResponse:
        await self._refuse_if_told(context)
        self.registrations.append(request)
        signed = self.authority.sign_request(
            request.certificate_request, left=self.certificate_left
        )
        return RegisterResponse(
            provider_id=str(PROVIDER),
            fabric_id=str(FABRIC),
            vault_id=str(VAULT),
            vault_name="金库 1",
            certificate=signed,
            issuers=[self.authority.der],
        )

    async def _read(self, requests: Any, session: FakeSession) -> None:
        async for message in requests:
            session.received.append(message)
            await self._tell()

    async def _refuse_if_told(self, context: Any) -> None:
        if self.refusal is None:
            return
        self.refused += 1
        await self._tell()
        metadata: tuple[tuple[str, bytes], ...] = ()
        if self.refusal.failure is not None:
            metadata = (("osr-failure-bin", self.refusal.failure.SerializeToString()),)
        await context.abort(self.refusal.code, "refused", metadata)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
