"""osr network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from coordinator.cli.completion import complete_networks, complete_servers
from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.failures import CommandError, ExitCode, not_found
from coordinator.cli.names import find_server, friendly_name, pick, segment_after
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    WaitOption,
    begin,
    follow,
)
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="VM networks and their mappings.")

NetworkArgument = Annotated[
    str, typer.Argument(help="Name of the network.", autocompletion=complete_networks)
]
ServerOption = Annotated[
    str | None, typer.Option(help="Server of the network.", autocompletion=complete_servers)
]


def _of(network: Any) -> Mapping[str, Any]:
    """The properties as they came: some are beyond Microsoft's model."""
    properties: Mapping[str, Any] = network["properties"]
    return properties


COLUMNS = {
    "Name": lambda network: str(_of(network)["friendlyName"]),
    "Server": lambda network: str(_of(network)["fabricFriendlyName"]),
    "Logical network": lambda network: str(_of(network)["logicalNetwork"]),
    "Isolation": lambda network: str(_of(network)["isolationType"]),
    "Subnets": lambda network: ", ".join(
        f"{subnet['friendlyName']} ({' '.join(subnet['addressList'])})"
        for subnet in _of(network)["subnets"]
    ),
}
MAP_COLUMNS = {
    "Network": lambda one: str(one.properties.primary_network_friendly_name),
    "Server": lambda one: str(one.properties.primary_fabric_friendly_name),
    "Mapped to": lambda one: str(one.properties.recovery_network_friendly_name),
    "Recovery server": lambda one: str(one.properties.recovery_fabric_friendly_name),
    "State": lambda one: str(one.properties.state),
    "Name": lambda one: str(one.name),
}
TARGET_COLUMNS = {
    "Network": lambda row: str(row["network"]),
    "Protected cloud": lambda row: str(row["primaryCloud"]),
    "Recovery cloud": lambda row: str(row["recoveryCloud"]),
    "Available": lambda row: "yes" if row["available"] else "no",
    "Because": lambda row: str(row["reason"]),
}


@command(app, "list")
def list_all(session: Session, server: ServerOption = None) -> None:
    """Lists the VM networks."""
    session.show(_networks(session, server), COLUMNS)


LOGICAL_COLUMNS = {
    "Name": friendly_name,
    "Server": lambda one: str(one["server"]),
    "Definitions": lambda one: str(one.properties.logical_network_definitions_status or "-"),
    "Usage": lambda one: str(one.properties.logical_network_usage or "-"),
}


@command(app)
def logical(session: Session, server: ServerOption = None) -> None:
    """Lists the logical networks: what a network for a test can be made on."""
    clients = session.clients
    fabrics = list(clients.site_recovery.replication_fabrics.list(*clients.scope))
    fabrics = fabrics if server is None else [pick("server", server, fabrics)]
    found: list[Any] = []
    for fabric in fabrics:
        networks = clients.site_recovery.replication_logical_networks
        for one in networks.list_by_replication_fabrics(*clients.scope, str(fabric.name)):
            one["server"] = friendly_name(fabric)
            found.append(one)
    session.show(found, LOGICAL_COLUMNS)


@command(app)
def show(session: Session, network: NetworkArgument, server: ServerOption = None) -> None:
    """Shows a network."""
    session.show_one(_find(session, network, server), COLUMNS)


@command(app, "maps")
def list_maps(session: Session) -> None:
    """Lists the mappings."""
    mappings = session.clients.site_recovery.replication_network_mappings
    session.show(list(mappings.list(*session.clients.scope)), MAP_COLUMNS)


@command(app)
def targets(
    session: Session,
    network: Annotated[
        str, typer.Argument(help="Network to map.", autocompletion=complete_networks)
    ],
    recovery_server: Annotated[
        str, typer.Option("--recovery-server", help="Server to choose a network of.")
    ],
    server: ServerOption = None,
) -> None:
    """Shows what a network can be mapped to, and which pairs of clouds could use it."""
    source = _find(session, network, server)
    fabric = find_server(session.clients, recovery_server)
    path = (
        f"/replicationFabrics/{segment_after('replicationFabrics', source.id)}"
        f"/replicationNetworks/{quote(source.name)}/recoveryNetworks"
        f"?recoveryFabricName={quote(str(fabric.name))}"
    )
    found = session.clients.send("GET", path)["value"]
    if session.as_json:
        session.show_json(found)
        return
    rows = [
        {"network": one["properties"]["friendlyName"], **pair}
        for one in found
        for pair in one["properties"]["cloudPairs"]
    ]
    session.show(rows, TARGET_COLUMNS)


@command(app, "map")
def map_network(
    session: Session,
    network: Annotated[
        str,
        typer.Argument(
            help="Network that protected machines are on.", autocompletion=complete_networks
        ),
    ],
    recovery_network: Annotated[
        str, typer.Argument(help="Network for their replicas.", autocompletion=complete_networks)
    ],
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Maps a network, or changes its mapping: existing replicas are connected at once.

    A name that several servers use: give the network's id instead (osr network list --json).
    """
    clients = session.clients
    source = _find(session, network, None)
    target = _find(session, recovery_network, None)
    wanted = {
        "properties": {
            "recoveryNetworkId": target.id,
            "fabricSpecificDetails": {"instanceType": "VmmToVmm"},
        }
    }
    known = _mapping_of(session, source.id, target.id)
    name = mapping_name(friendly_name(source)) if known is None else str(known.name)
    operation = clients.site_recovery.replication_network_mappings.begin_create
    job_name = begin(operation, *clients.scope, *_place(source.id), name, wanted)
    if job_name:
        follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


@command(app)
def unmap(
    session: Session,
    network: Annotated[
        str, typer.Argument(help="Network whose mapping goes.", autocompletion=complete_networks)
    ],
    recovery_server: Annotated[
        str | None, typer.Option("--recovery-server", help="If it is mapped to several servers.")
    ] = None,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Deletes a mapping; replicas stay connected as they are until the next change."""
    clients = session.clients
    source = _find(session, network, None)
    found = [one for one in _mappings(session, source.id) if _is_to(one, recovery_server)]
    if not found:
        raise not_found("mapping of the network", network, [])
    if len(found) > 1:
        raise CommandError(
            ExitCode.NOT_FOUND,
            f"{network} is mapped to networks of {len(found)} servers.",
            recommended_action="Name one with --recovery-server.",
        )
    target = found[0].properties.recovery_network_friendly_name
    confirm(session, f"This ends the mapping of {network} to {target}.", network, yes=yes)
    operation = clients.site_recovery.replication_network_mappings.begin_delete
    job_name = begin(operation, *clients.scope, *_place(source.id), found[0].name)
    if job_name:
        follow(session, job_name, wait=wait, limit_seconds=limit_seconds)


def mapping_name(network: str) -> str:
    """A name for the mapping that an address can hold."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", f"map-{network}")[:64].strip("-")


def _networks(session: Session, server: str | None) -> list[Any]:
    networks = session.clients.site_recovery.replication_networks
    if server is None:
        return list(networks.list(*session.clients.scope))
    fabric = find_server(session.clients, server)
    return list(networks.list_by_replication_fabrics(*session.clients.scope, str(fabric.name)))


def _find(session: Session, name: str, server: str | None) -> Any:
    return pick("network", name, _networks(session, server))


def _place(network_id: str) -> tuple[str, str]:
    """Names of fabric and network in an id."""
    return (
        segment_after("replicationFabrics", network_id),
        segment_after("replicationNetworks", network_id),
    )


def _mappings(session: Session, network_id: str) -> list[Any]:
    mappings = session.clients.site_recovery.replication_network_mappings
    return list(mappings.list_by_replication_networks(*session.clients.scope, *_place(network_id)))


def _mapping_of(session: Session, source_id: str, target_id: str) -> Any | None:
    """The mapping of a network to some network of the same server as the target."""
    server = segment_after("replicationFabrics", target_id).lower()
    for one in _mappings(session, source_id):
        known = str(one.properties.recovery_network_id)
        if segment_after("replicationFabrics", known).lower() == server:
            return one
    return None


def _is_to(mapping: Any, server: str | None) -> bool:
    name = str(mapping.properties.recovery_fabric_friendly_name)
    return server is None or name.casefold() == server.casefold()
