"""Sessions, for the addresses people open in a browser; the API pays nothing for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware

Handler = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

# Everything else is for programs.
_PAGES = ("/account/",)
_AUTHORIZE = "/oauth2/v2.0/authorize"


def is_page(path: str) -> bool:
    """Whether an address is one that people open."""
    return path.startswith(_PAGES) or path.endswith(_AUTHORIZE)


class Pages:
    """Django's own middleware for sessions, CSRF and users, around pages only."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Handler) -> None:
        self._get_response = get_response
        self._csrf: Any = CsrfViewMiddleware(get_response)
        with_user: Any = AuthenticationMiddleware(self._csrf)
        self._around_pages: Any = SessionMiddleware(with_user)
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_page(request.path_info):
            return await self._get_response(request)
        response: HttpResponseBase = await self._around_pages(request)
        # No other site shows a page of ours inside its own, to have people click what it hides.
        response["X-Frame-Options"] = "DENY"
        response["Content-Security-Policy"] = (
            "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
        )
        return response

    async def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., Any],
        arguments: Sequence[Any],
        names: Mapping[str, Any],
    ) -> HttpResponseBase | None:
        """Refuses forms that were made elsewhere; it computes only, so it needs no thread."""
        if not is_page(request.path_info):
            return None
        refusal: HttpResponseBase | None = self._csrf.process_view(request, view, arguments, names)
        return refusal
