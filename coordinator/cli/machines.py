"""osr vm."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from coordinator.cli.clients import Clients
from coordinator.cli.completion import complete_clouds, complete_machines, complete_servers
from coordinator.cli.names import container_of, list_clouds, pick
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Virtual machines that can be protected.")

CloudOption = Annotated[
    str | None, typer.Option(help="Only of this cloud.", autocompletion=complete_clouds)
]
ServerOption = Annotated[
    str | None, typer.Option(help="Only of this server.", autocompletion=complete_servers)
]
COLUMNS = {
    "Name": lambda machine: str(machine.properties.friendly_name),
    "Protection": lambda machine: str(machine.properties.protection_status),
    "Generation": lambda machine: str(machine.properties.custom_details.generation),
    "Disks": lambda machine: str(len(machine.properties.custom_details.disk_details or [])),
    "Host": lambda machine: str(machine.properties.custom_details.hyper_v_host_id or "-"),
    "Not ready because": lambda machine: "\n".join(
        machine.properties.protection_readiness_errors or []
    ),
}


def yes_or_no(machine: Any, name: str) -> str:
    return "yes" if machine.properties.custom_details.get(name) else "no"


def relationship(machine: Any) -> str:
    """What Hyper-V Replica does with the machine, whoever set it up."""
    found = machine.properties.custom_details.get("replication")
    if not found:
        return "no"
    return (
        f"{found['mode']}, {found['state']}: {found['primaryServer']} -> {found['replicaServer']}"
    )


DETAILS = {
    **COLUMNS,
    "State": lambda machine: str(machine.properties.custom_details.get("state") or "-"),
    "Operating system": lambda machine: str(
        machine.properties.custom_details.os_details.os_edition or "-"
    ),
    "Highly available": lambda machine: yes_or_no(machine, "highlyAvailable"),
    "Integration services": lambda machine: str(
        machine.properties.custom_details.get("integrationServices") or "none detected"
    ),
    "Checkpoints": lambda machine: str(machine.properties.custom_details.get("checkpoints") or 0),
    "Replicates already": relationship,
    "Warnings": lambda machine: "\n".join(
        str(warning.get("message"))
        for warning in machine.properties.get("protectionReadinessWarnings") or []
    ),
}


@command(app, "list")
def list_all(session: Session, cloud: CloudOption = None, server: ServerOption = None) -> None:
    """Lists the machines VMM has in its clouds."""
    session.show(list_machines(session.clients, cloud, server), COLUMNS)


@command(app)
def show(
    session: Session,
    name: Annotated[
        str, typer.Argument(help="For example GoldVM1.", autocompletion=complete_machines)
    ],
    cloud: CloudOption = None,
    server: ServerOption = None,
) -> None:
    """Shows one machine, with every reason why it cannot be protected."""
    machines = list_machines(session.clients, cloud, server)
    session.show_one(pick("machine", name, machines), DETAILS)


def list_machines(clients: Clients, cloud: str | None, server: str | None) -> list[Any]:
    """Protectable items of all clouds, of one server's, or of one cloud."""
    clouds = list_clouds(clients, server)
    if cloud is not None:
        clouds = [pick("cloud", cloud, clouds)]
    items = clients.site_recovery.replication_protectable_items
    return [
        item
        for container in clouds
        for item in items.list_by_replication_protection_containers(
            *clients.scope, *container_of(container.id)
        )
    ]
