"""Bodies are JSON; texts PostgreSQL cannot hold are refused before anything looks at them."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser
from typing_extensions import override

from coordinator.failures import refuse


def is_storable(text: str) -> bool:
    """Whether a text has neither the character 0 nor half a character (a lone surrogate)."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


class StorableParser(Parser):
    """django-ninja's reader of bodies; a ValueError becomes the answer 400."""

    @override
    def parse_body(self, request: HttpRequest) -> Any:
        require_json(request.content_type or "")
        try:
            body = json.loads(request.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        require_storable(body)
        return body


def require_json(content_type: str) -> None:
    """Looks at what a client says its body is; who says nothing is believed to send JSON.

    Raises:
        RefusedError: It is something else (415).
    """
    kind = content_type.lower()
    if kind in {"", "application/json", "text/json"} or kind.endswith("+json"):
        return
    raise refuse(
        "UnsupportedMediaType",
        f"The content media type '{content_type[:128]}' is not supported. Only 'application/json'"
        " is supported.",
        causes=["The client sent a form, or text, or said so of JSON."],
        action="Send JSON with Content-Type: application/json.",
        status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        field="Content-Type",
    )


def require_storable(value: Any) -> None:
    """Looks at every text of a JSON value.

    Raises:
        ValueError: One cannot be stored.
    """
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str) and not is_storable(one):
            raise ValueError("a text has a character that cannot be stored")
