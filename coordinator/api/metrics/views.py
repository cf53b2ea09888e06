"""The address that Prometheus scrapes."""

from __future__ import annotations

import hmac
import secrets
from http import HTTPStatus
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from coordinator.api.errors import error_response
from coordinator.api.metrics.collector import CoordinatorCollector
from coordinator.api.threads import database_threads
from coordinator.failures import Failure
from coordinator.secret import Secret
from coordinator.vaults.services import ensure_secret

ADDRESS = "metrics"
TOKEN_BYTES = 32
NOT_LET_IN = Failure(
    "AuthenticationFailed",
    "Metrics are of all vaults, and are given to who has the token of the installation.",
    ("The scrape's configuration has no credentials_file.", "The token was replaced."),
    "Give Prometheus the content of secrets/metrics.token in the coordinator's state folder.",
)


def ensure_token(folder: Path) -> Secret:
    """The token for scraping: made once, in a file only the coordinator can read. Idempotent."""
    token = ensure_secret(folder / "metrics.token", lambda: secrets.token_urlsafe(TOKEN_BYTES))
    return Secret(token)


@require_safe
async def metrics(request: HttpRequest) -> HttpResponse:
    """Metrics in Prometheus' text format, for whoever has the installation's token."""
    return await database_threads.run(lambda: _metrics(request))


def _metrics(request: HttpRequest) -> HttpResponse:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    token = ensure_token(settings.CONFIGURATION.state / "secrets")
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        given.strip().encode(), token.reveal().encode()
    ):
        return error_response(request, HTTPStatus.UNAUTHORIZED, NOT_LET_IN)
    registry = CollectorRegistry()
    collector = CoordinatorCollector(timezone.now(), settings.CONFIGURATION.lease_seconds)
    registry.register(collector)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
