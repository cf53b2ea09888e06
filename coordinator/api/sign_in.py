"""The OAuth 2.0 endpoints of a tenant, where azure-identity and the `osr` command look for them."""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

import structlog
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.views import AuthorizationView, TokenView

from coordinator.access.services import (
    count_wrong_guess,
    locked_until,
    person_of_user,
    program_guessing,
)
from coordinator.api.auditing import RefusedSignIn, mark_refused_sign_in
from coordinator.api.sign_in_auditing import record_token
from coordinator.api.storable import is_storable
from coordinator.api.threads import database_threads

log = structlog.get_logger(__name__)


async def openid_configuration(request: HttpRequest, tenant: str) -> JsonResponse:
    """Where a tenant's tokens are had."""
    base = request.build_absolute_uri(f"/{tenant}")
    return JsonResponse(
        {
            "issuer": f"{base}/v2.0",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "grant_types_supported": [
                "client_credentials",
                "authorization_code",
                "refresh_token",
            ],
            "code_challenge_methods_supported": ["S256"],
            "response_types_supported": ["code"],
            "scopes_supported": ["default"],
        }
    )


@csrf_exempt
async def token(request: HttpRequest, tenant: str) -> HttpResponse:
    """Gives a program a token for its id and secret, or a person's command one for its code."""
    del tenant  # the validator reads it from the address
    if request.method != "POST":
        return HttpResponse(status=405)
    # The body is read here, in the loop; the thread finds it read.
    if not all(is_storable(str(text)) for pair in request.POST.items() for text in pair):
        return JsonResponse({"error": "invalid_request"}, status=400)
    response: HttpResponse = await database_threads.run(lambda: _token(request))
    response["Cache-Control"] = "no-store"
    return response


def _token(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    client_id = _client_id(request)
    guesser = program_guessing(client_id, str(request.META.get("REMOTE_ADDR", "")))
    if locked_until(guesser, now) is not None:
        # Without Retry-After: with it, Microsoft's clients would go on asking by themselves.
        return JsonResponse(
            {
                "error": "temporarily_unavailable",
                "error_description": "Too many wrong secrets. No secret of this client is looked"
                " at from this address for some minutes.",
            },
            status=HTTPStatus.TOO_MANY_REQUESTS,
        )
    with transaction.atomic():
        response: HttpResponse = TokenView.as_view()(request)
        if response.status_code == HTTPStatus.OK:
            record_token(request, response)
    if response.status_code == HTTPStatus.UNAUTHORIZED or b'"invalid_grant"' in response.content:
        log.warning("token.refused", client_id=client_id[:64])
        mark_refused_sign_in(request, RefusedSignIn(client_id))
        count_wrong_guess(guesser, now)
    return response


def _client_id(request: HttpRequest) -> str:
    """Who says to ask: in the body, or in HTTP's own way; "" when nobody does."""
    scheme, _, coded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return unquote_plus(base64.b64decode(coded).decode().partition(":")[0])
        except (binascii.Error, ValueError):
            return ""
    return str(request.POST.get("client_id", ""))


class TenantAuthorizationView(AuthorizationView):  # type: ignore[misc] # the toolkit has no types
    """Gives a person who has signed in a code for the `osr` command (code flow with PKCE)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refuses people of other tenants: the code would open nothing at this one."""
        tenant: UUID = kwargs.pop("tenant")
        if request.user.is_authenticated:
            person = person_of_user(request.user.pk)
            if person is None or person.tenant_id != tenant:
                return render(request, "account/unknown.html", status=HTTPStatus.FORBIDDEN)
        response: HttpResponse = super().dispatch(request, *args, **kwargs)
        return response


authorize = TenantAuthorizationView.as_view()
