"""osr server."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from coordinator.cli.names import pick
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="VMM servers registered in the vault.")

COLUMNS = {
    "Name": lambda server: str(server.properties.fabric_friendly_name),
    "Connection": lambda server: str(server.properties.connection_status),
    "Last heartbeat": lambda server: _time(server.properties.last_heart_beat),
    "Agent": lambda server: str(server.properties.provider_version),
    "VMM": lambda server: str(server.properties.server_version),
    "Protected": lambda server: str(server.properties.protected_item_count),
    "Machine": lambda server: str(server.properties.machine_name),
}


@command(app, "list")
def list_servers(session: Session) -> None:
    """Lists the servers with their connection."""
    providers = session.clients.site_recovery.replication_recovery_services_providers
    session.show(list(providers.list(*session.clients.scope)), COLUMNS, whole="Name")


@command(app)
def show(
    session: Session, name: Annotated[str, typer.Argument(help="For example VMM-Shanghai.")]
) -> None:
    """Shows one server."""
    providers = session.clients.site_recovery.replication_recovery_services_providers
    session.show_one(pick("server", name, providers.list(*session.clients.scope)), COLUMNS)


def _time(time: Any) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}" if hasattr(time, "year") else "never"
