"""A PostgreSQL and a Redis of the tests' own, started when the first test asks for them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
import redis
from pytest_django import DjangoDbBlocker

from coordinator.config import embedded
from coordinator.config.waiting import wait_for

# A busy machine is no fault of what is tested.
hypothesis.settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-machine")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a server: SIGINT is PostgreSQL's fast shutdown, and Redis knows it too."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def engines() -> Iterator[embedded.Embedded]:
    """Folders of the embedded engines of this test process."""
    folder = Path(tempfile.mkdtemp(prefix="osr-test-"))
    yield embedded.prepare(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(engines: embedded.Embedded) -> Iterator[str]:
    """URL of a running PostgreSQL with an empty database."""
    command = embedded.postgres_command(engines)
    # The tests' database needs no durability: it does not outlive them.
    with subprocess.Popen([*command, "--fsync=off"], cwd="/", stderr=subprocess.DEVNULL) as process:
        server = f"postgresql://{embedded.DATABASE}@/postgres?host={engines.sockets}"

        def answers() -> bool:
            try:
                psycopg.connect(server).close()
            except psycopg.OperationalError:
                return False
            return True

        wait_for("PostgreSQL", answers, limit_seconds=30)
        yield server
        stop(process)


@pytest.fixture(scope="session")
def redis_url(engines: embedded.Embedded) -> Iterator[str]:
    """URL of a running Redis."""
    with subprocess.Popen(
        embedded.redis_command(engines), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:

        def answers() -> bool:
            try:
                with redis.Redis.from_url(engines.redis_url) as client:
                    return bool(client.ping())
            except redis.exceptions.ConnectionError:
                return False

        wait_for("Redis", answers, limit_seconds=20)
        yield engines.redis_url
        stop(process)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: str, engines: embedded.Embedded) -> None:
    """Points Django at the embedded PostgreSQL; pytest-django makes its test database in it."""
    from django.db import connections  # noqa: PLC0415 - after pytest-django has set Django up

    for settings in (connections["default"].settings_dict, connections.databases["default"]):
        settings["HOST"] = str(engines.sockets)
        settings["USER"] = embedded.DATABASE
        settings["PORT"] = ""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Lets tests empty all tables after them; the audit's would refuse it."""
    del django_db_setup
    from django.db import connection  # noqa: PLC0415 - after pytest-django has set Django up

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table in ("record", "chain"):
            cursor.execute(
                f"ALTER TABLE events_audit{table} DISABLE TRIGGER audit_{table}_truncate"
            )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Writes the clauses a test is marked with into the report `tests/run --spec` reads."""
    for item in items:
        for marker in item.iter_markers("spec"):
            for clause in marker.args:
                item.user_properties.append(("spec", str(clause)))
