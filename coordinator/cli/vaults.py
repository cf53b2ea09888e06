"""osr vault."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from azure.mgmt.recoveryservices.models import Sku, Vault

from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Vaults: what everything else belongs to.")

COLUMNS = {
    "Name": lambda vault: str(vault.name),
    "Resource group": lambda vault: str(vault.id).split("/")[4],
    "Location": lambda vault: str(vault.location),
}
NameArgument = Annotated[str | None, typer.Argument(help="Default: the connection's vault.")]


@command(app)
def create(
    session: Session,
    name: NameArgument = None,
    location: Annotated[str, typer.Option(help="A label, for example of a site.")] = "local",
) -> None:
    """Creates a vault; one that is there already is left as it is."""
    vaults = session.clients.recovery_services.vaults
    wanted = Vault(location=location, sku=Sku(name="RS0", tier="Standard"))
    group = session.clients.resource_group
    poller = vaults.begin_create_or_update(group, _name(session, name), wanted)
    session.show_one(poller.result(), COLUMNS)


@command(app, "list")
def list_vaults(
    session: Session,
    everywhere: Annotated[
        bool, typer.Option("--all", help="Of all resource groups of the subscription.")
    ] = False,
) -> None:
    """Lists the vaults."""
    vaults = session.clients.recovery_services.vaults
    group = session.clients.resource_group
    found: Any = (
        vaults.list_by_subscription_id() if everywhere else vaults.list_by_resource_group(group)
    )
    session.show(list(found), COLUMNS)


@command(app)
def show(session: Session, name: NameArgument = None) -> None:
    """Shows a vault."""
    clients = session.clients
    vault = clients.recovery_services.vaults.get(clients.resource_group, _name(session, name))
    session.show_one(vault, COLUMNS)


@command(app)
def delete(session: Session, name: NameArgument = None) -> None:
    """Deletes a vault that nothing is left in."""
    clients = session.clients
    vault = _name(session, name)
    clients.recovery_services.vaults.begin_delete(clients.resource_group, vault).result()
    session.tell(f"Vault {vault} is deleted.")


def _name(session: Session, name: str | None) -> str:
    return name or session.clients.vault
