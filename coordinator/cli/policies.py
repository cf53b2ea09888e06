"""osr policy."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from coordinator.cli.completion import complete_policies
from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.names import find_policy
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    WaitOption,
    begin,
    follow,
)
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Replication policies.")

NameArgument = Annotated[
    str, typer.Argument(help="Name of the policy.", autocompletion=complete_policies)
]
COLUMNS = {
    "Name": lambda policy: str(policy.name),
    "Host version": lambda policy: str(policy.properties.provider_specific_details.instance_type),
    "Frequency": lambda policy: _frequency(policy.properties.provider_specific_details),
    "Recovery points": lambda policy: str(
        policy.properties.provider_specific_details.recovery_points
    ),
    "Authentication": lambda policy: _authentication(policy.properties.provider_specific_details),
    "Port": lambda policy: str(policy.properties.provider_specific_details.replication_port),
    "Replica deleted": lambda policy: str(
        policy.properties.provider_specific_details.replica_deletion_option
    ),
    "Compression": lambda policy: str(policy.properties.provider_specific_details.compression),
}


class Authentication(StrEnum):
    """How hosts prove who they are."""

    CERTIFICATE = "certificate"
    KERBEROS = "kerberos"


class HostVersion(StrEnum):
    """Generation of Windows Server that the hosts run."""

    WINDOWS_2012 = "2012"
    WINDOWS_2012_R2 = "2012R2"


INSTANCE_TYPES = {
    HostVersion.WINDOWS_2012: "HyperVReplica2012",
    HostVersion.WINDOWS_2012_R2: "HyperVReplica2012R2",
}
FREQUENCY_OF_2012_SECONDS = 300
HostVersionHelp = typer.Option(help="What the hosts run: 2012, or 2012R2 for that and later.")
AUTHENTICATION_NUMBERS = {Authentication.KERBEROS: 1, Authentication.CERTIFICATE: 2}


@command(app)
def create(  # noqa: PLR0913, PLR0917 - each is an option of the command
    session: Session,
    name: NameArgument,
    host_version: Annotated[HostVersion, HostVersionHelp] = HostVersion.WINDOWS_2012_R2,
    frequency: Annotated[int, typer.Option(help="Seconds between copies: 30, 300, 900.")] = 300,
    recovery_points: Annotated[int, typer.Option(help="Hourly points to keep: 0-24.")] = 0,
    application_consistent_hours: Annotated[
        int, typer.Option(help="Hours between application-consistent points; 0: none.")
    ] = 0,
    authentication: Annotated[Authentication, typer.Option()] = Authentication.CERTIFICATE,
    delete_replica: Annotated[
        bool, typer.Option(help="Delete the replica when protection is disabled.")
    ] = False,
    export_path: Annotated[
        str, typer.Option(help="Offline first copies: where the source hosts export to.")
    ] = "",
    import_path: Annotated[
        str, typer.Option(help="Offline first copies: where the recovery hosts import from.")
    ] = "",
) -> None:
    """Makes a policy for Hyper-V hosts of one generation; offline if it has the two paths."""
    clients = session.clients
    number = AUTHENTICATION_NUMBERS[authentication]
    details: dict[str, object] = {
        "instanceType": INSTANCE_TYPES[host_version],
        "recoveryPoints": recovery_points,
        "applicationConsistentSnapshotFrequencyInHours": application_consistent_hours,
        "allowedAuthenticationType": number,
        "initialReplicationMethod": "Offline" if export_path or import_path else "OverNetwork",
        "offlineReplicationExportPath": export_path or None,
        "offlineReplicationImportPath": import_path or None,
        "replicaDeletion": "Required" if delete_replica else "NotRequired",
    }
    if host_version is HostVersion.WINDOWS_2012_R2:
        details["replicationFrequencyInSeconds"] = frequency
    elif frequency != FREQUENCY_OF_2012_SECONDS:
        raise typer.BadParameter("Hosts of 2012 replicate every 300 seconds only.")
    wanted = {"properties": {"providerSpecificInput": details}}
    policies = clients.site_recovery.replication_policies
    job_name = begin(policies.begin_create, *clients.scope, name, wanted)
    if job_name:
        follow(session, job_name, wait=True, limit_seconds=DEFAULT_LIMIT_SECONDS)
    session.show_one(policies.get(*clients.scope, name), COLUMNS)


@command(app)
def update(  # noqa: PLR0913, PLR0917 - each is an option of the command
    session: Session,
    name: NameArgument,
    host_version: Annotated[HostVersion | None, HostVersionHelp] = None,
    frequency: Annotated[
        int | None, typer.Option(help="Seconds between copies: 30, 300, 900.")
    ] = None,
    recovery_points: Annotated[
        int | None, typer.Option(help="Hourly points to keep: 0-24.")
    ] = None,
    application_consistent_hours: Annotated[
        int | None, typer.Option(help="Hours between application-consistent points; 0: none.")
    ] = None,
    compression: Annotated[bool | None, typer.Option(help="Compress what is sent.")] = None,
    authentication: Annotated[Authentication | None, typer.Option()] = None,
    port: Annotated[int | None, typer.Option(help="Port that hosts receive on.")] = None,
    delete_replica: Annotated[
        bool | None, typer.Option(help="Delete the replica when protection is disabled.")
    ] = None,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Changes a policy; what replicates by it follows. What is not given stays as it is."""
    clients = session.clients
    policy = find_policy(clients, name)
    kind = str(policy.properties.provider_specific_details.instance_type)
    fields: dict[str, Any] = {
        "replicationFrequencyInSeconds": frequency,
        "recoveryPoints": recovery_points,
        "applicationConsistentSnapshotFrequencyInHours": application_consistent_hours,
        "compression": _word(compression, "Enable", "Disable"),
        "allowedAuthenticationType": (
            None if authentication is None else AUTHENTICATION_NUMBERS[authentication]
        ),
        "replicationPort": port,
        "replicaDeletion": _word(delete_replica, "Required", "NotRequired"),
    }
    wanted = {
        "properties": {
            "replicationProviderSettings": {
                "instanceType": kind if host_version is None else INSTANCE_TYPES[host_version],
                **{field: value for field, value in fields.items() if value is not None},
            }
        }
    }
    policies = clients.site_recovery.replication_policies
    job_name = begin(policies.begin_update, *clients.scope, policy.name, wanted)
    if job_name:
        follow(session, job_name, wait=wait, limit_seconds=limit_seconds)
    session.show_one(policies.get(*clients.scope, policy.name), COLUMNS)


@command(app, "list")
def list_policies(session: Session) -> None:
    """Lists the policies."""
    found = session.clients.site_recovery.replication_policies.list(*session.clients.scope)
    session.show(list(found), COLUMNS)


@command(app)
def show(session: Session, name: NameArgument) -> None:
    """Shows a policy."""
    session.show_one(find_policy(session.clients, name), COLUMNS)


@command(app)
def delete(session: Session, name: NameArgument, yes: YesOption = False) -> None:
    """Deletes a policy that no pair of clouds uses."""
    clients = session.clients
    policy = find_policy(clients, name)
    confirm(session, f"This deletes the policy {policy.name}.", str(policy.name), yes=yes)
    operation = clients.site_recovery.replication_policies.begin_delete
    job_name = begin(operation, *clients.scope, policy.name)
    if job_name:
        follow(session, job_name, wait=True, limit_seconds=DEFAULT_LIMIT_SECONDS)
    session.tell(f"Policy {policy.name} is deleted.")


def _word(value: bool | None, yes: str, no: str) -> str | None:
    if value is None:
        return None
    return yes if value else no


def _frequency(details: Any) -> str:
    seconds = getattr(details, "replication_frequency_in_seconds", None)
    return "300 s" if seconds is None else f"{seconds} s"


def _authentication(details: Any) -> str:
    return "Kerberos" if details.allowed_authentication_type == 1 else "Certificate"
