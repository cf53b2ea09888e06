"""osr vault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from coordinator.cli.completion import complete_vaults
from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.outputs import as_plain
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Vaults: what everything else belongs to.")

COLUMNS = {
    "Name": lambda vault: str(vault.name),
    "Resource group": lambda vault: str(vault.id).split("/")[4],
    "Location": lambda vault: str(vault.location),
}
DETAILS = {
    **COLUMNS,
    "Tags": lambda vault: ", ".join(f"{name}={text}" for name, text in (vault.tags or {}).items()),
    "Id": lambda vault: str(vault.id),
}
HEALTH_PARTS = {
    "protectedItemsHealth": "Machines",
    "fabricsHealth": "Servers",
    "containersHealth": "Clouds",
}
HEALTH_COLUMNS = {
    "What": lambda row: str(row["what"]),
    "Healthy and not": lambda row: ", ".join(
        f"{count} {health}" for health, count in row["counts"].items()
    ),
}
NameArgument = Annotated[
    str | None, typer.Argument(help="Default: the profile's vault.", autocompletion=complete_vaults)
]


@command(app)
def create(
    session: Session,
    name: NameArgument = None,
    location: Annotated[str, typer.Option(help="A label, for example of a site.")] = "local",
) -> None:
    """Creates a vault; one that is there already is left as it is."""
    vaults = session.clients.recovery_services.vaults
    wanted: Any = {"location": location, "sku": {"name": "RS0", "tier": "Standard"}}
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
    session.show_one(vault, DETAILS)


@command(app)
def update(
    session: Session,
    name: NameArgument = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="name=value; may repeat; name= removes it.")
    ] = None,
) -> None:
    """Changes a vault's tags, unless somebody else has changed the vault meanwhile."""
    clients = session.clients
    vaults = clients.recovery_services.vaults
    known: Any = vaults.get(clients.resource_group, _name(session, name))
    tags = changed_tags(known.tags or {}, tag or [])
    wanted: Any = {"location": known.location, "tags": tags}
    headers: Any = {"If-Match": str(known.etag)}
    changed = vaults.begin_update(clients.resource_group, known.name, wanted, headers=headers)
    session.show_one(changed.result(), DETAILS)


@command(app)
def health(
    session: Session,
    refresh: Annotated[bool, typer.Option("--refresh", help="Have it put together anew.")] = False,
) -> None:
    """Shows how machines, servers and clouds of the vault fare, and what ails those that do not."""
    clients = session.clients
    operations = clients.site_recovery.replication_vault_health
    if refresh:
        operations.begin_refresh(*clients.scope).result()
    found = as_plain(operations.get(*clients.scope))
    if session.as_json:
        session.show_json(found)
        return
    properties = found["properties"]
    rows = [
        {"what": title, "counts": properties[field].get("categorizedResourceCounts") or {}}
        for field, title in HEALTH_PARTS.items()
        if properties.get(field)
    ]
    session.show(rows, HEALTH_COLUMNS)
    for field in HEALTH_PARTS:
        for issue in (properties.get(field) or {}).get("issues") or []:
            count = len(issue.get("affectedResourceCorrelationIds") or ())
            session.tell(f"{issue.get('severity')}: {issue.get('summaryMessage')} ({count})")
    for error in properties.get("vaultErrors") or []:
        session.tell(f"{error.get('errorLevel')} {error.get('errorCode')}: {error_text(error)}")


@command(app)
def settings(session: Session) -> None:
    """Shows the vault's settings; none of those that ASR keeps applies between two sites."""
    clients = session.clients
    found = clients.site_recovery.replication_vault_setting.list(*clients.scope)
    session.show(list(found), {"Name": lambda one: str(one.name)})


@command(app)
def delete(session: Session, name: NameArgument = None, yes: YesOption = False) -> None:
    """Deletes a vault that nothing is left in."""
    clients = session.clients
    vault = _name(session, name)
    confirm(session, f"This deletes the vault {vault}.", vault, yes=yes)
    clients.recovery_services.vaults.begin_delete(clients.resource_group, vault).result()
    session.tell(f"Vault {vault} is deleted.")


def changed_tags(known: Mapping[str, str], given: Sequence[str]) -> dict[str, str]:
    """Tags after a change; an empty value takes one away.

    Raises:
        typer.BadParameter: A text is no name=value.
    """
    tags = dict(known)
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{text!r} is no tag, as owner=ada is.")
        tags[name.strip()] = value.strip()
    return {name: value for name, value in tags.items() if value}


def error_text(error: Mapping[str, Any]) -> str:
    """What an error of health says, and what to do."""
    message = error.get("errorMessage") or error.get("summaryMessage") or ""
    return f"{message} {error.get('recommendedAction') or ''}".strip()


def _name(session: Session, name: str | None) -> str:
    return name or session.clients.vault
