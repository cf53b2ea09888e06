"""osr cloud."""

from __future__ import annotations

from typing import Annotated

import typer

from coordinator.cli.completion import complete_clouds, complete_servers
from coordinator.cli.names import find_cloud, list_clouds
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="VMM clouds of the registered servers.")

COLUMNS = {
    "Name": lambda cloud: str(cloud.properties.friendly_name),
    "Server": lambda cloud: str(cloud.properties.fabric_friendly_name),
    "Pairing": lambda cloud: str(cloud.properties.pairing_status),
    "Role": lambda cloud: str(cloud.properties.role or "-"),
    "Protected": lambda cloud: str(cloud.properties.protected_item_count),
}


@command(app, "list")
def list_all(
    session: Session,
    server: Annotated[
        str | None, typer.Option(help="Only of this server.", autocompletion=complete_servers)
    ] = None,
) -> None:
    """Lists the clouds."""
    session.show(list_clouds(session.clients, server), COLUMNS)


@command(app)
def show(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name of the cloud.", autocompletion=complete_clouds)],
    server: Annotated[
        str | None, typer.Option(help="Server it is of.", autocompletion=complete_servers)
    ] = None,
) -> None:
    """Shows a cloud."""
    session.show_one(find_cloud(session.clients, name, server), COLUMNS)
