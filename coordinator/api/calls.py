"""A request that has come through the door: who asks, of which vault, when."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial, wraps
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from ninja.utils import check_csrf

from coordinator.access.services import Caller, authenticate_bearer, authenticate_session
from coordinator.api.addresses import VaultPath
from coordinator.api.api_versions import require_api_version
from coordinator.api.auditing import record_begun, record_change
from coordinator.api.authorization import authorize, authorized_vault
from coordinator.api.errors import (
    CLIENT_REQUEST_ID,
    correlation_id,
    csrf_failed,
    vault_not_found,
)
from coordinator.api.paths import VaultId
from coordinator.api.shapes.vaults import vault_ids
from coordinator.api.threads import database_threads
from coordinator.protection.services import RequestOrigin
from coordinator.vaults.models import Vault

LONGEST_CLIENT_REQUEST_ID = 64

Answer: TypeAlias = HttpResponseBase | Mapping[str, object]
Body: TypeAlias = Callable[..., Answer]


@dataclass(frozen=True)
class Call:
    """What the body of every route in a vault starts from.

    Attributes:
        request: The HTTP request.
        caller: Who asks.
        vault: The vault of the address, which the caller may use.
        ids: The vault's ids.
        now: The one time of everything the request does.
    """

    request: HttpRequest
    caller: Caller
    vault: Vault
    ids: VaultId
    now: datetime

    @property
    def api_version(self) -> str:
        """What the client speaks."""
        return self.request.GET["api-version"]

    def absolute(self, path: str) -> str:
        """An address a client can follow as it is, in the API version the client speaks."""
        version = urlencode({"api-version": self.api_version})
        return self.request.build_absolute_uri(f"{quote(path)}?{version}")

    def origin(self, target_resource: str) -> RequestOrigin:
        """For services that begin a job about the resource with that ARM id."""
        return RequestOrigin(
            started_by=self.caller.name,
            client_request_id=client_request_id(self.request),
            correlation_id=correlation_id(self.request),
            target_resource=target_resource,
        )


async def authenticate(request: HttpRequest) -> Caller | None:
    """django-ninja's door: every route is behind it, and with it the check of rights.

    Raises:
        RefusedError: The caller is known and may not do this (`authorization.authorize`).
    """
    return await database_threads.run(lambda: _admit(request))


def _admit(request: HttpRequest) -> Caller | None:
    header = request.headers.get("Authorization", "")
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    if header or not session_key:
        caller = authenticate_bearer(header, timezone.now())
    else:
        caller = authenticate_session(session_key)
        # A browser sends the cookie along whoever made it ask.
        if caller is not None and check_csrf(request) is not None:
            raise csrf_failed()
    if caller is not None:
        authorize(request, caller)
    return caller


def caller_of(request: HttpRequest) -> Caller:
    """Who `authenticate` found."""
    caller = request.auth  # type: ignore[attr-defined] # django-ninja puts it there
    if not isinstance(caller, Caller):
        raise TypeError("the route is not behind authenticate()")
    return caller


def client_request_id(request: HttpRequest) -> str:
    """The id the client gave the request; repetitions of one request carry the same.

    One that is too long to be stored is stored by its digest: cut off, two would look the same.
    """
    given = request.headers.get(CLIENT_REQUEST_ID, "")
    if len(given) <= LONGEST_CLIENT_REQUEST_ID:
        return given
    return hashlib.sha256(given.encode()).hexdigest()


def open_vault(request: HttpRequest, path: VaultPath) -> Call:
    """The vault of an address, which the caller may use (AC-3: `authenticate` has seen to it).

    Raises:
        RefusedError: It is not there.
    """
    caller = caller_of(request)
    vault = authorized_vault(request)
    if vault is None:
        raise vault_not_found(path.vault_name, path.resource_group)
    return Call(request, caller, vault, vault_ids(vault), timezone.now())


def served(body: Body) -> Callable[..., Any]:
    """Makes a route's function of a plain one.

    The body runs in a database thread; what it changes is one transaction, undone if it raises,
    and the audit's record of it is the last thing in it.
    """

    def in_one_transaction(request: HttpRequest, **arguments: Any) -> Answer:
        if request.method == "GET":
            return body(request, **arguments)
        with transaction.atomic():
            answer = body(request, **arguments)
            record_change(request, answer)
            return answer

    return _route(body, in_one_transaction)


def served_in_parts(body: Body) -> Callable[..., Any]:
    """As `served`, for a body that opens its own transactions: it does too much for one.

    The audit has a record of it before the first, and another after the last.
    """

    def in_parts(request: HttpRequest, **arguments: Any) -> Answer:
        record_begun(request)
        answer = body(request, **arguments)
        record_change(request, answer)
        return answer

    return _route(body, in_parts)


def _route(body: Body, work: Body) -> Callable[..., Any]:
    def checked(request: HttpRequest, arguments: dict[str, Any]) -> Answer:
        require_api_version(request.GET.get("api-version", ""))
        return work(request, **arguments)

    @wraps(body)
    async def route(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        answer = await database_threads.run(partial(checked, request, arguments))
        return answer if isinstance(answer, HttpResponseBase) else JsonResponse(answer)

    route.audited = True  # type: ignore[attr-defined] # looked for by tests
    route.__signature__ = inspect.signature(body, eval_str=True)  # type: ignore[attr-defined] # read by django-ninja
    return route
