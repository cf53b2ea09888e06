"""Routes of vaults."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from ninja import Path, Router

from coordinator.access import queries as access
from coordinator.access.services import action_of
from coordinator.api.addresses import GroupPath, SubscriptionPath, VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, caller_of, open_vault, served
from coordinator.api.openapi.parameters import IF_MATCH, taking
from coordinator.api.paging import page
from coordinator.api.paths import GROUP, NAMESPACE, SUBSCRIPTION, VAULT
from coordinator.api.preconditions import require_match
from coordinator.api.responses import NOTHING, lists, makes, shows
from coordinator.api.shapes.vaults import VaultResource, vault_etag, vault_resource
from coordinator.fabrics import queries as fabrics
from coordinator.failures import RefusedError
from coordinator.protection import queries as protection
from coordinator.recovery.plans import queries as plans
from coordinator.vaults import queries as vaults
from coordinator.vaults import services
from coordinator.vaults.services import VaultName

router = Router()

# What keeps a vault, in the order in which to take it away.
CONTENTS = (plans.vault_contents, protection.vault_contents, fabrics.vault_contents)
VAULTS = f"providers/{NAMESPACE}/vaults"


class VaultInput(RequestPart):
    """What is heeded of a vault's PUT; SKU, identity and the like mean nothing here."""

    location: str
    tags: dict[str, str] | None = None


@router.get(f"{SUBSCRIPTION}/{VAULTS}", response=lists(VaultResource))
@served
def list_vaults_of_subscription(request: HttpRequest, path: Path[SubscriptionPath]) -> Answer:
    """All vaults of the caller's subscription that it may read."""
    del path  # it is the caller's own: others are refused at the door
    return _list(request, caller_of(request).subscription_id, None)


@router.get(f"{GROUP}/{VAULTS}", response=lists(VaultResource))
@served
def list_vaults_of_group(request: HttpRequest, path: Path[GroupPath]) -> Answer:
    """Vaults of a resource group."""
    return _list(request, caller_of(request).subscription_id, path.resource_group)


@router.get(VAULT, response=shows(VaultResource))
@served
def get_vault(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    return vault_resource(open_vault(request, path).vault)


@router.put(VAULT, response=makes(VaultResource), openapi_extra=taking(IF_MATCH))
@served
def put_vault(request: HttpRequest, path: Path[VaultPath], body: VaultInput) -> Answer:
    """Makes a vault, or leaves the one that is there."""
    caller = caller_of(request)
    name = VaultName(caller.subscription_id, path.resource_group, path.vault_name)
    now = timezone.now()
    known = vaults.find_vault(name.subscription_id, name.resource_group, name.name)
    if known is not None:
        require_match(request, vault_etag(known), f'The vault "{known.name}"')
    vault = services.create_vault(name, body.location, now)
    if body.tags is not None:
        services.set_tags(vault, body.tags)
    status = HTTPStatus.CREATED if vault.created_at == now else HTTPStatus.OK
    return JsonResponse(vault_resource(vault), status=status)


@router.delete(VAULT, response=NOTHING, openapi_extra=taking(IF_MATCH))
@served
def delete_vault(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Deletes a vault that nothing is left in; deleting one that is gone changes nothing."""
    try:
        call = open_vault(request, path)
    except RefusedError:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    require_match(request, vault_etag(call.vault), f'The vault "{call.vault.name}"')
    services.delete_vault(call.vault.id, CONTENTS)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _list(request: HttpRequest, subscription_id: UUID, resource_group: str | None) -> Answer:
    """The vaults the caller may read, of those that are there."""
    rights = access.rights_in(caller_of(request).principal_id, subscription_id)
    read = action_of("GET", VAULT)
    found = [
        vault
        for vault in vaults.list_vaults(subscription_id, resource_group)
        if rights.allow(read, vault.resource_group, vault.id)
    ]
    return page(request, lambda start, end: found[start:end], vault_resource)
