"""The API as a process of its own over TLS, programs that may use it, and two sites to protect."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.utils import timezone

from coordinator.access.services import OWNER, RoleDefinition, create_principal
from coordinator.config.stack import free_port
from coordinator.config.waiting import wait_for
from coordinator.vaults.authority import ensure_server_certificate
from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program, Server
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, make_sites

GATEWAY = "gateway.example:9444"


@pytest.fixture(scope="session")
def server(
    django_db_setup: None, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A running API process on the tests' database."""
    with running_server(tmp_path_factory.mktemp("state"), redis_url) as running:
        yield running


@contextmanager
def running_server(state: Path, redis_url: str, **settings: str) -> Iterator[Server]:
    """An API process on the tests' database, with further settings if wanted."""
    ensure_server_certificate(state / "ca", ["localhost"], datetime.now(UTC))
    database = connections["default"].settings_dict
    port = free_port()
    environment = {
        **os.environ,
        "OSR_STATE": str(state),
        "OSR_DATABASE_URL": (
            f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}"
        ),
        "OSR_REDIS_URL": redis_url,
        "OSR_API_PORT": str(port),
        "OSR_PUBLIC_HOST": GATEWAY.partition(":")[0],
        "DJANGO_SETTINGS_MODULE": "coordinator.config.settings",
        **settings,
    }
    command = [sys.executable, "-m", "coordinator.config.main", "api"]
    with (
        (state / "api.log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        running = Server(f"https://localhost:{port}", state / "ca" / "ca.pem", state)
        try:
            wait_for("the API", lambda: running.answers(process), limit_seconds=120)
            yield running
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture
def make_program(
    server: Server, transactional_db: None, tmp_path: Path
) -> Iterator[Callable[..., Program]]:
    """Makes programs that may sign in; their clients are closed after the test."""
    with ExitStack() as closing:

        def make(
            subscription_id: UUID | None = None,
            vault: str = "Vault-1",
            role: RoleDefinition | None = OWNER,
        ) -> Program:
            tenant, subscription = uuid4(), subscription_id or uuid4()
            client_id, secret = create_principal(
                tenant, subscription, "tests", timezone.now(), role=role
            )
            program = Program(
                server=server,
                tenant_id=str(tenant),
                client_id=client_id,
                client_secret=secret.reveal(),
                subscription_id=str(subscription),
                vault=vault,
                folder=tmp_path / client_id,
            )
            closing.callback(program.close)
            return program

        yield make


@pytest.fixture
def program(make_program: Callable[..., Program]) -> Program:
    return make_program()


@pytest.fixture
def vault(program: Program) -> Vault:
    """The program's vault, with nothing in it."""
    return Vault.objects.create(
        subscription_id=UUID(program.subscription_id),
        resource_group=program.resource_group,
        name=program.vault,
        location="here",
        created_at=timezone.now(),
    )


@pytest.fixture
def sites(vault: Vault) -> Sites:
    """Two connected VMM servers with clouds, hosts and machines."""
    return make_sites(vault, timezone.now())


@pytest.fixture
def engine(transactional_db: None) -> Iterator[ScriptedEngine]:
    """Ends jobs as told, from a thread of its own."""
    with ScriptedEngine() as running:
        yield running
