"""osr pair."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from azure.mgmt.recoveryservicessiterecovery.models import (
    CreateProtectionContainerMappingInput,
    CreateProtectionContainerMappingInputProperties,
    RemoveProtectionContainerMappingInput,
    RemoveProtectionContainerMappingInputProperties,
)

from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.failures import not_found
from coordinator.cli.names import container_of, find_cloud, find_policy, friendly_name
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    WaitOption,
    begin,
    follow,
    tell_clean_up,
)
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Pairs of clouds.")

COLUMNS = {
    "Name": lambda pair: str(pair.name),
    "State": lambda pair: str(pair.properties.state),
    "Policy": lambda pair: str(pair.properties.policy_friendly_name),
    "Source": lambda pair: (
        f"{pair.properties.source_protection_container_friendly_name}"
        f" ({pair.properties.source_fabric_friendly_name})"
    ),
    "Target": lambda pair: (
        f"{pair.properties.target_protection_container_friendly_name}"
        f" ({pair.properties.target_fabric_friendly_name})"
    ),
    "Health": lambda pair: str(pair.properties.health),
}


@command(app)
def create(
    session: Session,
    source: Annotated[str, typer.Argument(help="Cloud to protect.")],
    target: Annotated[str, typer.Argument(help="Cloud to recover in.")],
    policy: Annotated[str, typer.Option(help="Replication policy.")],
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Pairs two clouds under a policy: sets replication up on every host of both."""
    clients = session.clients
    primary = find_cloud(clients, source)
    recovery = find_cloud(clients, target)
    wanted = CreateProtectionContainerMappingInput(
        properties=CreateProtectionContainerMappingInputProperties(
            policy_id=find_policy(clients, policy).id, target_protection_container_id=recovery.id
        )
    )
    operation = clients.site_recovery.replication_protection_container_mappings.begin_create
    name = mapping_name(friendly_name(primary), friendly_name(recovery))
    job_name = begin(operation, *clients.scope, *container_of(primary.id), name, wanted)
    if job_name:
        follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


@command(app, "list")
def list_pairs(session: Session) -> None:
    """Lists the pairs."""
    mappings = session.clients.site_recovery.replication_protection_container_mappings
    session.show(list(mappings.list(*session.clients.scope)), COLUMNS)


@command(app)
def remove(
    session: Session,
    source: Annotated[str, typer.Argument(help="Cloud that the pair protects.")],
    vault_only: Annotated[
        bool,
        typer.Option("--vault-only", help="Change nothing on the hosts, only forget the pair."),
    ] = False,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Dissociates a pair of clouds: takes back what pairing configured on their hosts."""
    clients = session.clients
    mappings = clients.site_recovery.replication_protection_container_mappings
    pair = find_pair(source, list(mappings.list(*clients.scope)))
    name = source_of(pair)
    target = pair.properties.target_protection_container_friendly_name
    confirm(session, f"This ends the pairing of {name} with {target}.", name, yes=yes)
    where = (*clients.scope, *container_of(pair.id), pair.name)
    if vault_only:
        job_name = begin(mappings.begin_purge, *where)
    else:
        wanted = RemoveProtectionContainerMappingInput(
            properties=RemoveProtectionContainerMappingInputProperties()
        )
        job_name = begin(mappings.begin_delete, *where, wanted)
    if not job_name:
        return
    follow(session, job_name, wait=wait, limit_seconds=limit_seconds)
    if vault_only:
        tell_clean_up(session, job_name)


def find_pair(source: str, pairs: Sequence[Any]) -> Any:
    """The pair with that source cloud or name; a cloud is in one pair only.

    Raises:
        CommandError: There is none.
    """
    wanted = source.casefold()
    for pair in pairs:
        if wanted in {source_of(pair).casefold(), str(pair.name).casefold()}:
            return pair
    raise not_found("pair of clouds", source, [source_of(pair) for pair in pairs])


def source_of(pair: Any) -> str:
    return str(pair.properties.source_protection_container_friendly_name)


def mapping_name(source: str, target: str) -> str:
    """A name for the pair that an address can hold."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", f"{source}-to-{target}")[:64].strip("-")
