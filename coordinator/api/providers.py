"""Routes of providers: the agents on VMM servers."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import FabricPath, ProviderPath, VaultPath
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.fabrics import require_fabric
from coordinator.api.paging import page
from coordinator.api.paths import FABRIC, PROVIDER, VAULT
from coordinator.api.shapes.envelope import Resource
from coordinator.api.shapes.fabrics import provider_resource
from coordinator.fabrics import queries
from coordinator.fabrics.models import Fabric, Provider
from coordinator.protection.queries import protected_item_counts

router = Router()


@router.get(f"{VAULT}/replicationRecoveryServicesProviders")
@served
def list_providers(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Providers of all servers."""
    return _list(open_vault(request, path), None)


@router.get(f"{FABRIC}/replicationRecoveryServicesProviders")
@served
def list_providers_of_fabric(request: HttpRequest, path: Path[FabricPath]) -> Answer:
    """Providers of a server."""
    call = open_vault(request, path)
    return _list(call, require_fabric(call, path.fabric_name))


@router.get(PROVIDER)
@served
def get_provider(request: HttpRequest, path: Path[ProviderPath]) -> Answer:
    call = open_vault(request, path)
    provider = queries.find_provider(call.vault.id, path.provider_name)
    fabric = require_fabric(call, path.fabric_name)
    if provider is None or provider.fabric_id != fabric.id:
        names = {"fabric_name": path.fabric_name, "provider_name": path.provider_name}
        raise NotFoundError(call.ids.child(PROVIDER, **names))
    return _resource(call, provider, protected_item_counts(call.vault.id))


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
