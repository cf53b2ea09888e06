"""Who a request comes from, told by its bearer token or its session."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from coordinator.access.models import Person, ServicePrincipal
from coordinator.access.role_assignments import PrincipalType


@dataclass(frozen=True)
class Caller:
    """An authenticated program or person.

    Attributes:
        principal_id: Id of its service principal, or of the person.
        tenant_id: Tenant it signed in to.
        subscription_id: The one subscription it can have roles in.
        name: What jobs and audit say it is called.
        principal_type: "ServicePrincipal" or "User", as ARM says.
    """

    principal_id: UUID
    tenant_id: UUID
    subscription_id: UUID
    name: str
    principal_type: PrincipalType = "ServicePrincipal"


def authenticate_bearer(authorization: str, now: datetime) -> Caller | None:
    """Finds the program or person behind an Authorization header.

    Args:
        authorization: The header's value, "" when the request had none.
        now: Tokens that end before this are over.

    Returns:
        The caller; None when the header is no bearer token, or the token is unknown or over, or
        the person was disabled.
    """
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        return None
    checksum = hashlib.sha256(token.encode()).hexdigest()
    principal = ServicePrincipal.objects.filter(
        application__accesstoken__token_checksum=checksum,
        application__accesstoken__expires__gt=now,
    ).first()
    if principal is not None:
        return Caller(
            principal.id, principal.tenant_id, principal.subscription_id, principal.display_name
        )
    people = Person.objects.filter(
        user__is_active=True,
        user__oauth2_provider_accesstoken__token_checksum=checksum,
        user__oauth2_provider_accesstoken__expires__gt=now,
    )
    return _caller(people.select_related("user").first())


def authenticate_session(session_key: str) -> Caller | None:
    """Finds the person behind a session's cookie.

    Returns:
        The caller; None when the session is unknown or over, the password was changed since, or
        the person was disabled.
    """
    request: Any = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    if not user.is_authenticated:
        return None
    return _caller(Person.objects.filter(user_id=user.pk).select_related("user").first())


def _caller(person: Person | None) -> Caller | None:
    if person is None:
        return None
    return Caller(
        person.id, person.tenant_id, person.subscription_id, person.user.get_username(), "User"
    )
