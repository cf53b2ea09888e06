"""Who a request comes from, told by its bearer token alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from coordinator.access.models import ServicePrincipal
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
    """Finds the program behind an Authorization header.

    Args:
        authorization: The header's value, "" when the request had none.
        now: Tokens that end before this are over.

    Returns:
        The caller; None when the header is no bearer token, or the token is unknown or over.
    """
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        return None
    principal = ServicePrincipal.objects.filter(
        application__accesstoken__token_checksum=hashlib.sha256(token.encode()).hexdigest(),
        application__accesstoken__expires__gt=now,
    ).first()
    if principal is None:
        return None
    return Caller(
        principal.id, principal.tenant_id, principal.subscription_id, principal.display_name
    )
