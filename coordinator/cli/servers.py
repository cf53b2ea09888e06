"""osr server."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from coordinator.cli.completion import complete_servers
from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.names import find_server, pick, segment_after
from coordinator.cli.operations import LimitOption, WaitOption, begin, follow
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="VMM servers registered in the vault.")

NameArgument = Annotated[
    str, typer.Argument(help="For example VMM-Shanghai.", autocompletion=complete_servers)
]
LIMIT = 600.0
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
    session: Session,
    name: Annotated[
        str, typer.Argument(help="For example VMM-Shanghai.", autocompletion=complete_servers)
    ],
) -> None:
    """Shows one server."""
    providers = session.clients.site_recovery.replication_recovery_services_providers
    session.show_one(pick("server", name, providers.list(*session.clients.scope)), COLUMNS)


@command(app)
def refresh(
    session: Session, name: NameArgument, wait: WaitOption = True, timeout: LimitOption = LIMIT
) -> None:
    """Has the server looked at now, instead of within half a minute."""
    providers = session.clients.site_recovery.replication_recovery_services_providers
    provider = pick("server", name, providers.list(*session.clients.scope))
    fabric = segment_after("replicationFabrics", provider.id)
    job = begin(providers.begin_refresh_provider, *session.clients.scope, fabric, provider.name)
    follow(session, job, wait=wait, limit_seconds=timeout)


@command(app)
def check(
    session: Session, name: NameArgument, wait: WaitOption = True, timeout: LimitOption = LIMIT
) -> None:
    """Lists where what the vault believes differs from what the server says."""
    clients = session.clients
    fabric = find_server(clients, name)
    fabrics = clients.site_recovery.replication_fabrics
    job_name = begin(fabrics.begin_check_consistency, *clients.scope, fabric.name)
    follow(session, job_name, wait=wait, limit_seconds=timeout)
    if wait and not session.as_json:
        job = clients.site_recovery.replication_jobs.get(*clients.scope, job_name)
        show_differences(session, job)


@command(app)
def remove(
    session: Session,
    name: NameArgument,
    vault_only: Annotated[
        bool,
        typer.Option("--vault-only", help="Whatever bandwidth limits its hosts still keep to."),
    ] = False,
    yes: YesOption = False,
    wait: WaitOption = True,
    timeout: LimitOption = LIMIT,
) -> None:
    """Removes a server from the vault: its agent's certificate ends, what is known of it goes."""
    clients = session.clients
    fabric = find_server(clients, name)
    shown = fabric.properties.friendly_name
    confirm(session, f"This removes the server {shown} from the vault.", shown, yes=yes)
    fabrics = clients.site_recovery.replication_fabrics
    operation = fabrics.begin_purge if vault_only else fabrics.begin_delete
    job_name = begin(operation, *clients.scope, fabric.name)
    if job_name:
        follow(session, job_name, wait=wait, limit_seconds=timeout)


@command(app, "renew-certificates")
def renew_certificates(
    session: Session, name: NameArgument, wait: WaitOption = True, timeout: LimitOption = LIMIT
) -> None:
    """Gives all hosts of a server that replicate with certificates new ones."""
    clients = session.clients
    fabric = find_server(clients, name)
    fabrics = clients.site_recovery.replication_fabrics
    body = {"properties": {"renewCertificateType": "Cloud"}}
    job_name = begin(fabrics.begin_renew_certificate, *clients.scope, fabric.name, body)
    if job_name:
        follow(session, job_name, wait=wait, limit_seconds=timeout)


def show_differences(session: Session, job: Any) -> None:
    """What a consistency check found, a line a difference."""
    found = [
        (machine, code, detail)
        for task in job.properties.tasks or []
        for machine in getattr(task.custom_details, "vm_details", None) or []
        for code, detail in zip(machine.error_ids or [], machine.details or [], strict=False)
    ]
    if not found:
        session.tell("The vault and the server agree.")
    for machine, code, detail in found:
        cloud = f"cloud {machine.cloud_name}" if machine.cloud_name else "mappings"
        session.tell(f"{machine.vm_name or cloud}: {code}: {detail}")


def _time(time: Any) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}" if hasattr(time, "year") else "never"
