"""Routes of VMM servers."""

from __future__ import annotations

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from coordinator.api.addresses import FabricPath, VaultPath
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.long_operations import accepted, operation_result
from coordinator.api.paging import page
from coordinator.api.paths import FABRIC, VAULT
from coordinator.api.responses import begins, lists, results, shows
from coordinator.api.shapes.envelope import Resource
from coordinator.api.shapes.fabrics import FabricResource, fabric_resource
from coordinator.fabrics import queries
from coordinator.fabrics.models import Fabric
from coordinator.protection.services import check_consistency, unregister_server
from coordinator.recovery.plans.queries import plans_of_fabric

router = Router()


class FabricOperationPath(FabricPath):
    job_name: str


@router.get(f"{VAULT}/replicationFabrics", response=lists(FabricResource))
@served
def list_fabrics(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Registered servers, by name."""
    call = open_vault(request, path)
    rows = queries.list_fabrics(call.vault.id)
    return page(request, lambda start, end: rows[start:end], lambda row: _resource(call, row))


@router.get(FABRIC, response=shows(FabricResource))
@served
def get_fabric(request: HttpRequest, path: Path[FabricPath]) -> Answer:
    call = open_vault(request, path)
    return _resource(call, require_fabric(call, path.fabric_name))


@router.post(f"{FABRIC}/remove", response=begins())
@served
def begin_removal(request: HttpRequest, path: Path[FabricPath]) -> Answer:
    """Removes a server that nothing of protection is left on."""
    call = open_vault(request, path)
    return remove(call, require_fabric(call, path.fabric_name), vault_only=False)


@router.delete(FABRIC, response=begins(or_nothing=True))
@served
def purge_fabric(request: HttpRequest, path: Path[FabricPath]) -> Answer:
    """Removes a server from the vault, whatever its hosts still keep to; or finds it gone."""
    call = open_vault(request, path)
    fabric = queries.find_fabric(call.vault.id, path.fabric_name)
    if fabric is None:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return remove(call, fabric, vault_only=True)


@router.post(f"{FABRIC}/checkConsistency", response=begins())
@served
def begin_consistency_check(request: HttpRequest, path: Path[FabricPath]) -> Answer:
    """Compares what the vault believes with what the server says; the job lists differences."""
    call = open_vault(request, path)
    fabric = require_fabric(call, path.fabric_name)
    resource_id = call.ids.child(FABRIC, fabric_name=fabric.name)
    return accepted(
        call, resource_id, check_consistency(fabric, call.origin(resource_id), call.now)
    )


@router.get(f"{FABRIC}/operationresults/{{job_name}}", response=results(FabricResource))
@served
def get_fabric_operation(request: HttpRequest, path: Path[FabricOperationPath]) -> Answer:
    """How the operation on a server stands, also when the server is gone."""
    call = open_vault(request, path)
    fabric = queries.find_fabric(call.vault.id, path.fabric_name)
    resource_id = call.ids.child(FABRIC, fabric_name=path.fabric_name)
    resource = None if fabric is None else _resource(call, fabric)
    return operation_result(call, resource_id, path.job_name, resource)


def remove(call: Call, fabric: Fabric, *, vault_only: bool) -> Answer:
    """Begins the removal of a server; its provider's removal is the same."""
    resource_id = call.ids.child(FABRIC, fabric_name=fabric.name)
    job = unregister_server(
        fabric,
        call.origin(resource_id),
        call.now,
        vault_only=vault_only,
        find_more=plans_of_fabric,
    )
    return accepted(call, resource_id, job)


def require_fabric(call: Call, name: str) -> Fabric:
    """The vault's server of that name.

    Raises:
        NotFoundError: There is none.
    """
    fabric = queries.find_fabric(call.vault.id, name)
    if fabric is None:
        raise NotFoundError(call.ids.child(FABRIC, fabric_name=name))
    return fabric


def _resource(call: Call, fabric: Fabric) -> Resource:
    provider = queries.provider_for_fabric(fabric.id)
    lease_seconds = settings.CONFIGURATION.lease_seconds
    connected = provider is not None and queries.is_connected(provider, call.now, lease_seconds)
    return fabric_resource(call.ids, fabric, connected=connected)
