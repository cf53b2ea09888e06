"""What the audit keeps of a request's body: a digest and the names of its fields, no values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256

MOST_NAMES = 100
LONGEST_NAME = 128
DEEPEST = 8
# A short secret could be found from a digest of the body it is in.
_SECRET = re.compile(r"secret|password|passphrase|credential|token", re.IGNORECASE)


def changed_fields(body: bytes) -> tuple[str, ...]:
    """Names of the fields in a JSON body, with dots, sorted; elements of a list have no number.

    Returns:
        The names, at most `MOST_NAMES`; none when the body is no JSON object.
    """
    try:
        value = json.loads(body) if body else None
    except (ValueError, RecursionError):
        return ()
    names: set[str] = set()
    for name in _names(value, ()):
        names.add(_storable(name))
        if len(names) == MOST_NAMES:
            break
    return tuple(sorted(names - {""}))


def digest(body: bytes, fields: tuple[str, ...]) -> str:
    """SHA-256 of a body; "" of one that is empty or seems to have a secret in it."""
    if not body or any(_SECRET.search(name) for name in fields):
        return ""
    return sha256(body).hexdigest()


def _names(value: object, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, dict) and len(path) < DEEPEST:
        for name, below in value.items():
            yield from _names(below, (*path, str(name)))
    elif isinstance(value, list) and value and isinstance(value[0], dict | list):
        for element in value:
            yield from _names(element, path)
    else:
        yield ".".join(path)


def _storable(name: str) -> str:
    return name.encode("utf-8", "replace").decode().replace("\0", "")[:LONGEST_NAME]
