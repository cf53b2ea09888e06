"""Routes of network mappings."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from coordinator.api.addresses import VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.fabrics import require_fabric
from coordinator.api.long_operations import accepted, operation_result
from coordinator.api.networks import NetworkPath, require_network
from coordinator.api.paging import page
from coordinator.api.paths import NETWORK, NETWORK_MAPPING, VAULT
from coordinator.api.references import names_in_reference
from coordinator.api.responses import begins, lists, results, shows
from coordinator.api.shapes.envelope import ArmId
from coordinator.api.shapes.networks import (
    SETTINGS_TYPE,
    NetworkMappingResource,
    network_mapping_id,
    network_mapping_resource,
)
from coordinator.failures import refuse
from coordinator.protection.models import NetworkMapping
from coordinator.protection.queries import find_network_mapping, mappings_of
from coordinator.protection.services import MappingRequest, map_networks, unmap_networks

router = Router()


class NetworkMappingPath(NetworkPath):
    network_mapping_name: str


class NetworkMappingOperationPath(NetworkMappingPath):
    job_name: str


class NetworkMappingInputProperties(RequestPart):
    """The network that takes the other's place."""

    recoveryNetworkId: ArmId  # noqa: N815 - the API's name
    recoveryFabricName: str | None = None  # noqa: N815 - the API's name
    fabricSpecificDetails: dict[str, object] | None = None  # noqa: N815 - the API's name


class NetworkMappingInput(RequestPart):
    """A mapping to make or to change."""

    properties: NetworkMappingInputProperties


@router.get(f"{VAULT}/replicationNetworkMappings", response=lists(NetworkMappingResource))
@served
def list_network_mappings(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """All mappings of networks."""
    call = open_vault(request, path)
    rows = mappings_of(call.vault.id)
    return page(
        request,
        lambda start, end: rows[start:end],
        lambda row: network_mapping_resource(call.ids, row),
    )


@router.get(f"{NETWORK}/replicationNetworkMappings", response=lists(NetworkMappingResource))
@served
def list_mappings_of_network(request: HttpRequest, path: Path[NetworkPath]) -> Answer:
    """Mappings of one network."""
    call = open_vault(request, path)
    source = require_network(call, path.fabric_name, path.network_name)
    rows = mappings_of(call.vault.id, source.fabric.id, source.network.id)
    return page(
        request,
        lambda start, end: rows[start:end],
        lambda row: network_mapping_resource(call.ids, row),
    )


@router.get(NETWORK_MAPPING, response=shows(NetworkMappingResource))
@served
def get_network_mapping(request: HttpRequest, path: Path[NetworkMappingPath]) -> Answer:
    call = open_vault(request, path)
    return network_mapping_resource(call.ids, _require(call, path))


@router.put(NETWORK_MAPPING, response=begins())
@served
def put_network_mapping(
    request: HttpRequest, path: Path[NetworkMappingPath], body: NetworkMappingInput
) -> Answer:
    """Maps a network, or changes its mapping: begins the job that connects existing replicas."""
    return _map(open_vault(request, path), path, body)


@router.patch(NETWORK_MAPPING, response=begins())
@served
def patch_network_mapping(
    request: HttpRequest, path: Path[NetworkMappingPath], body: NetworkMappingInput
) -> Answer:
    """Changes a mapping: begins the job that connects existing replicas anew."""
    call = open_vault(request, path)
    _require(call, path)
    return _map(call, path, body)


@router.delete(NETWORK_MAPPING, response=begins(or_nothing=True))
@served
def delete_network_mapping(request: HttpRequest, path: Path[NetworkMappingPath]) -> Answer:
    """Deletes a mapping; replicas stay connected as they are."""
    call = open_vault(request, path)
    mapping = _find(call, path)
    if mapping is None:
        return HttpResponse(status=204)
    job = unmap_networks(mapping, call.origin(_id(call, path)), call.now)
    return accepted(call, _id(call, path), job)


@router.get(
    f"{NETWORK_MAPPING}/operationresults/{{job_name}}", response=results(NetworkMappingResource)
)
@served
def get_network_mapping_operation(
    request: HttpRequest, path: Path[NetworkMappingOperationPath]
) -> Answer:
    """How the operation on a mapping stands."""
    call = open_vault(request, path)
    mapping = _find(call, path)
    shape = None if mapping is None else network_mapping_resource(call.ids, mapping)
    return operation_result(call, _id(call, path), path.job_name, shape)


def _map(call: Call, path: NetworkMappingPath, body: NetworkMappingInput) -> Answer:
    wanted = body.properties
    _refuse_other_kind(wanted.fabricSpecificDetails)
    source = require_network(call, path.fabric_name, path.network_name)
    names = names_in_reference(call, NETWORK, wanted.recoveryNetworkId, "recoveryNetworkId")
    target_fabric = require_fabric(call, names["fabric_name"])
    if wanted.recoveryFabricName:
        named = require_fabric(call, wanted.recoveryFabricName)
        if named.id != target_fabric.id:
            raise refuse(
                "InvalidResourceReference",
                "recoveryNetworkId is not a network of the server recoveryFabricName.",
                causes=["The two name different servers."],
                action="Give the server that the recovery network is of, or leave it out.",
                field="recoveryFabricName",
            )
    mapping = MappingRequest(
        vault=call.vault,
        name=path.network_mapping_name,
        source_fabric=source.fabric,
        source_network_id=source.network.id,
        target_fabric=target_fabric,
        target_network_id=names["network_name"],
    )
    _, job = map_networks(mapping, call.origin(_id(call, path)), call.now)
    return accepted(call, _id(call, path), job)


def _refuse_other_kind(details: Mapping[str, object] | None) -> None:
    kind = (details or {}).get("instanceType")
    if kind is None:
        return
    if not isinstance(kind, str) or kind.lower() not in {"", SETTINGS_TYPE.lower()}:
        raise refuse(
            "NetworkMappingTypeNotSupported",
            f"Networks cannot be mapped as '{kind}'.",
            causes=["Azure networks are no targets of this service."],
            action=f"Give the instanceType {SETTINGS_TYPE}.",
            field="fabricSpecificDetails.instanceType",
        )


def _find(call: Call, path: NetworkMappingPath) -> NetworkMapping | None:
    fabric = require_fabric(call, path.fabric_name)
    return find_network_mapping(fabric, path.network_name, path.network_mapping_name)


def _require(call: Call, path: NetworkMappingPath) -> NetworkMapping:
    mapping = _find(call, path)
    if mapping is None:
        raise NotFoundError(_id(call, path))
    return mapping


def _id(call: Call, path: NetworkMappingPath) -> str:
    fabric = require_fabric(call, path.fabric_name)
    return network_mapping_id(call.ids, fabric, path.network_name, path.network_mapping_name)
