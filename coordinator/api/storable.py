"""Texts PostgreSQL cannot hold are refused before anything looks at them."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser
from typing_extensions import override


def is_storable(text: str) -> bool:
    """Whether a text has neither the character 0 nor half a character (a lone surrogate)."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


class StorableParser(Parser):
    """django-ninja's reader of bodies; a ValueError becomes the answer 400."""

    @override
    def parse_body(self, request: HttpRequest) -> Any:
        try:
            body = json.loads(request.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        require_storable(body)
        return body


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
