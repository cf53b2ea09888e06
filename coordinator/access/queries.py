"""Reading who may do what."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet

from coordinator.access.models import Person, RoleAssignment
from coordinator.access.rights import Grant, Rights
from coordinator.access.role_definitions import OWNER

__all__ = [
    "Rights",
    "find_assignment",
    "list_assignments",
    "owners_addresses",
    "rights_at",
    "rights_in",
]


def rights_at(
    principal_id: UUID, subscription_id: UUID, resource_group: str, vault_id: UUID | None
) -> Rights:
    """What somebody's roles give in one place: a vault, resource group or subscription.

    Args:
        principal_id: Of a program or person.
        subscription_id: Where.
        resource_group: In any case; "" asks for the subscription itself.
        vault_id: The vault, when it is about one that is there.
    """
    here = Q(vault=None, resource_group__in={"", resource_group.lower()})
    if vault_id is not None:
        here |= Q(vault=vault_id)
    return _rights(here, principal_id, subscription_id)


def rights_in(principal_id: UUID, subscription_id: UUID) -> Rights:
    """What somebody's roles give anywhere in a subscription."""
    return _rights(Q(), principal_id, subscription_id)


def _rights(where: Q, principal_id: UUID, subscription_id: UUID) -> Rights:
    rows = RoleAssignment.objects.filter(
        where, principal_id=principal_id, subscription_id=subscription_id
    ).values_list("role_id", "resource_group", "vault_id")
    return Rights(tuple(Grant(*row) for row in rows))


def list_assignments(
    subscription_id: UUID, resource_group: str, vault_id: UUID | None, *, below: bool
) -> QuerySet[RoleAssignment]:
    """Roles that count at a place: those given there and above it, oldest first.

    Args:
        subscription_id: Where.
        resource_group: "" for the subscription itself.
        vault_id: None for a group or subscription.
        below: Whether those given in places below are wanted as well.
    """
    wanted = Q(vault=None, resource_group__in={"", resource_group.lower()})
    if vault_id is not None:
        wanted |= Q(vault=vault_id)
    elif below and resource_group:
        wanted |= Q(vault__resource_group__iexact=resource_group)
    elif below:
        wanted = Q()
    rows = RoleAssignment.objects.filter(wanted, subscription_id=subscription_id)
    return rows.select_related("vault").order_by("created_at", "id")


def find_assignment(subscription_id: UUID, assignment_id: UUID) -> RoleAssignment | None:
    rows = RoleAssignment.objects.filter(subscription_id=subscription_id, pk=assignment_id)
    return rows.select_related("vault").first()


def owners_addresses(subscription_id: UUID, resource_group: str, vault_id: UUID) -> list[str]:
    """E-mail addresses of the people who own a vault, by a role in it or above it."""
    owners = list_assignments(subscription_id, resource_group, vault_id, below=False).filter(
        role_id=OWNER.id
    )
    people = Person.objects.filter(
        id__in=owners.order_by().values("principal_id"), user__is_active=True
    )
    found = people.exclude(user__email="").order_by("user__email")
    return list(found.values_list("user__email", flat=True))
