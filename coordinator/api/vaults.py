"""Routes of vaults."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from ninja import Path, Router

from coordinator.api.addresses import GroupPath, SubscriptionPath, VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, caller_of, open_vault, read_uuid, served
from coordinator.api.errors import vault_not_found
from coordinator.api.paging import page
from coordinator.api.paths import GROUP, NAMESPACE, SUBSCRIPTION, VAULT
from coordinator.api.shapes.vaults import vault_resource
from coordinator.fabrics import queries as fabrics
from coordinator.failures import RefusedError, refuse
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


@router.get(f"{SUBSCRIPTION}/{VAULTS}")
@served
def list_vaults_of_subscription(request: HttpRequest, path: Path[SubscriptionPath]) -> Answer:
    """All vaults of the caller's subscription."""
    return _list(request, path.subscription_id, None)


@router.get(f"{GROUP}/{VAULTS}")
@served
def list_vaults_of_group(request: HttpRequest, path: Path[GroupPath]) -> Answer:
    """Vaults of a resource group."""
    return _list(request, path.subscription_id, path.resource_group)


@router.get(VAULT)
@served
def get_vault(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    return vault_resource(open_vault(request, path).vault)


@router.put(VAULT)
@served
def put_vault(request: HttpRequest, path: Path[VaultPath], body: VaultInput) -> Answer:
    """Makes a vault, or leaves the one that is there."""
    _require_own_subscription(request, path)
    caller = caller_of(request)
    name = VaultName(caller.subscription_id, path.resource_group, path.vault_name)
    now = timezone.now()
    vault = services.create_vault(name, body.location, now)
    status = HTTPStatus.CREATED if vault.created_at == now else HTTPStatus.OK
    return JsonResponse(vault_resource(vault), status=status)


@router.delete(VAULT)
@served
def delete_vault(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Deletes a vault that nothing is left in; deleting one that is gone changes nothing."""
    _require_own_subscription(request, path)
    try:
        call = open_vault(request, path)
    except RefusedError:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    services.delete_vault(call.vault.id, CONTENTS)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


def _list(request: HttpRequest, subscription_id: str, resource_group: str | None) -> Answer:
    caller = caller_of(request)
    if read_uuid(subscription_id) != caller.subscription_id:
        raise _subscription_not_found(subscription_id)
    found = vaults.list_vaults(caller.subscription_id, resource_group)
    return page(request, lambda start, end: found[start:end], vault_resource)


def _require_own_subscription(request: HttpRequest, path: VaultPath) -> None:
    if read_uuid(path.subscription_id) != caller_of(request).subscription_id:
        raise vault_not_found(path.vault_name, path.resource_group)


def _subscription_not_found(subscription_id: str) -> RefusedError:
    return refuse(
        "SubscriptionNotFound",
        f"The subscription '{subscription_id}' could not be found.",
        causes=["The id is misspelt.", "The caller has no rights in the subscription."],
        action="Use the subscription the caller was made for.",
        status=HTTPStatus.NOT_FOUND,
    )
