"""What django-oauth-toolkit asks about who wants a token."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.utils import timezone
from oauth2_provider.models import AccessToken
from oauth2_provider.oauth2_validators import OAuth2Validator
from typing_extensions import override

from coordinator.access.client_secrets import opens
from coordinator.access.models import Person, ServicePrincipal

# The one scope there is; rights come from roles. Microsoft's clients ask for "<endpoint>/.default".
SCOPE = "default"
DEFAULT_OF_A_RESOURCE = "/.default"


class TokenValidator(OAuth2Validator):  # type: ignore[misc] # the toolkit has no type hints
    """Client credentials with secrets kept as hashes, one scope, tenants kept apart."""

    @override
    def _check_secret(self, provided_secret: str, stored_secret: str) -> bool:
        return opens(provided_secret, stored_secret, timezone.now())

    @override
    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        """Whether the program is who it says and belongs to the tenant whose endpoint it asks.

        A wrong tenant, an unknown program and a wrong secret look the same from outside.
        """
        if not super().authenticate_client(request, *args, **kwargs):
            return False
        tenant_id = _tenant_of(request.uri)
        return (
            tenant_id is not None
            and ServicePrincipal.objects.filter(
                application_id=request.client.pk, tenant_id=tenant_id
            ).exists()
        )

    @override
    def validate_code(
        self, client_id: str, code: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Whether a code is good: a person's who may sign in, at that person's tenant."""
        if not super().validate_code(client_id, code, client, request, *args, **kwargs):
            return False
        return _is_of_tenant(request)

    @override
    def validate_refresh_token(
        self, refresh_token: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Whether a person may have one more token without signing in again."""
        if not super().validate_refresh_token(refresh_token, client, request, *args, **kwargs):
            return False
        return _is_of_tenant(request)

    @override
    def save_bearer_token(self, token: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Saves a new token; those of the program that are over go, or they would pile up."""
        over = AccessToken.objects.filter(application=request.client, expires__lt=timezone.now())
        # One that can be refreshed is looked at when that is done.
        over.filter(refresh_token=None).delete()
        return super().save_bearer_token(token, request, *args, **kwargs)

    @override
    def validate_scopes(
        self,
        client_id: str,
        scopes: list[str],
        client: Any,
        request: Any,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        """Accepts `.default` of any resource: a token opens what its program may, nothing else."""
        if not all(scope == SCOPE or scope.endswith(DEFAULT_OF_A_RESOURCE) for scope in scopes):
            return False
        request.scopes = [SCOPE]
        return True


def _is_of_tenant(request: Any) -> bool:
    """Whether the person a code or token was given to may sign in at the endpoint that is asked."""
    tenant_id = _tenant_of(request.uri)
    return (
        tenant_id is not None
        and Person.objects.filter(
            user_id=request.user.pk, user__is_active=True, tenant_id=tenant_id
        ).exists()
    )


def _tenant_of(uri: str) -> UUID | None:
    """The tenant in the address of a token endpoint: "/{tenant}/oauth2/v2.0/token"."""
    try:
        return UUID(urlsplit(uri).path.split("/")[1])
    except (ValueError, IndexError):
        return None
