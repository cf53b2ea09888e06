"""Which errors a route can answer with, in the document of the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

WHEN: Mapping[HTTPStatus, tuple[str, str]] = {
    HTTPStatus.BAD_REQUEST: (
        "BadRequest",
        "The request is not of the form, or asks for what cannot be; the error names the field.",
    ),
    HTTPStatus.UNAUTHORIZED: (
        "Unauthorized",
        "There is no token, or it is not valid, or not any more.",
    ),
    HTTPStatus.FORBIDDEN: (
        "Forbidden",
        "None of the caller's roles in this place allows it.",
    ),
    HTTPStatus.NOT_FOUND: (
        "NotFound",
        "It is not there, or is of a subscription that the caller is not of.",
    ),
    HTTPStatus.CONFLICT: (
        "Conflict",
        "What is there now does not allow it; the error says what would.",
    ),
    HTTPStatus.PRECONDITION_FAILED: (
        "PreconditionFailed",
        "It was changed since; If-Match has the etag of an earlier state.",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("TooLarge", "The body is longer than any request's."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("UnsupportedMediaType", "The body is not JSON."),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "InternalServerError",
        "A defect of the service; its log has more, by the activity id.",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "ServiceUnavailable",
        "The service does not reach its database now.",
    ),
}


def errors_of(operation: Mapping[str, Any], method: str) -> Iterator[HTTPStatus]:
    """The statuses an operation of the document can fail with.

    Args:
        operation: With its parameters, body and security.
        method: In capitals.
    """
    parameters = operation["parameters"]
    yield HTTPStatus.BAD_REQUEST
    if operation["security"]:
        yield HTTPStatus.UNAUTHORIZED
    if any(each["in"] == "path" for each in parameters):
        yield HTTPStatus.FORBIDDEN
        yield HTTPStatus.NOT_FOUND
    if method != "GET":
        yield HTTPStatus.CONFLICT
    if any(each["name"] == "If-Match" for each in parameters):
        yield HTTPStatus.PRECONDITION_FAILED
    if "requestBody" in operation:
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    yield HTTPStatus.INTERNAL_SERVER_ERROR
    yield HTTPStatus.SERVICE_UNAVAILABLE
