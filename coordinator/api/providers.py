"""Routes of providers: the agents on VMM servers."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from coordinator.api.addresses import FabricPath, ProviderPath, VaultPath
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.fabrics import remove, require_fabric
from coordinator.api.long_operations import accepted, operation_result
from coordinator.api.paging import page
from coordinator.api.paths import FABRIC, PROVIDER, VAULT
from coordinator.api.responses import begins, lists, results, shows
from coordinator.api.shapes.envelope import Resource
from coordinator.api.shapes.fabrics import ProviderResource, provider_resource
from coordinator.fabrics import queries
from coordinator.fabrics.models import Fabric, Provider
from coordinator.protection.queries import protected_item_counts
from coordinator.protection.services import refresh_server

router = Router()


class ProviderOperationPath(ProviderPath):
    job_name: str


@router.get(f"{VAULT}/replicationRecoveryServicesProviders", response=lists(ProviderResource))
@served
def list_providers(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Providers of all servers."""
    return _list(open_vault(request, path), None)


@router.get(f"{FABRIC}/replicationRecoveryServicesProviders", response=lists(ProviderResource))
@served
def list_providers_of_fabric(request: HttpRequest, path: Path[FabricPath]) -> Answer:
    """Providers of a server."""
    call = open_vault(request, path)
    return _list(call, require_fabric(call, path.fabric_name))


@router.get(PROVIDER, response=shows(ProviderResource))
@served
def get_provider(request: HttpRequest, path: Path[ProviderPath]) -> Answer:
    call = open_vault(request, path)
    return _resource(call, _require(call, path), protected_item_counts(call.vault.id))


@router.post(f"{PROVIDER}/refreshProvider", response=begins())
@served
def begin_refresh(request: HttpRequest, path: Path[ProviderPath]) -> Answer:
    """Has the server looked at now; the job ends when the vault has what was seen."""
    call = open_vault(request, path)
    provider = _require(call, path)
    resource_id = _id(call, provider)
    job = refresh_server(provider.fabric, call.origin(resource_id), call.now)
    return accepted(call, resource_id, job)


@router.post(f"{PROVIDER}/remove", response=begins())
@served
def begin_removal(request: HttpRequest, path: Path[ProviderPath]) -> Answer:
    """Removes the provider's server, which is nothing without it."""
    call = open_vault(request, path)
    return remove(call, _require(call, path).fabric, vault_only=False)


@router.delete(PROVIDER, response=begins(or_nothing=True))
@served
def purge_provider(request: HttpRequest, path: Path[ProviderPath]) -> Answer:
    """Removes the provider's server from the vault, whatever its hosts still keep to."""
    call = open_vault(request, path)
    try:
        provider = _require(call, path)
    except NotFoundError:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return remove(call, provider.fabric, vault_only=True)


@router.get(
    f"{PROVIDER}/operationresults/{{job_name}}",
    response=results(ProviderResource, or_nothing=False),
)
@served
def get_provider_operation(request: HttpRequest, path: Path[ProviderOperationPath]) -> Answer:
    """How the operation on a provider stands."""
    call = open_vault(request, path)
    provider = _require(call, path)
    resource = _resource(call, provider, protected_item_counts(call.vault.id))
    return operation_result(call, _id(call, provider), path.job_name, resource)


def _require(call: Call, path: ProviderPath) -> Provider:
    """The provider of that server and name.

    Raises:
        NotFoundError: There is none.
    """
    provider = queries.find_provider(call.vault.id, path.provider_name)
    fabric = require_fabric(call, path.fabric_name)
    if provider is None or provider.fabric_id != fabric.id:
        names = {"fabric_name": path.fabric_name, "provider_name": path.provider_name}
        raise NotFoundError(call.ids.child(PROVIDER, **names))
    return provider


def _id(call: Call, provider: Provider) -> str:
    return call.ids.child(PROVIDER, fabric_name=provider.fabric.name, provider_name=provider.name)


def _list(call: Call, fabric: Fabric | None) -> Answer:
    counts = protected_item_counts(call.vault.id)
    rows = queries.list_providers(call.vault.id, None if fabric is None else fabric.id)
    return page(
        call.request,
        lambda start, end: rows[start:end],
        lambda provider: _resource(call, provider, counts),
    )


def _resource(call: Call, provider: Provider, counts: Mapping[UUID, int]) -> Resource:
    return provider_resource(
        call.ids,
        provider,
        connected=queries.is_connected(provider, call.now, settings.CONFIGURATION.lease_seconds),
        protected_items=counts.get(provider.fabric_id, 0),
    )
