"""The load of the API's figures: a vault with many protected machines, and clients side by side."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import quote, urlsplit

import httptools
import httpx
from django.conf import settings
from django.db import transaction

from coordinator.access.services import create_principal
from coordinator.config.waiting import wait_for
from coordinator.fabrics.models import Fabric, Host, Provider
from coordinator.jobs.verbs import RESULT_FIELDS
from coordinator.protection.models import PairedHost, Pairing, ProtectedItem
from tests.bench.figures import percentile
from tests.bench.replication_load import make_agents

API_VERSION = "2025-08-01"
PAIRS = 1
# Providers count as connected for so long, whether or not anybody is there.
HEARD_OF = timedelta(hours=1)
CHUNK_BYTES = 1 << 18
START_LIMIT_SECONDS = 120.0

Request = tuple[str, str, object]


@dataclass(frozen=True)
class Target:
    """A vault and who may use it.

    Attributes:
        items: Addresses of its protected items.
    """

    endpoint: str
    vault: str
    token: str
    items: Sequence[str]

    def requests(self, path: str) -> Iterator[Request]:
        """Reads the same address again and again."""
        while True:
            yield "GET", f"{self.vault}/{path}", None

    def gets(self) -> Iterator[Request]:
        """Reads one machine after the other."""
        while True:
            for item in self.items:
                yield "GET", item, None

    def begins(self) -> Iterator[Request]:
        """Begins a planned failover of one machine after the other."""
        body = {"properties": {"failoverDirection": "PrimaryToRecovery"}}
        for item in self.items:
            yield "POST", f"{item}/plannedFailover", body


def make_target(machines: int) -> Target:
    """A vault whose machines can be failed over: nobody carries it out."""
    vm_id = make_agents(machines, PAIRS)[0].vm_ids[0]
    pairing = Pairing.objects.get(items__vm_id=vm_id)
    now = datetime.now(UTC)
    vault = pairing.vault
    sides = (
        (pairing.primary_fabric, "Primary", "hv0.primary.contoso.com"),
        (pairing.recovery_fabric, "Recovery", "hv0.recovery.contoso.com"),
    )
    for fabric, location, host in sides:
        _make_side(pairing, fabric, (location, host), now)
    tenant_id = uuid.uuid4()
    with transaction.atomic():
        client_id, secret = create_principal(tenant_id, vault.subscription_id, "bench", now)
    configuration = settings.CONFIGURATION
    endpoint = f"https://{configuration.api_host}:{configuration.api_port}"
    wait_until_served(f"{endpoint}/metadata")
    answer = httpx.post(
        f"{endpoint}/{tenant_id}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret.reveal(),
            "scope": f"{endpoint}/.default",
        },
        verify=trust(),
    )
    answer.raise_for_status()
    address = (
        f"/subscriptions/{vault.subscription_id}/resourceGroups/{vault.resource_group}"
        f"/providers/Microsoft.RecoveryServices/vaults/{vault.name}"
    )
    container = (
        f"{address}/replicationFabrics/{pairing.primary_fabric.name}"
        f"/replicationProtectionContainers/{pairing.primary_cloud.name}"
    )
    names = ProtectedItem.objects.filter(pairing=pairing).values_list("name", flat=True)
    items = [f"{container}/replicationProtectedItems/{name}" for name in names]
    return Target(endpoint, address, answer.json()["access_token"], items)


def _make_side(pairing: Pairing, fabric: Fabric, side: tuple[str, str], now: datetime) -> None:
    location, name = side
    Provider.objects.create(
        vault=pairing.vault,
        fabric=fabric,
        name=f"provider-{location}",
        public_key_sha256=uuid.uuid4().bytes * 2,
        certificate_not_after=now + timedelta(days=365),
        registered_at=now,
        fence=1,
        connected_at=now,
        last_heartbeat_at=now + HEARD_OF,
        capabilities=sorted(RESULT_FIELDS),
    )
    host = Host.objects.create(
        vault=pairing.vault, fabric=fabric, external_id=name, name=name, details={}
    )
    PairedHost.objects.create(
        pairing=pairing,
        host=host,
        storage_location="D:\\Replicas",
        configured_at=now,
        location=location,
        connection_point=name,
    )


def wait_until_served(address: str) -> None:
    """Until somebody answers there, whatever it is."""
    context = trust()

    def answers() -> bool:
        try:
            httpx.get(address, verify=context)
        except httpx.HTTPError:
            return False
        return True

    wait_for("the server", answers, START_LIMIT_SECONDS)


def trust() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.CONFIGURATION.state / "ca" / "ca.pem")


class Client:
    """A connection to the API that is kept; no more than a load needs.

    Clients for people take five times what the server takes, on the same two cores.
    """

    def __init__(self, endpoint: str, token: str) -> None:
        address = urlsplit(endpoint)
        self._host, self._port = address.hostname or "", address.port or 443
        self._head = f"Host: {address.netloc}\r\nAuthorization: Bearer {token}\r\n"
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def connect(self, context: ssl.SSLContext) -> None:
        self._reader, self._writer = await asyncio.open_connection(
            self._host, self._port, ssl=context
        )

    async def send(self, method: str, path: str, body: object) -> None:
        """Waits for the whole answer.

        Raises:
            RuntimeError: It is an error.
        """
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {quote(path)}?api-version={API_VERSION} HTTP/1.1\r\n{self._head}"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)
        answer = _Answer()
        parser = httptools.HttpResponseParser(answer)
        while not answer.complete:
            chunk = await self._reader.read(CHUNK_BYTES)
            if not chunk:
                raise RuntimeError(f"{method} {path}: the connection was closed")
            parser.feed_data(chunk)
        if parser.get_status_code() >= HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"{method} {path}: {parser.get_status_code()} {answer.body!r}")

    def close(self) -> None:
        self._writer.close()


class _Answer:
    """What httptools tells of an answer."""

    def __init__(self) -> None:
        self.body = b""
        self.complete = False

    def on_body(self, body: bytes) -> None:
        self.body = body

    def on_message_complete(self) -> None:
        self.complete = True


async def take_times(
    clients: Sequence[Client], requests: Iterator[Request], count: int
) -> list[float]:
    """Seconds from each request to its answer: so many in all, one at a time of each client."""
    left = iter(range(count))
    taken: list[float] = []

    async def work(client: Client) -> None:
        for _ in left:
            method, path, body = next(requests)
            began = time.perf_counter()
            await client.send(method, path, body)
            taken.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(work(client))
    return taken


@asynccontextmanager
async def connected(endpoint: str, token: str, count: int) -> AsyncIterator[Sequence[Client]]:
    """So many clients."""
    context, clients = trust(), [Client(endpoint, token) for _ in range(count)]
    for client in clients:
        await client.connect(context)
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def facts(name: str, taken: Sequence[float], seconds: float) -> dict[str, float]:
    """What a load's times come to, by name."""
    return {
        f"{name} p50_ms": percentile(taken, 0.5) * 1000,
        f"{name} p99_ms": percentile(taken, 0.99) * 1000,
        f"{name} a_second": len(taken) / seconds,
    }
