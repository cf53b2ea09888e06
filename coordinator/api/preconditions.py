"""If-Match: a change is only made to what the client has seen."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest

from coordinator.failures import refuse


def require_match(request: HttpRequest, etag: str, name: str) -> None:
    """Compares the ETag a client has seen with the one there is.

    Args:
        request: Its If-Match may have several, or "*"; without one anything goes.
        etag: The resource's, with its quotes.
        name: The resource's, for the refusal.

    Raises:
        RefusedError: 412: the resource was changed since.
    """
    given = request.headers.get("If-Match", "").strip()
    if given in {"", "*"}:
        return
    seen = {each.strip().removeprefix("W/").strip('"') for each in given.split(",")}
    if etag.strip('"') not in seen:
        raise refuse(
            "PreconditionFailed",
            f"{name} is not what the request was made from: its ETag is {etag}.",
            causes=["Somebody changed it in the meantime."],
            action="Read it again, make the change to what it is now, and repeat the request.",
            status=HTTPStatus.PRECONDITION_FAILED,
            field="If-Match",
        )
