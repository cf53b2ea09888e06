"""osr pair."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from coordinator.cli.clients import Clients
from coordinator.cli.completion import complete_clouds, complete_pairs, complete_policies
from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.failures import CommandError, ExitCode, not_found
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
    source: Annotated[
        str, typer.Argument(help="Cloud to protect.", autocompletion=complete_clouds)
    ],
    target: Annotated[
        str, typer.Argument(help="Cloud to recover in.", autocompletion=complete_clouds)
    ],
    policy: Annotated[
        str, typer.Option(help="Replication policy.", autocompletion=complete_policies)
    ],
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Pairs two clouds under a policy: sets replication up on the hosts of both that it is for.

    Clouds with hosts of several generations of Windows are paired once for each, under a policy of
    that host version.
    """
    clients = session.clients
    primary = find_cloud(clients, source)
    recovery = find_cloud(clients, target)
    chosen = find_policy(clients, policy)
    wanted = {"properties": {"policyId": chosen.id, "targetProtectionContainerId": recovery.id}}
    mappings = clients.site_recovery.replication_protection_container_mappings
    name = _new_name(clients, primary, recovery, chosen)
    operation = mappings.begin_create
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
    source: Annotated[
        str,
        typer.Argument(
            help="Cloud that the pair protects, or its name.", autocompletion=complete_pairs
        ),
    ],
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
        job_name = begin(mappings.begin_delete, *where, {"properties": {}})
    if not job_name:
        return
    follow(session, job_name, wait=wait, limit_seconds=limit_seconds)
    if vault_only:
        tell_clean_up(session, job_name)


def find_pair(source: str, pairs: Sequence[Any]) -> Any:
    """The pair with that name, or with that source cloud.

    Raises:
        CommandError: There is none, or the cloud is paired for several generations of hosts.
    """
    wanted = source.casefold()
    found = [pair for pair in pairs if str(pair.name).casefold() == wanted]
    found = found or [pair for pair in pairs if source_of(pair).casefold() == wanted]
    if not found:
        raise not_found("pair of clouds", source, [source_of(pair) for pair in pairs])
    if len(found) > 1:
        raise CommandError(
            ExitCode.NOT_FOUND,
            f"{len(found)} pairs have the source {source}: one for each generation of hosts, or "
            "clouds of that name on several servers.",
            possible_causes=[
                f"{pair.name} has the policy {pair.properties.policy_friendly_name}."
                for pair in found
            ],
            recommended_action="Use one of these names instead: "
            + ", ".join(str(pair.name) for pair in found),
        )
    return found[0]


def source_of(pair: Any) -> str:
    return str(pair.properties.source_protection_container_friendly_name)


def mapping_name(source: str, target: str, between: str = "-to-") -> str:
    """A name for the pair that an address can hold."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", f"{source}{between}{target}")[:64].strip("-")


def _new_name(clients: Clients, primary: Any, recovery: Any, policy: Any) -> str:
    """After both clouds; with the policy when their pair for other hosts is called so already."""
    name = mapping_name(friendly_name(primary), friendly_name(recovery))
    pairs: Any = clients.site_recovery.replication_protection_container_mappings
    for pair in pairs.list(*clients.scope):
        same_cloud = container_of(pair.id) == container_of(primary.id)
        if not same_cloud or pair.name.casefold() != name.casefold():
            continue
        if _host_version(clients, pair.properties.policy_id) != _host_version(clients, policy.id):
            return mapping_name(name, str(policy.name), "-")
    return name


def _host_version(clients: Clients, policy_id: str) -> str:
    """The generation of hosts that a policy names, in the words of the API."""
    policies: Any = clients.site_recovery.replication_policies
    for policy in policies.list(*clients.scope):
        if policy.id.casefold() == policy_id.casefold():
            return str(policy.properties.provider_specific_details.instance_type)
    return ""
