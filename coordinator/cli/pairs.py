"""osr pair."""

from __future__ import annotations

import re
from typing import Annotated

import typer
from azure.mgmt.recoveryservicessiterecovery.models import (
    CreateProtectionContainerMappingInput,
    CreateProtectionContainerMappingInputProperties,
)

from coordinator.cli.names import container_of, find_cloud, find_policy, friendly_name
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    WaitOption,
    begin,
    follow,
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


def mapping_name(source: str, target: str) -> str:
    """A name for the pair that an address can hold."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", f"{source}-to-{target}")[:64].strip("-")
