"""Giving roles and taking them back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Literal, TypeAlias
from uuid import UUID, uuid4

import structlog
from django.db import connection
from django.db.models import Q

from coordinator.access.models import Person, RoleAssignment, ServicePrincipal
from coordinator.access.role_definitions import OWNER, ROLES
from coordinator.failures import refuse
from coordinator.vaults.models import Vault

log = structlog.get_logger(__name__)

PrincipalType: TypeAlias = Literal["ServicePrincipal", "User"]


@dataclass(frozen=True)
class Scope:
    """Where a role holds.

    Attributes:
        subscription_id: The subscription.
        resource_group: "" for the whole subscription, and with a vault.
        vault: None for more than a vault.
    """

    subscription_id: UUID
    resource_group: str = ""
    vault: Vault | None = None


def find_principal_type(principal_id: UUID, subscription_id: UUID) -> PrincipalType | None:
    """Whether a program or a person of a subscription has that id; None for nobody."""
    if ServicePrincipal.objects.filter(pk=principal_id, subscription_id=subscription_id).exists():
        return "ServicePrincipal"
    if Person.objects.filter(pk=principal_id, subscription_id=subscription_id).exists():
        return "User"
    return None


def assign_role(
    scope: Scope,
    role_id: UUID,
    principal_id: UUID,
    *,
    by: str,
    now: datetime,
    assignment_id: UUID | None = None,
) -> RoleAssignment:
    """Gives a role. The caller has been asked whether it may: only an Owner may.

    Args:
        scope: Where it is to hold.
        role_id: Which role.
        principal_id: Program or person of the same subscription.
        by: Who gives it, for the record.
        now: Time of giving.
        assignment_id: Its name; made up when the giver has none.

    Returns:
        The assignment, the one that is there when it was made before under this name.

    Raises:
        RefusedError: RoleDefinitionDoesNotExist or PrincipalNotFound (400);
            RoleAssignmentExists (409), under another name; RoleAssignmentUpdateNotPermitted (409)
            when the name stands for another role, principal or place.

    Idempotent.

    Source: SPEC AC-1.
    """
    if role_id not in ROLES:
        raise refuse(
            "RoleDefinitionDoesNotExist",
            f"The specified role definition with ID '{role_id}' does not exist.",
            causes=["The id is misspelt.", "The role is of another service of Azure."],
            action="List the role definitions and use one of them.",
            field="roleDefinitionId",
        )
    principal_type = find_principal_type(principal_id, scope.subscription_id)
    if principal_type is None:
        raise refuse(
            "PrincipalNotFound",
            f"Principal {principal_id} does not exist in the subscription {scope.subscription_id}.",
            causes=["The id is that of the client, not of its principal.", "It was deleted."],
            action="Use the object id that was printed when the program or person was made.",
            field="principalId",
        )
    draft = RoleAssignment(
        id=assignment_id or uuid4(),
        principal_id=principal_id,
        principal_type=principal_type,
        role_id=role_id,
        subscription_id=scope.subscription_id,
        resource_group="" if scope.vault else scope.resource_group.lower(),
        vault=scope.vault,
        created_at=now,
        created_by=by,
    )
    return _stored(draft)


def _stored(draft: RoleAssignment) -> RoleAssignment:
    """Stores an assignment, or finds the one that is there; two that come at once are one."""
    RoleAssignment.objects.bulk_create([draft], ignore_conflicts=True)
    same_name = RoleAssignment.objects.filter(pk=draft.pk).select_related("vault").first()
    if same_name is None:
        raise refuse(
            "RoleAssignmentExists",
            "The role assignment already exists.",
            causes=["The principal has this role here under another name of the assignment."],
            action="List the role assignments of the scope; nothing needs to be done.",
            status=HTTPStatus.CONFLICT,
        )
    if _content(same_name) != _content(draft):
        raise refuse(
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            causes=["The name belongs to another role assignment."],
            action="Delete that role assignment first, or use another name (a new GUID).",
            status=HTTPStatus.CONFLICT,
        )
    if same_name.created_at == draft.created_at:
        log.info(
            "role.assigned",
            assignment_id=str(draft.pk),
            role=ROLES[draft.role_id].name,
            principal_id=str(draft.principal_id),
        )
    return same_name


def _content(row: RoleAssignment) -> tuple[object, ...]:
    return row.principal_id, row.role_id, row.subscription_id, row.resource_group, row.vault_id


def remove_assignment(assignment: RoleAssignment) -> None:
    """Takes a role back. The caller has been asked whether it may: only an Owner may.

    Raises:
        RefusedError: LastOwnerCannotBeRemoved (409): nobody could give roles any more.

    Source: SPEC AC-1.
    """
    if _is_owner_of_all(assignment):
        # Two owners who remove each other at once would leave none: one waits for the other.
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                [f"owners of {assignment.subscription_id}"],
            )
        owners = RoleAssignment.objects.filter(
            subscription_id=assignment.subscription_id,
            role_id=OWNER.id,
            resource_group="",
            vault=None,
        )
        if not owners.filter(_somebody()).exclude(pk=assignment.pk).exists():
            raise refuse(
                "LastOwnerCannotBeRemoved",
                "Cannot delete the last Owner role assignment of the subscription.",
                causes=["Nobody could give roles in the subscription any more."],
                action="Make somebody else Owner of the subscription first.",
                status=HTTPStatus.CONFLICT,
            )
    RoleAssignment.objects.filter(pk=assignment.pk).delete()
    log.info(
        "role.removed",
        assignment_id=str(assignment.pk),
        role_id=str(assignment.role_id),
        principal_id=str(assignment.principal_id),
    )


def _somebody() -> Q:
    """Assignments of programs that are there and of people who may sign in."""
    programs = ServicePrincipal.objects.values("pk")
    people = Person.objects.filter(user__is_active=True).values("pk")
    return Q(principal_id__in=programs) | Q(principal_id__in=people)


def _is_owner_of_all(assignment: RoleAssignment) -> bool:
    return (
        assignment.role_id == OWNER.id
        and assignment.vault_id is None
        and not assignment.resource_group
    )
