"""Where the document of the API is served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI

from coordinator.api.openapi.document import document_of, written

ADDRESS = "openapi.json"


def document_view(api: NinjaAPI) -> Callable[[HttpRequest], Coroutine[Any, Any, HttpResponse]]:
    """The view of an API's document.

    It is for everybody: it says nothing of this installation that its source does not say of all,
    and who writes a client reads it before there is a token.
    """

    @cache
    def text() -> tuple[bytes, str]:
        body = written(document_of(api)).encode()
        return body, f'"{sha256(body).hexdigest()[:32]}"'

    async def serve(request: HttpRequest) -> HttpResponse:
        # Put together when first asked for, which takes a moment.
        body, etag = await asyncio.to_thread(text)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponse(
                status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"}
            )
        if request.headers.get("If-None-Match") == etag:
            return HttpResponse(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag})
        return HttpResponse(
            body,
            content_type="application/json",
            headers={"ETag": etag, "Cache-Control": "public, max-age=3600"},
        )

    return serve
