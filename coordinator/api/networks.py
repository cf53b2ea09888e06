"""Routes of logical networks and VM networks, and of what a network can be mapped to."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import FabricPath, VaultPath
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.fabrics import require_fabric
from coordinator.api.openapi.parameters import in_query, taking
from coordinator.api.paging import page
from coordinator.api.paths import FABRIC, LOGICAL_NETWORK, NETWORK, RECOVERY_NETWORK, VAULT
from coordinator.api.responses import lists, shows
from coordinator.api.shapes.networks import (
    LogicalNetworkResource,
    NetworkResource,
    RecoveryNetworkResource,
    logical_network_resource,
    network_resource,
    recovery_network_resource,
)
from coordinator.fabrics.models import Fabric
from coordinator.failures import refuse
from coordinator.protection import queries
from coordinator.protection.queries import FabricNetwork

router = Router()

RECOVERY_FABRIC = {
    **in_query("recoveryFabricName", "The name of the server to choose networks of."),
    "required": True,
}


class LogicalNetworkPath(FabricPath):
    logical_network_name: str


class NetworkPath(FabricPath):
    network_name: str


class RecoveryNetworkPath(NetworkPath):
    recovery_network_name: str


@router.get(f"{FABRIC}/replicationLogicalNetworks", response=lists(LogicalNetworkResource))
@served
def list_logical_networks(request: HttpRequest, path: Path[FabricPath]) -> Answer:
    """Logical networks of a server."""
    call = open_vault(request, path)
    fabric = require_fabric(call, path.fabric_name)
    rows = queries.list_logical_networks(fabric.id)
    return page(
        request,
        lambda start, end: rows[start:end],
        lambda row: logical_network_resource(call.ids, fabric, row),
    )


@router.get(LOGICAL_NETWORK, response=shows(LogicalNetworkResource))
@served
def get_logical_network(request: HttpRequest, path: Path[LogicalNetworkPath]) -> Answer:
    call = open_vault(request, path)
    fabric = require_fabric(call, path.fabric_name)
    found = queries.find_logical_network(fabric.id, path.logical_network_name)
    if found is None:
        raise NotFoundError(
            call.ids.child(
                LOGICAL_NETWORK,
                fabric_name=fabric.name,
                logical_network_name=path.logical_network_name,
            )
        )
    return logical_network_resource(call.ids, fabric, found)


@router.get(f"{VAULT}/replicationNetworks", response=lists(NetworkResource))
@served
def list_networks(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """VM networks of all servers."""
    return _list(open_vault(request, path), None)


@router.get(f"{FABRIC}/replicationNetworks", response=lists(NetworkResource))
@served
def list_networks_of_fabric(request: HttpRequest, path: Path[FabricPath]) -> Answer:
    """VM networks of a server."""
    call = open_vault(request, path)
    return _list(call, require_fabric(call, path.fabric_name))


@router.get(NETWORK, response=shows(NetworkResource))
@served
def get_network(request: HttpRequest, path: Path[NetworkPath]) -> Answer:
    call = open_vault(request, path)
    return network_resource(call.ids, require_network(call, path.fabric_name, path.network_name))


@router.get(
    f"{NETWORK}/recoveryNetworks",
    response=lists(RecoveryNetworkResource),
    openapi_extra=taking(RECOVERY_FABRIC),
)
@served
def list_recovery_networks(request: HttpRequest, path: Path[NetworkPath]) -> Answer:
    """What a network could be mapped to, on the server in the query. Source: SPEC NW-2."""
    call = open_vault(request, path)
    source = require_network(call, path.fabric_name, path.network_name)
    target = _target_fabric(call)
    rows = queries.offered_targets(source, target)
    return page(
        request,
        lambda start, end: rows[start:end],
        lambda row: recovery_network_resource(call.ids, source, target, row),
    )


@router.get(
    RECOVERY_NETWORK, response=shows(RecoveryNetworkResource), openapi_extra=taking(RECOVERY_FABRIC)
)
@served
def get_recovery_network(request: HttpRequest, path: Path[RecoveryNetworkPath]) -> Answer:
    """Whether a network could be mapped to another, for each pair of clouds."""
    call = open_vault(request, path)
    source = require_network(call, path.fabric_name, path.network_name)
    fabric = _target_fabric(call)
    target = require_network(call, fabric.name, path.recovery_network_name)
    offered = queries.availability(source, target)
    return recovery_network_resource(call.ids, source, fabric, offered)


def require_network(call: Call, fabric_name: str, name: str) -> FabricNetwork:
    """The VM network of that name on a server of the vault.

    Raises:
        NotFoundError: There is none.
    """
    fabric = require_fabric(call, fabric_name)
    found = queries.find_network(fabric, name)
    if found is None:
        raise NotFoundError(call.ids.child(NETWORK, fabric_name=fabric.name, network_name=name))
    return found


def _target_fabric(call: Call) -> Fabric:
    name = call.request.GET.get("recoveryFabricName", "")
    if not name:
        raise refuse(
            "MissingRecoveryFabricName",
            "The query parameter recoveryFabricName is required.",
            causes=["Networks to choose from are those of one server."],
            action="Add recoveryFabricName= with the recovery server's name to the query.",
            field="recoveryFabricName",
        )
    return require_fabric(call, name)


def _list(call: Call, fabric: Fabric | None) -> Answer:
    rows = queries.list_networks(call.vault.id, None if fabric is None else fabric.id)
    return page(
        call.request,
        lambda start, end: rows[start:end],
        lambda row: network_resource(call.ids, row),
    )
