"""Agents for the gateway's tests: real gRPC over TLS, answering only what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.protobuf.timestamp_pb2 import Timestamp
from opensiterecovery.provider.v1 import failure_pb2
from opensiterecovery.provider.v1.registration_pb2 import RegisterRequest, RegisterResponse
from opensiterecovery.provider.v1.registration_pb2_grpc import RegistrationStub
from opensiterecovery.provider.v1.session_pb2 import AgentMessage, CoordinatorMessage, Hello
from opensiterecovery.provider.v1.session_pb2_grpc import SessionStub

if TYPE_CHECKING:
    from opensiterecovery.provider.v1.session_pb2_grpc import SessionAsyncStub

Stream: TypeAlias = grpc.aio.StreamStreamCall[AgentMessage, CoordinatorMessage]

REGISTRATION = "registration.opensiterecovery"
SESSION = "session.opensiterecovery"
# How long a test waits for what must come; far longer than it ever takes.
LIMIT_SECONDS = 20


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate_pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


@dataclass(frozen=True)
class Door:
    """Where the gateway is, and what an agent trusts."""

    port: int
    ca: bytes

    def channel(
        self, server_name: str, key: bytes | None = None, certificate: bytes | None = None
    ) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(self.ca, key, certificate)
        options = (
            ("grpc.ssl_target_name_override", server_name),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0),
        )
        return grpc.aio.secure_channel(f"127.0.0.1:{self.port}", credentials, options=options)

    async def register(self, request: RegisterRequest) -> RegisterResponse:
        async with self.channel(REGISTRATION) as channel:
            return await RegistrationStub(channel).Register(request, timeout=LIMIT_SECONDS)


def told_failure(error: grpc.aio.AioRpcError) -> failure_pb2.Failure:
    values = [v for key, v in error.trailing_metadata() or () if key == "osr-failure-bin"]
    assert len(values) == 1
    assert isinstance(values[0], bytes)
    return failure_pb2.Failure.FromString(values[0])


@dataclass
class Agent:
    """A registered provider."""

    door: Door
    key: bytes
    certificate: bytes
    provider_id: UUID
    fabric_id: UUID
    hello: Hello = field(
        default_factory=lambda: Hello(protocol_version=1, agent_version="0.1.0", instance_id="i")
    )

    @asynccontextmanager
    async def stub(self) -> AsyncIterator[SessionAsyncStub]:
        async with self.door.channel(SESSION, self.key, self.certificate) as channel:
            yield SessionStub(channel)

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[Session]:
        """A stream on which nothing was said."""
        async with self.stub() as stub:
            session = Session(stub.Connect())
            try:
                yield session
            finally:
                session.call.cancel()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A stream after the greeting."""
        async with self.stream() as session:
            await session.say(hello=self.hello)
            session.welcome = await session.next("welcome")
            yield session


class Session:
    """One stream, from the agent's end."""

    def __init__(self, call: Stream) -> None:
        self.call = call
        self.welcome = CoordinatorMessage()

    async def say(self, **message: object) -> None:
        await self.call.write(AgentMessage(**message))  # type: ignore[arg-type]  # one field, varying

    async def beat(self) -> None:
        sent_at = Timestamp()
        sent_at.FromDatetime(datetime.now(UTC))
        message = AgentMessage()
        message.heartbeat.sent_at.CopyFrom(sent_at)
        await self.call.write(message)

    async def next(self, kind: str) -> CoordinatorMessage:
        """The next message of a kind; a list of what to watch before it is passed over."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                message = await self.call.read()
                assert isinstance(message, CoordinatorMessage), await self.call.details()
                if message.WhichOneof("message") == kind:
                    return message
                kind_of_it = str(message.WhichOneof("message"))
                assert kind_of_it.endswith(("_watch", "_assignments")), message

    async def end(self) -> grpc.aio.AioRpcError:
        """Reads until the gateway ends the stream, and says how it did."""
        async with asyncio.timeout(LIMIT_SECONDS):
            try:
                while isinstance(await self.call.read(), CoordinatorMessage):
                    pass
                return grpc.aio.AioRpcError(
                    await self.call.code(),
                    await self.call.initial_metadata(),
                    await self.call.trailing_metadata(),
                    await self.call.details(),
                )
            except grpc.aio.AioRpcError as error:
                return error
