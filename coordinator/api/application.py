"""The API put together: every route behind one door, every failure as an ARM error."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Router
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.operation import PathView

from coordinator.api import (
    alert_settings,
    audit_records,
    bandwidth_limits,
    bulk_enabling,
    container_mappings,
    containers,
    dry_runs,
    events,
    fabric_certificates,
    fabrics,
    failovers,
    inapplicable,
    item_settings,
    job_exports,
    jobs,
    long_operations,
    network_mappings,
    networks,
    offline_copies,
    operations,
    policies,
    protectable_items,
    protected_items,
    providers,
    recovery_plan_actions,
    recovery_plans,
    recovery_points,
    registration_keys,
    role_assignments,
    role_definitions,
    running_replication,
    storage_classifications,
    storage_mappings,
    test_failovers,
    vault_health,
    vault_settings,
    vault_updates,
    vaults,
    webhooks,
)
from coordinator.api.calls import authenticate
from coordinator.api.errors import activity_id, error_response, failure_of_status, refusal_response
from coordinator.api.storable import StorableParser
from coordinator.failures import Failure, RefusedError

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 2
DATABASE_AWAY = Failure(
    "ServiceUnavailable",
    "The request could not be carried out: the service does not reach its database.",
    ("The database restarts, or fails over to another machine.", "It is out of connections."),
    "Repeat the request after some seconds; if that does not help, look at the database.",
)

ROUTERS = (
    vaults.router,
    registration_keys.router,
    fabrics.router,
    fabric_certificates.router,
    providers.router,
    containers.router,
    protectable_items.router,
    policies.router,
    storage_classifications.router,
    storage_mappings.router,
    bandwidth_limits.router,
    container_mappings.router,
    networks.router,
    network_mappings.router,
    protected_items.router,
    item_settings.router,
    failovers.router,
    test_failovers.router,
    running_replication.router,
    offline_copies.router,
    bulk_enabling.router,
    recovery_points.router,
    recovery_plans.router,
    recovery_plan_actions.router,
    dry_runs.router,
    job_exports.router,
    jobs.router,
    events.router,
    alert_settings.router,
    webhooks.router,
    long_operations.router,
    role_definitions.router,
    role_assignments.router,
    vault_health.router,
    vault_settings.router,
    vault_updates.router,
    audit_records.router,
)

NOT_AUTHENTICATED = Failure(
    "AuthenticationFailed",
    "Authentication failed. The 'Authorization' header is missing or its token is not valid.",
    ("The token has expired.", "The token was given out by another coordinator."),
    "Ask the token endpoint for a new token and repeat the request.",
)


def build_api() -> NinjaAPI:
    """The API with its routes and its error answers."""
    api = NinjaAPI(
        title="Open Site Recovery",
        version="2025-08-01",
        auth=authenticate,
        parser=StorableParser(),
        docs_url=None,
        openapi_url=None,
        urls_namespace="api",
    )
    routers = (*ROUTERS, operations.operations_router(ROUTERS), inapplicable.router)
    api.add_router("", _joined(routers))
    api.exception_handler(RefusedError)(on_refusal)
    api.exception_handler(ValidationError)(on_invalid)
    api.exception_handler(HttpError)(on_unreadable)
    api.exception_handler(RequestDataTooBig)(on_too_much)
    api.exception_handler(AuthenticationError)(on_stranger)
    api.exception_handler(OperationalError)(on_database_away)
    api.exception_handler(InterfaceError)(on_database_away)
    api.exception_handler(Exception)(on_fault)
    return api


def _joined(routers: Iterable[Router]) -> Router:
    """All routers as one, with each address once.

    Django asks the first address that fits, whatever the method; so that one must know them all.
    """
    joined = Router()
    for router in routers:
        for path, view in router.path_operations.items():
            known = joined.path_operations.setdefault(path, PathView())
            known.is_async |= view.is_async
            known.operations += view.clone().operations
    return joined


def on_refusal(request: HttpRequest, refusal: RefusedError) -> HttpResponse:
    return refusal_response(request, refusal)


def on_stranger(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    del error
    return error_response(request, 401, NOT_AUTHENTICATED)


def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """A body or parameter that is not of the form; names the first field at fault."""
    first = error.errors[0]
    # ("body", "body", "properties", "policyId"): where django-ninja looked, then the field.
    field = ".".join(str(part) for part in first["loc"][2:]) or "body"
    failure = Failure(
        "InvalidRequestContent",
        f"The request content was invalid: {field}: {first['msg']}.",
        ("The field is missing or of another type.",),
        f"Correct {field} and repeat the request.",
    )
    return error_response(request, 400, failure, field=field)


def on_unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    """django-ninja's word for a body its parser could not read, or refused."""
    if isinstance(error.__cause__, RefusedError):
        return refusal_response(request, error.__cause__)
    failure = Failure(
        "InvalidRequestContent",
        f"The request content was invalid and could not be read: {error}.",
        (
            "The body is no JSON.",
            "It is nested too deeply, or has characters that cannot be stored.",
        ),
        "Send the body as JSON.",
    )
    return error_response(request, error.status_code, failure)


def on_too_much(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    """A body longer than any request has."""
    failure = Failure(
        "RequestEntityTooLarge",
        f"The request content is too long: {error}",
        ("No request of the API needs a body that long.",),
        "Send a shorter body.",
    )
    return error_response(request, 413, failure)


def on_database_away(request: HttpRequest, error: DatabaseError) -> HttpResponse:
    """The database restarts, or cannot be reached; clients ask again."""
    log.warning(
        "request.database_away",
        method=request.method,
        path=request.path,
        activity_id=activity_id(request),
        reason=type(error).__name__,
    )
    response = error_response(request, 503, DATABASE_AWAY)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def on_fault(request: HttpRequest, error: Exception) -> HttpResponse:
    """A defect: told without details, logged with all of them."""
    log.error(
        "request.failed",
        method=request.method,
        path=request.path,
        activity_id=activity_id(request),
        exc_info=error,
    )
    return error_response(request, 500, failure_of_status(500, request.path))
