"""What must be there before the processes of a coordinator can work."""

from __future__ import annotations

from datetime import datetime

import psycopg
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import OperationalError

from coordinator.access import services as access
from coordinator.config.configuration import Configuration
from coordinator.config.waiting import wait_for
from coordinator.events.audit import services as audit
from coordinator.vaults import authority, replication_authority

# How long a process waits for a database that is still starting.
DATABASE_LIMIT_SECONDS = 300


def install(configuration: Configuration, now: datetime) -> None:
    """Makes the database, its tables, and the certificate authorities.

    Idempotent.
    """
    # The certificates come first: whoever sees the tables may rely on them.
    folder = configuration.state / "ca"
    authority.ensure_authority(folder, now)
    replication_authority.ensure_replication_authority(folder, now)
    audit.ensure_signer(folder)
    names = [configuration.public_host, configuration.api_host, configuration.gateway_host]
    authority.ensure_server_certificate(folder, sorted(set(names)), now)
    wait_for("PostgreSQL", lambda: _database_made(configuration), DATABASE_LIMIT_SECONDS)
    call_command("migrate", interactive=False, verbosity=0)
    access.ensure_command_client()


def wait_until_installed() -> None:
    """Waits until the tables are those of this version.

    Raises:
        WaitTimeoutError: They did not come in time.
    """
    wait_for("the database", _migrated, DATABASE_LIMIT_SECONDS)


def _database_made(configuration: Configuration) -> bool:
    """Whether our database is there; makes it if the server is there without it."""
    url = configuration.database_url
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        name = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
        server = psycopg.conninfo.make_conninfo(url, dbname="postgres")
        try:
            with psycopg.connect(server, autocommit=True, connect_timeout=5) as session:
                found = session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
                if found.fetchone() is None:
                    make = psycopg.sql.SQL("CREATE DATABASE {}")
                    session.execute(make.format(psycopg.sql.Identifier(name)))
        except psycopg.OperationalError:
            return False
    return True


def _migrated() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except OperationalError:
        return False
    finally:
        connection.close()
