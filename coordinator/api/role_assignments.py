"""Routes of who has which role where."""

from __future__ import annotations

import re
from http import HTTPStatus
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from ninja import Path, Router

from coordinator.access import queries as access
from coordinator.access.services import (
    RoleAssignment,
    Scope,
    assign_role,
    remove_assignment,
)
from coordinator.api.addresses import (
    GroupPath,
    GroupRolePath,
    SubscriptionPath,
    SubscriptionRolePath,
    VaultPath,
    VaultRolePath,
    read_uuid,
)
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, caller_of, served
from coordinator.api.errors import NotFoundError
from coordinator.api.openapi.parameters import in_query, taking
from coordinator.api.paging import page
from coordinator.api.paths import GROUP, SUBSCRIPTION, VAULT
from coordinator.api.responses import lists, makes, shows
from coordinator.api.scopes import AnyPath, scope_of, scope_path
from coordinator.api.shapes.envelope import Resource
from coordinator.api.shapes.roles import (
    ASSIGNMENTS,
    RoleAssignmentResource,
    role_assignment_resource,
)
from coordinator.failures import RefusedError, refuse

router = Router()

GONE = {200: RoleAssignmentResource, 204: None}
ASSIGNMENT_FILTER = in_query(
    "$filter",
    "atScope() leaves out what was given below, principalId eq 'id' what others have.",
)

ONE = ASSIGNMENTS + "/{role_name}"
_OF_PRINCIPAL = re.compile(
    r"(?:principalid\s+eq\s+'?|assignedto\('?)([0-9a-f-]{36})'?\)?", re.IGNORECASE
)

AnyRolePath = SubscriptionRolePath | GroupRolePath | VaultRolePath


class AssignmentProperties(RequestPart):
    """Who is to have which role; `principalType` is known here, and a condition is refused."""

    roleDefinitionId: str  # noqa: N815 - ARM's spelling
    principalId: str  # noqa: N815 - ARM's spelling
    condition: str | None = None


class AssignmentInput(RequestPart):
    properties: AssignmentProperties


@router.get(
    SUBSCRIPTION + ASSIGNMENTS,
    response=lists(RoleAssignmentResource),
    openapi_extra=taking(ASSIGNMENT_FILTER),
)
@served
def list_role_assignments_of_subscription(
    request: HttpRequest, path: Path[SubscriptionPath]
) -> Answer:
    """Roles in a subscription, and below unless the filter says atScope()."""
    return _list(request, path)


@router.get(
    GROUP + ASSIGNMENTS,
    response=lists(RoleAssignmentResource),
    openapi_extra=taking(ASSIGNMENT_FILTER),
)
@served
def list_role_assignments_of_group(request: HttpRequest, path: Path[GroupPath]) -> Answer:
    """Roles that count in a resource group, and below unless the filter says atScope()."""
    return _list(request, path)


@router.get(
    VAULT + ASSIGNMENTS,
    response=lists(RoleAssignmentResource),
    openapi_extra=taking(ASSIGNMENT_FILTER),
)
@served
def list_role_assignments_of_vault(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Roles that count in a vault, wherever they were given."""
    return _list(request, path)


@router.get(SUBSCRIPTION + ONE, response=shows(RoleAssignmentResource))
@served
def get_role_assignment_of_subscription(
    request: HttpRequest, path: Path[SubscriptionRolePath]
) -> Answer:
    return _resource(_find(request, path))


@router.get(GROUP + ONE, response=shows(RoleAssignmentResource))
@served
def get_role_assignment_of_group(request: HttpRequest, path: Path[GroupRolePath]) -> Answer:
    return _resource(_find(request, path))


@router.get(VAULT + ONE, response=shows(RoleAssignmentResource))
@served
def get_role_assignment_of_vault(request: HttpRequest, path: Path[VaultRolePath]) -> Answer:
    return _resource(_find(request, path))


@router.put(SUBSCRIPTION + ONE, response=makes(RoleAssignmentResource))
@served
def put_role_assignment_of_subscription(
    request: HttpRequest, path: Path[SubscriptionRolePath], body: AssignmentInput
) -> Answer:
    """Gives a role in a subscription."""
    return _put(request, path, body)


@router.put(GROUP + ONE, response=makes(RoleAssignmentResource))
@served
def put_role_assignment_of_group(
    request: HttpRequest, path: Path[GroupRolePath], body: AssignmentInput
) -> Answer:
    """Gives a role in a resource group."""
    return _put(request, path, body)


@router.put(VAULT + ONE, response=makes(RoleAssignmentResource))
@served
def put_role_assignment_of_vault(
    request: HttpRequest, path: Path[VaultRolePath], body: AssignmentInput
) -> Answer:
    """Gives a role in a vault."""
    return _put(request, path, body)


@router.delete(SUBSCRIPTION + ONE, response=GONE)
@served
def delete_role_assignment_of_subscription(
    request: HttpRequest, path: Path[SubscriptionRolePath]
) -> Answer:
    """Takes a role in a subscription back; never the last Owner's."""
    return _delete(request, path)


@router.delete(GROUP + ONE, response=GONE)
@served
def delete_role_assignment_of_group(request: HttpRequest, path: Path[GroupRolePath]) -> Answer:
    """Takes a role in a resource group back."""
    return _delete(request, path)


@router.delete(VAULT + ONE, response=GONE)
@served
def delete_role_assignment_of_vault(request: HttpRequest, path: Path[VaultRolePath]) -> Answer:
    """Takes a role in a vault back."""
    return _delete(request, path)


def _list(request: HttpRequest, path: AnyPath) -> Answer:
    scope = scope_of(request, path)
    at_scope, principal_id = _read_filter(request.GET.get("$filter", ""))
    group = scope.vault.resource_group if scope.vault is not None else scope.resource_group
    found = access.list_assignments(
        scope.subscription_id,
        group,
        scope.vault.id if scope.vault is not None else None,
        below=not at_scope,
    )
    if principal_id is not None:
        found = found.filter(principal_id=principal_id)
    return page(request, lambda start, end: found[start:end], _resource)


def _find(request: HttpRequest, path: AnyRolePath) -> RoleAssignment:
    """The assignment of an address.

    One that was given elsewhere is not there: rights here are none over what holds in more places.
    """
    scope = scope_of(request, path)
    name = read_uuid(path.role_name)
    found = access.find_assignment(scope.subscription_id, name) if name is not None else None
    if found is None or _place(found) != _written(scope):
        raise NotFoundError(f"{scope_path(scope)}{ASSIGNMENTS}/{path.role_name}")
    return found


def _put(request: HttpRequest, path: AnyRolePath, body: AssignmentInput) -> Answer:
    scope, now = scope_of(request, path), timezone.now()
    name = read_uuid(path.role_name)
    if name is None:
        raise _not_an_id("roleAssignmentName", path.role_name)
    if body.properties.condition:
        raise refuse(
            "RoleAssignmentConditionNotSupported",
            "A role assignment cannot have a condition here.",
            causes=["Conditions of Azure look at attributes of data, of which there are none."],
            action="Give a role that allows less, or give it in a narrower scope.",
            field="properties.condition",
        )
    role_text = body.properties.roleDefinitionId
    role_id = read_uuid(role_text.rpartition("/")[2])
    if role_id is None:
        raise _not_an_id("properties.roleDefinitionId", role_text)
    principal_id = read_uuid(body.properties.principalId)
    if principal_id is None:
        raise _not_an_id("properties.principalId", body.properties.principalId)
    made = assign_role(
        scope, role_id, principal_id, by=caller_of(request).name, now=now, assignment_id=name
    )
    status = HTTPStatus.CREATED if made.created_at == now else HTTPStatus.OK
    return JsonResponse(_resource(made), status=status)


def _delete(request: HttpRequest, path: AnyRolePath) -> Answer:
    try:
        found = _find(request, path)
    except NotFoundError:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    shape = _resource(found)
    remove_assignment(found)
    return shape


def _resource(assignment: RoleAssignment) -> Resource:
    return role_assignment_resource(assignment, scope_path(_scope(assignment)))


def _scope(assignment: RoleAssignment) -> Scope:
    return Scope(assignment.subscription_id, assignment.resource_group, assignment.vault)


def _place(assignment: RoleAssignment) -> tuple[str, UUID | None]:
    return assignment.resource_group, assignment.vault_id


def _written(scope: Scope) -> tuple[str, UUID | None]:
    return scope.resource_group.lower(), scope.vault.id if scope.vault is not None else None


def _read_filter(text: str) -> tuple[bool, UUID | None]:
    """Whether only roles given here and above are wanted, and whose.

    Raises:
        RefusedError: It is none of the filters Azure has for role assignments.
    """
    at_scope, principal_id = False, None
    for clause in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE) if text else ():
        of_principal = _OF_PRINCIPAL.fullmatch(clause)
        if clause.lower() == "atscope()":
            at_scope = True
        elif of_principal is not None:
            principal_id = read_uuid(of_principal[1])
        else:
            raise refuse(
                "InvalidFilter",
                f"The filter '{text}' is not one that role assignments have.",
                causes=["Role assignments can be filtered by place and by principal only."],
                action="Use atScope(), principalId eq '<id>' or assignedTo('<id>').",
                field="$filter",
            )
    return at_scope, principal_id


def _not_an_id(field: str, text: str) -> RefusedError:
    return refuse(
        "InvalidRequestContent",
        f"'{text}' is not an id for {field}.",
        causes=["It is misspelt, or the name of what is meant instead of its id."],
        action="Use a GUID; for a role the id of its definition.",
        field=field,
    )
