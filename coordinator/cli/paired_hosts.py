"""osr pair show, check and renew-certificates: hosts of pairs of clouds."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from coordinator.cli.completion import complete_clouds, complete_pairs, complete_policies
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.names import find_cloud, find_policy
from coordinator.cli.operations import DEFAULT_LIMIT_SECONDS, LimitOption, WaitOption, follow
from coordinator.cli.pairs import find_pair
from coordinator.cli.session import Session, command

SourceArgument = Annotated[
    str,
    typer.Argument(
        help="Cloud that the pair protects, or its name.", autocompletion=complete_pairs
    ),
]
COLUMNS = {
    "Host": lambda host: str(host["properties"]["fqdn"]),
    "Side": lambda host: str(host["properties"]["location"]),
    "State": lambda host: str(host["properties"]["state"]),
    "Reached by": lambda host: str(host["properties"]["connectionPoint"] or ""),
    "Certificate until": lambda host: str(host["properties"]["certificateExpiresAt"] or "")[:10],
    "Thumbprint": lambda host: str(host["properties"]["certificateThumbprint"] or ""),
    "Replicas in": lambda host: str(host["properties"]["storageLocation"] or ""),
}
PREREQUISITE_COLUMNS = {
    "Code": lambda error: str(error["errorCode"]),
    "What": lambda error: str(error["errorMessage"]),
    "What to do": lambda error: str(error["recommendedAction"]),
}


def show(session: Session, source: SourceArgument) -> None:
    """Shows the hosts of a pair, and until when their certificates are good."""
    pair = _pair(session, source)
    found: Any = session.clients.send("GET", f"{_below_vault(pair.id)}/hosts")
    session.show(found["value"], COLUMNS, whole="Host")
    for error in pair.properties.health_error_details or []:
        session.tell(f"{error.error_message} {error.recommended_action}")


def renew_certificates(
    session: Session,
    source: SourceArgument,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Gives all hosts of a pair new certificates; replication goes on meanwhile.

    Certificates are renewed by themselves when a third of their life is left.
    """
    pair = _pair(session, source)
    job_name = session.clients.start("POST", f"{_below_vault(pair.id)}/renewCertificates")
    if job_name:
        follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


def check(
    session: Session,
    source: Annotated[
        str, typer.Argument(help="Cloud to protect.", autocompletion=complete_clouds)
    ],
    target: Annotated[
        str, typer.Argument(help="Cloud to recover in.", autocompletion=complete_clouds)
    ] = "",
    policy: Annotated[
        str, typer.Option(help="Replication policy.", autocompletion=complete_policies)
    ] = "",
) -> None:
    """Says everything that keeps a cloud, or two clouds, from being paired."""
    clients = session.clients
    cloud = find_cloud(clients, source)
    asked = {}
    if target:
        asked["target"] = str(find_cloud(clients, target).id)
    if policy:
        asked["policy"] = str(find_policy(clients, policy).id)
    answer = clients.send("GET", f"{_below_vault(cloud.id)}/pairingPrerequisites", parameters=asked)
    errors = answer["properties"]["healthErrors"]
    session.show(errors, PREREQUISITE_COLUMNS, whole="Code")
    if errors:
        raise CommandError(
            ExitCode.REFUSED,
            f"{len(errors)} prerequisites are not met.",
            possible_causes=[str(error["errorMessage"]) for error in errors],
            recommended_action=str(errors[0]["recommendedAction"]),
        )
    session.tell("All prerequisites are met.")


def add_to(app: typer.Typer) -> None:
    """Adds the commands to osr pair."""
    command(app)(show)
    command(app)(check)
    command(app, "renew-certificates")(renew_certificates)


def _pair(session: Session, source: str) -> Any:
    clients = session.clients
    mappings = clients.site_recovery.replication_protection_container_mappings
    return find_pair(source, list(mappings.list(*clients.scope)))


def _below_vault(resource_id: str) -> str:
    """What follows the vault in an id, for calls that Microsoft's client does not have."""
    return quote("/" + "/".join(resource_id.split("/")[9:]))
