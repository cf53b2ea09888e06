"""Posting to a webhook: one request, to the address that was looked at, without redirects."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from coordinator.events.alerting.addresses import (
    Resolve,
    WebhookRules,
    check_url,
    reachable_addresses,
    resolve,
)
from coordinator.events.alerting.outcomes import DELIVERED, Outcome, failed
from coordinator.events.alerting.signing import headers
from coordinator.failures import RefusedError
from coordinator.secret import Secret

TIMEOUT_SECONDS = 10.0
# A receiver that answers letter by letter is cut off.
LONGEST_SECONDS = 15.0
# Of an answer only so much is read: nobody wants the rest.
ANSWER_BYTES = 512
HTTPS_PORT, HTTP_PORT = 443, 80
USER_AGENT = "OpenSiteRecovery-Webhook/1"


@dataclass(frozen=True)
class Post:
    """One request.

    Attributes:
        delivery_id: Its idempotency id.
        url: Where to.
        keys: What it is signed with.
        content: Its body.
    """

    delivery_id: UUID
    url: str
    keys: Sequence[Secret] = field(repr=False)
    content: Mapping[str, Any] = field(repr=False)


class _PinnedConnection(http.client.HTTPConnection):
    """Goes to addresses that are given, whatever the host's name leads to by now."""

    def __init__(
        self, host: str, port: int, addresses: Sequence[str], context: ssl.SSLContext | None
    ) -> None:
        super().__init__(host, port, timeout=TIMEOUT_SECONDS)
        self._addresses = addresses
        self._context = context

    def connect(self) -> None:
        self.sock = self._connected()
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)

    def _connected(self) -> socket.socket:
        """A connection to the first address that answers."""
        *others, last = self._addresses
        for address in others:
            with suppress(OSError):
                return socket.create_connection((address, self.port), self.timeout)
        return socket.create_connection((last, self.port), self.timeout)

    def cut(self) -> None:
        """Ends what goes on, from another thread."""
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


def post(request: Post, rules: WebhookRules, sent_at: datetime, find: Resolve = resolve) -> Outcome:
    """Sends a request.

    Args:
        request: What and where to.
        rules: Where it may go.
        sent_at: The time, for its signature.
        find: Looks names up.

    Returns:
        Delivered: the receiver answered with 2xx within ten seconds. It may have got a request that
        failed here: that is what the id is for.
    """
    body = json.dumps(
        {"id": str(request.delivery_id), **request.content}, ensure_ascii=False
    ).encode()
    try:
        parts = check_url(request.url, rules)
    except RefusedError as error:
        return failed(error.failure.message, unreachable=True)
    secure, host = parts.scheme == "https", parts.hostname or ""
    port = parts.port or (HTTPS_PORT if secure else HTTP_PORT)
    try:
        addresses = reachable_addresses(host, port, rules, find)
        context = _context(rules) if secure else None
    except RefusedError as error:
        return failed(error.failure.message, unreachable=True)
    except OSError as error:
        return failed(f"{host} cannot be asked: {error}", unreachable=True)
    connection = _PinnedConnection(host, port, addresses, context)
    limit = threading.Timer(LONGEST_SECONDS, connection.cut)
    limit.start()
    try:
        connection.request(
            "POST",
            f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}",
            body,
            {
                "Content-Type": "application/json; charset=utf-8",
                "User-Agent": USER_AGENT,
                **headers(request.keys, request.delivery_id, sent_at, body),
            },
        )
        response = connection.getresponse()
        response.read(ANSWER_BYTES)
        return _read(response.status)
    except (OSError, http.client.HTTPException) as error:
        return failed(f"{type(error).__name__}: {error}", unreachable=True)
    finally:
        limit.cancel()
        connection.close()


def _read(status: int) -> Outcome:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return DELIVERED
    if status == HTTPStatus.GONE:
        return failed("The receiver answered 410 Gone: it wants no more.", final=True)
    busy = status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    return failed(f"The receiver answered with status {status}.", unreachable=busy)


def _context(rules: WebhookRules) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if rules.ca_file:
        context.load_verify_locations(rules.ca_file)
    return context
