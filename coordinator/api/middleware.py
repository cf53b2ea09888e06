"""What holds for every request to the API, whatever the route: ids, case, errors as JSON."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from uuid import uuid4

import structlog
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware
from structlog.contextvars import bound_contextvars

from coordinator.api.auditing import note_refusal
from coordinator.api.errors import (
    ACTIVITY_ID,
    CLIENT_REQUEST_ID,
    CORRELATION_ID,
    activity_id,
    correlation_id,
    error_response,
    failure_of_status,
)
from coordinator.api.pages import is_page
from coordinator.api.paths import canonical_path
from coordinator.api.storable import is_storable
from coordinator.correlation import given_id
from coordinator.failures import Failure

log = structlog.get_logger(__name__)

Handler = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


@async_only_middleware
def resource_manager(get_response: Handler) -> Handler:
    """Gives each request an id, understands addresses in any case, answers programs in JSON."""

    async def handle(request: HttpRequest) -> HttpResponseBase:
        request.activity_id = str(uuid4())  # type: ignore[attr-defined] # read by api.errors
        given = given_id(request.headers.get(CORRELATION_ID, ""))
        request.correlation_id = given or activity_id(request)  # type: ignore[attr-defined] # read by api.errors
        request.path_info = canonical_path(request.path_info)
        begun = time.monotonic()
        # Whatever is logged on the way carries it.
        with bound_contextvars(correlation_id=correlation_id(request)):
            response = _unanswerable(request) or _in_words(request, await get_response(request))
            _name(request, response)
            await note_refusal(request, response)
            _log(request, response, time.monotonic() - begun)
        return response

    return handle


def _name(request: HttpRequest, response: HttpResponseBase) -> None:
    """Gives an answer the ids that the request has, and those it came with."""
    if not response.has_header(ACTIVITY_ID):
        response[ACTIVITY_ID] = activity_id(request)
    response[CORRELATION_ID] = correlation_id(request)
    client_request_id = request.headers.get(CLIENT_REQUEST_ID)
    if client_request_id is not None and client_request_id.isprintable():
        response[CLIENT_REQUEST_ID] = client_request_id


def _log(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    """One line for what changes something or is refused; reading is too frequent to tell of."""
    if request.method == "GET" and response.status_code < 400:
        return
    log.info(
        "request.answered",
        method=request.method,
        path=request.path,
        status=response.status_code,
        seconds=round(seconds, 3),
        activity_id=activity_id(request),
    )


def _unanswerable(request: HttpRequest) -> HttpResponseBase | None:
    """The refusal of an address that no view may see; None when it may."""
    try:
        request.get_host()
    except DisallowedHost:
        failure = failure_of_status(HTTPStatus.BAD_REQUEST, request.path)
        return error_response(request, HTTPStatus.BAD_REQUEST, failure)
    texts = [request.path, *(text for pair in request.GET.items() for text in pair)]
    if all(is_storable(str(text)) for text in texts):
        return None
    failure = Failure(
        "InvalidUri",
        "The address has a character that cannot be stored.",
        ("A name or parameter contains the character 0.",),
        "Remove the character and repeat the request.",
    )
    return error_response(request, HTTPStatus.BAD_REQUEST, failure)


def _in_words(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Gives an error that some layer answered without a JSON body one."""
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    if response.status_code < 400 or is_json or is_page(request.path_info):
        return response
    failure = failure_of_status(response.status_code, request.path)
    return error_response(request, response.status_code, failure)
