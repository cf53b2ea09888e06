"""Routes of the roles there are."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.access.services import ROLES, role_of_name
from coordinator.api.addresses import (
    GroupPath,
    GroupRolePath,
    SubscriptionPath,
    SubscriptionRolePath,
    VaultPath,
    VaultRolePath,
    read_uuid,
)
from coordinator.api.calls import Answer, served
from coordinator.api.errors import NotFoundError
from coordinator.api.filters import parse_filter
from coordinator.api.openapi.parameters import in_query, taking
from coordinator.api.paths import GROUP, SUBSCRIPTION, VAULT
from coordinator.api.responses import lists, shows
from coordinator.api.scopes import AnyPath, scope_of, scope_path
from coordinator.api.shapes.roles import (
    DEFINITIONS,
    RoleDefinitionResource,
    role_definition_resource,
)

router = Router()

ROLE_FILTER = in_query("$filter", "roleName eq 'name', or a filter that leaves all: atScope().")

# Said of every list by Microsoft's clients, and true of each of ours.
WHOLE_LISTS = frozenset({"atscope()", "atscopeandbelow()", "type eq 'builtinrole'"})


@router.get(DEFINITIONS, response=lists(RoleDefinitionResource), openapi_extra=taking(ROLE_FILTER))
@served
def list_role_definitions(request: HttpRequest) -> Answer:
    """All roles."""
    return _list(request, "")


@router.get(DEFINITIONS + "/{role_name}", response=shows(RoleDefinitionResource))
@served
def get_role_definition(request: HttpRequest, role_name: str) -> Answer:
    del request
    return _get("", role_name)


@router.get(
    SUBSCRIPTION + DEFINITIONS,
    response=lists(RoleDefinitionResource),
    openapi_extra=taking(ROLE_FILTER),
)
@served
def list_role_definitions_of_subscription(
    request: HttpRequest, path: Path[SubscriptionPath]
) -> Answer:
    """Roles that can be given in a subscription: all."""
    return _list(request, _place(request, path))


@router.get(
    GROUP + DEFINITIONS, response=lists(RoleDefinitionResource), openapi_extra=taking(ROLE_FILTER)
)
@served
def list_role_definitions_of_group(request: HttpRequest, path: Path[GroupPath]) -> Answer:
    """Roles that can be given in a resource group: all."""
    return _list(request, _place(request, path))


@router.get(
    VAULT + DEFINITIONS, response=lists(RoleDefinitionResource), openapi_extra=taking(ROLE_FILTER)
)
@served
def list_role_definitions_of_vault(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Roles that can be given in a vault: all."""
    return _list(request, _place(request, path))


@router.get(SUBSCRIPTION + DEFINITIONS + "/{role_name}", response=shows(RoleDefinitionResource))
@served
def get_role_definition_of_subscription(
    request: HttpRequest, path: Path[SubscriptionRolePath]
) -> Answer:
    return _get(_place(request, path), path.role_name)


@router.get(GROUP + DEFINITIONS + "/{role_name}", response=shows(RoleDefinitionResource))
@served
def get_role_definition_of_group(request: HttpRequest, path: Path[GroupRolePath]) -> Answer:
    return _get(_place(request, path), path.role_name)


@router.get(VAULT + DEFINITIONS + "/{role_name}", response=shows(RoleDefinitionResource))
@served
def get_role_definition_of_vault(request: HttpRequest, path: Path[VaultRolePath]) -> Answer:
    return _get(_place(request, path), path.role_name)


def _place(request: HttpRequest, path: AnyPath) -> str:
    return scope_path(scope_of(request, path))


def _list(request: HttpRequest, scope: str) -> Answer:
    roles = list(ROLES.values())
    text = request.GET.get("$filter", "")
    if text and text.lower() not in WHOLE_LISTS:
        name = parse_filter(text, ("roleName",)).get("roleName", "")
        wanted = role_of_name(name)
        roles = [wanted] if wanted is not None and wanted.name.lower() == name.lower() else []
    return {
        "value": [role_definition_resource(role, scope) for role in roles],
        "nextLink": None,
    }


def _get(scope: str, name: str) -> Answer:
    role_id = read_uuid(name)
    role = ROLES.get(role_id) if role_id is not None else None
    if role is None:
        raise NotFoundError(f"{scope}{DEFINITIONS}/{name}")
    return role_definition_resource(role, scope)
