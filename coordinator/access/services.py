"""Verbs of the access domain."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

from oauth2_provider.models import Application

from coordinator.access.actions import action_of
from coordinator.access.callers import Caller, authenticate_bearer, authenticate_session
from coordinator.access.client_secrets import add_secret, find_program, place_of, rotate_secret
from coordinator.access.command_client import ensure_command_client
from coordinator.access.guesses import (
    count_wrong_guess,
    locked_until,
    program_guessing,
)
from coordinator.access.models import Person, RoleAssignment, ServicePrincipal
from coordinator.access.people import PersonDraft, create_person, disable_person, reset_password
from coordinator.access.role_assignments import Scope, assign_role, remove_assignment
from coordinator.access.role_definitions import (
    CONTRIBUTOR,
    OPERATOR,
    OWNER,
    READER,
    ROLES,
    RoleDefinition,
    role_of_name,
)
from coordinator.secret import Secret

__all__ = [
    "CONTRIBUTOR",
    "OPERATOR",
    "OWNER",
    "READER",
    "ROLES",
    "Caller",
    "Person",
    "PersonDraft",
    "RoleAssignment",
    "RoleDefinition",
    "Scope",
    "action_of",
    "assign_role",
    "authenticate_bearer",
    "authenticate_session",
    "count_wrong_guess",
    "create_person",
    "create_principal",
    "disable_person",
    "ensure_command_client",
    "find_program",
    "locked_until",
    "person_of_user",
    "program_guessing",
    "remove_assignment",
    "reset_password",
    "role_of_name",
    "rotate_secret",
]


def create_principal(
    tenant_id: UUID,
    subscription_id: UUID,
    display_name: str,
    now: datetime,
    *,
    role: RoleDefinition | None = OWNER,
    make_token: Callable[[int], str] = secrets.token_urlsafe,
) -> tuple[str, Secret]:
    """Makes a program that may ask for tokens.

    Args:
        tenant_id: Tenant it signs in to.
        subscription_id: Subscription whose vaults it may use.
        display_name: What jobs and audit call it.
        now: Time of making.
        role: What it may do in the whole subscription; None: nothing until it is given a role.
        make_token: Random text of so many bytes.

    Returns:
        Client id and secret. The secret cannot be had again: a hash of it is all that is kept.
    """
    client_id, principal_id = str(uuid4()), uuid4()
    application = Application.objects.create(
        name=display_name,
        client_id=client_id,
        client_secret=place_of(principal_id),
        # It is no secret: those are kept apart (client_secrets.py).
        hash_client_secret=False,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
    )
    principal = ServicePrincipal.objects.create(
        id=principal_id,
        tenant_id=tenant_id,
        application=application,
        display_name=display_name,
        subscription_id=subscription_id,
        created_at=now,
    )
    secret = add_secret(principal, now, make_token=make_token)
    if role is not None:
        assign_role(Scope(subscription_id), role.id, principal.id, by="osr-coordinator", now=now)
    return client_id, secret


def person_of_user(user_id: int) -> Person | None:
    """The person a Django user is; None for one that was made otherwise."""
    return Person.objects.filter(user_id=user_id).first()
