"""A gateway on PostgreSQL, two registered servers, and what tests look at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
from celery import Celery

from coordinator.fabrics.models import Provider
from coordinator.gateway.database import Database
from coordinator.gateway.server import Gateway
from coordinator.gateway.settings import GatewayContext, GatewaySettings
from coordinator.vaults.models import Vault
from coordinator.vaults.services import (
    Authority,
    ServerCertificate,
    ensure_authority,
    ensure_server_certificate,
)
from tests.integration.fabrics.servers import VmmServerToRegister, make_key_file
from tests.integration.gateway.agents import LIMIT_SECONDS, Agent, Door, certificate_pem, key_pem

POLL_SECONDS = 0.02
T = TypeVar("T")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return ensure_authority(tmp_path_factory.mktemp("ca"), datetime.now(UTC))


@pytest.fixture(scope="session")
def certificate(authority: Authority) -> ServerCertificate:
    return ensure_server_certificate(authority.folder, ["localhost"], datetime.now(UTC))


@pytest.fixture
def settings() -> GatewaySettings:
    return GatewaySettings(round_seconds=0.1, watch_seconds=0.1)


@pytest.fixture(autouse=True)
def broker() -> Iterator[None]:
    """Where results announce that a job can go on; nobody takes it there."""
    app = Celery("gateway-tests", broker="memory://", fixups=[], set_as_current=False)
    app.set_default()
    yield
    app.close()


@dataclass
class Site:
    """The gateway and what a test needs to look behind it."""

    door: Door
    gateway: Gateway
    context: GatewayContext
    vault: Vault

    async def register(self, name: str) -> Agent:
        """A server that has registered over the network."""
        server = VmmServerToRegister(name)
        key_file = await self.run(
            lambda: make_key_file(self.vault, self.context.authority, self.context.clock())
        )
        response = await self.door.register(server.request(key_file))
        return Agent(
            self.door,
            key_pem(server.private_key),
            certificate_pem(response.certificate),
            UUID(response.provider_id),
            UUID(response.fabric_id),
        )

    async def run(self, work: Callable[[], T]) -> T:
        """Calls something that needs the database, in a transaction."""
        return await self.context.database.run(work)

    async def provider(self, agent: Agent) -> Provider:
        return await self.run(lambda: Provider.objects.get(pk=agent.provider_id))

    async def until(self, look: Callable[[], bool]) -> None:
        """Looks at the database until something is so."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while not await self.run(look):  # noqa: ASYNC110 - PostgreSQL tells nobody
                await asyncio.sleep(POLL_SECONDS)


@pytest.fixture
async def site(
    transactional_db: None,
    authority: Authority,
    certificate: ServerCertificate,
    settings: GatewaySettings,
) -> AsyncIterator[Site]:
    database = Database(threads=4)
    context = GatewayContext(
        gateway_id=str(uuid4()),
        authority=authority,
        database=database,
        clock=lambda: datetime.now(UTC),
        settings=settings,
    )
    gateway = Gateway(context, certificate)
    port = await gateway.start("127.0.0.1", 0)
    rounds = asyncio.create_task(gateway.run_rounds())
    vault = await database.run(make_vault)
    yield Site(Door(port, authority.pem.encode()), gateway, context, vault)
    rounds.cancel()
    await gateway.stop()
    await asyncio.gather(rounds, return_exceptions=True)
    await database.close()


@pytest.fixture
async def shanghai(site: Site) -> Agent:
    return await site.register("VMM-Shanghai")


def make_vault() -> Vault:
    return Vault.objects.create(
        subscription_id=uuid4(),
        resource_group="rg",
        name="Gold-Vault",
        location="westeurope",
        created_at=datetime.now(UTC),
    )
