"""Verbs of the access domain."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

from oauth2_provider.models import Application

from coordinator.access.actions import action_of
from coordinator.access.callers import Caller, authenticate_bearer
from coordinator.access.client_secrets import SECRET_BYTES, hash_secret
from coordinator.access.models import RoleAssignment, ServicePrincipal
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
    "RoleAssignment",
    "RoleDefinition",
    "Scope",
    "action_of",
    "assign_role",
    "authenticate_bearer",
    "create_principal",
    "remove_assignment",
    "role_of_name",
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
    client_id = str(uuid4())
    secret = Secret(make_token(SECRET_BYTES))
    application = Application.objects.create(
        name=display_name,
        client_id=client_id,
        client_secret=hash_secret(secret),
        # It is a hash already, of our own form (client_secrets.py).
        hash_client_secret=False,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
    )
    principal = ServicePrincipal.objects.create(
        tenant_id=tenant_id,
        application=application,
        display_name=display_name,
        subscription_id=subscription_id,
        created_at=now,
    )
    if role is not None:
        assign_role(Scope(subscription_id), role.id, principal.id, by="osr-coordinator", now=now)
    return client_id, secret
