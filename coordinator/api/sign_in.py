"""The OAuth 2.0 endpoints programs sign in at, where azure-identity looks for them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.views import TokenView

from coordinator.api.storable import is_storable
from coordinator.api.threads import database_threads


async def openid_configuration(request: HttpRequest, tenant: str) -> JsonResponse:
    """Where a tenant's tokens are had."""
    base = request.build_absolute_uri(f"/{tenant}")
    return JsonResponse(
        {
            "issuer": f"{base}/v2.0",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            # Nobody signs in here in a browser, but clients insist on an address.
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["token"],
            "scopes_supported": ["default"],
        }
    )


@csrf_exempt
async def token(request: HttpRequest, tenant: str) -> HttpResponse:
    """Gives a program a token for its id and secret."""
    del tenant  # the validator reads it from the address
    if request.method != "POST":
        return HttpResponse(status=405)
    # The body is read here, in the loop; the thread finds it read.
    if not all(is_storable(str(text)) for pair in request.POST.items() for text in pair):
        return JsonResponse({"error": "invalid_request"}, status=400)
    response: HttpResponse = await database_threads.run(lambda: TokenView.as_view()(request))
    response["Cache-Control"] = "no-store"
    return response
