"""Lists in pages, each with the address of the next."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar
from urllib.parse import urlencode

from django.http import HttpRequest

from coordinator.failures import refuse

T = TypeVar("T")

PAGE_ITEMS = 500
LONGEST_NUMBER = 12
# The SDK writes the one, the next link of a vault has the other.
SKIP_TOKENS = ("skipToken", "$skipToken")


def page(
    request: HttpRequest,
    fetch: Callable[[int, int], Iterable[T]],
    shape: Callable[[T], Mapping[str, object]],
    *,
    page_items: int = PAGE_ITEMS,
) -> dict[str, object]:
    """One page of a list, as ARM wants it.

    Args:
        request: Its `$skipToken` (or `skipToken`, as the SDK writes it for some lists) says where
            the page begins; its other parameters go into the next page's address.
        fetch: Gives the rows from a position to before another, in a stable order.
        shape: Makes the resource of a row.
        page_items: The most a page holds; a smaller `$take` of the client is heeded.

    Raises:
        RefusedError: The token is not one of ours.
    """
    start = _start(request.GET.get("$skipToken") or request.GET.get("skipToken") or "")
    count = _take(request.GET.get("$take", ""), page_items)
    found = list(fetch(start, start + count + 1))
    return {
        "value": [shape(row) for row in found[:count]],
        "nextLink": _next_link(request, start + count) if len(found) > count else None,
    }


def _take(text: str, most: int) -> int:
    # A number too long to be meant is no number.
    wanted = int(text) if text.isdecimal() and len(text) < LONGEST_NUMBER else 0
    return min(wanted, most) if wanted > 0 else most


def _next_link(request: HttpRequest, start: int) -> str:
    token = base64.urlsafe_b64encode(f"from:{start}".encode()).decode()
    kept = {name: value for name, value in request.GET.items() if name not in SKIP_TOKENS}
    return request.build_absolute_uri(f"{request.path}?{urlencode({**kept, '$skipToken': token})}")


def _start(token: str) -> int:
    if not token:
        return 0
    try:
        word, _, number = base64.b64decode(token, altchars=b"-_", validate=True).partition(b":")
    except (binascii.Error, ValueError):
        word, number = b"", b""
    if word != b"from" or not number.isdigit() or len(number) > LONGEST_NUMBER:
        raise refuse(
            "InvalidSkipToken",
            "The $skipToken was not given out by this service.",
            causes=["It was altered or made up."],
            action="Begin with the list's first page and follow nextLink.",
            field="$skipToken",
        )
    return int(number)
