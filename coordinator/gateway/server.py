"""The gateway process: one public port, two services behind it, and what keeps them going."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import grpc
import structlog
from django.utils import timezone
from opensiterecovery.provider.v1.registration_pb2_grpc import add_RegistrationServicer_to_server
from opensiterecovery.provider.v1.session_pb2_grpc import add_SessionServicer_to_server

from coordinator.gateway.database import Database
from coordinator.gateway.hints import HintListener
from coordinator.gateway.intake import CommandIntake
from coordinator.gateway.live_sessions import LiveSessions
from coordinator.gateway.registration import RegistrationService
from coordinator.gateway.rounds import Rounds
from coordinator.gateway.server_credentials import CertificateFiles
from coordinator.gateway.session import SessionService
from coordinator.gateway.settings import GatewayContext, GatewaySettings
from coordinator.gateway.sni_router import SniRouter
from coordinator.jobs.services import Engine
from coordinator.vaults.services import (
    REGISTRATION_NAME,
    ServerCertificate,
    ensure_authority,
    ensure_server_certificate,
)

if TYPE_CHECKING:
    from coordinator.config.configuration import Configuration

log = structlog.get_logger(__name__)

LARGEST_MESSAGE_BYTES = 16 * 1024 * 1024
RENEWAL_CHECK_SECONDS = 3600.0
STOP_SECONDS = 3.0
OPTIONS = (
    # A peer that vanished without a word is noticed by the missing answer to a ping.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Agents ping too.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
    ("grpc.max_send_message_length", LARGEST_MESSAGE_BYTES),
)


class Gateway:
    """Everything agents talk to."""

    def __init__(self, context: GatewayContext, certificate: ServerCertificate) -> None:
        self._context = context
        self._certificate = certificate
        self.live = LiveSessions()
        self._intake = CommandIntake(context, self.live.find)
        self._sessions = SessionService(context, self.live, self._intake)
        self._rounds = Rounds(context, self.live)
        self._router: SniRouter | None = None
        self._servers: list[grpc.aio.Server] = []

    async def start(self, host: str, port: int) -> int:
        """Opens the port.

        Returns:
            The port: the one given, or a free one for 0.
        """
        # Abstract names: they go with the process, however it ends.
        name = f"osr-{uuid4()}"
        registration = grpc.aio.server(options=OPTIONS)
        add_RegistrationServicer_to_server(RegistrationService(self._context), registration)
        files = CertificateFiles(self._certificate, None)
        registration.add_secure_port(f"unix-abstract:{name}-registration", files.credentials())
        sessions = grpc.aio.server(options=OPTIONS)
        add_SessionServicer_to_server(self._sessions, sessions)
        authority = self._context.authority.folder / "ca.pem"
        files = CertificateFiles(self._certificate, authority)
        sessions.add_secure_port(f"unix-abstract:{name}-session", files.credentials())
        self._servers = [registration, sessions]
        for server in self._servers:
            await server.start()

        def choose_socket(server_name: str) -> str:
            kind = "registration" if server_name == REGISTRATION_NAME else "session"
            return f"\0{name}-{kind}"

        self._router = SniRouter(choose_socket)
        return await self._router.start(host, port)

    async def run_rounds(self) -> None:
        """Takes in results, and keeps sessions and database in step, until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._intake.run(), name="intake")
            tasks.create_task(self._rounds.run(), name="rounds")

    def wake(self, provider_id: UUID) -> None:
        """Has a provider's session look for commands, if it is here."""
        connection = self.live.find(provider_id)
        if connection is not None:
            connection.wake()

    async def stop(self) -> None:
        """Tells all agents that the gateway stops, marks their sessions, closes the port."""
        self.live.stop()
        await asyncio.gather(*(server.stop(STOP_SECONDS) for server in self._servers))
        if self._router is not None:
            await self._router.stop()
        await self._sessions.wait_closed()


async def serve(
    configuration: Configuration,
    engine: Engine,
    clock: Callable[[], datetime] = timezone.now,
) -> None:
    """Serves agents until SIGTERM or SIGINT.

    Args:
        configuration: The coordinator's.
        engine: Brings jobs on when results have come.
        clock: The time, UTC.

    Raises:
        ExceptionGroup: A part that has to run failed; the process should end and be started anew.
        OSError: The port is taken.
    """
    folder = configuration.state / "ca"
    authority = ensure_authority(folder, clock())
    names = sorted({configuration.public_host, configuration.gateway_host})
    certificate = ensure_server_certificate(folder, names, clock())
    database = Database()
    settings = GatewaySettings(
        heartbeat_seconds=configuration.heartbeat_seconds,
        lease_seconds=configuration.lease_seconds,
    )
    context = GatewayContext(
        gateway_id=str(uuid4()),
        authority=authority,
        database=database,
        clock=clock,
        settings=settings,
        engine=engine,
    )
    gateway = Gateway(context, certificate)
    port = await gateway.start(configuration.gateway_host, configuration.gateway_port)
    log.info("gateway.started", host=configuration.gateway_host, port=port)
    # What is there by now stays: looking through all of it for garbage took 80 ms each time, and
    # nobody is answered meanwhile.
    gc.collect()
    gc.freeze()
    hints = HintListener(configuration.redis_url, gateway.wake)

    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEWAL_CHECK_SECONDS)
            await asyncio.to_thread(ensure_server_certificate, folder, names, clock())

    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(gateway.run_rounds(), name="rounds"),
                tasks.create_task(hints.run(), name="hints"),
                tasks.create_task(renew(), name="certificate renewal"),
            ]
            await signalled()
            for task in running:
                task.cancel()
    finally:
        await gateway.stop()
        await database.close()
        log.info("gateway.stopped")


async def signalled() -> None:
    """Waits for the signal that ends the process."""
    loop = asyncio.get_running_loop()
    received = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received.set)
    await received.wait()
