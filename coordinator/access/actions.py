"""What a request does, in the words roles are written in."""

from __future__ import annotations

import re
from functools import lru_cache

RESOURCES = "Microsoft.Resources"

_VERBS = {
    "GET": "read",
    "HEAD": "read",
    "PUT": "write",
    "PATCH": "write",
    "DELETE": "delete",
    "POST": "action",
}
# Names in a route: of the API's patterns, and of Django's. ARM's "default" is a name too.
_NAME = re.compile(r"\{.*\}|<.*>|default")


@lru_cache(maxsize=1024)
def action_of(method: str, route: str) -> str:
    """The action of a route, by Azure Resource Manager's convention.

    Args:
        method: HTTP method.
        route: Address pattern with the names in braces or angle brackets.

    Returns:
        Namespace, types and verb, for example "Microsoft.RecoveryServices/vaults/replicationJobs
        /cancel/action". A method nobody knows is its own verb, which no role allows by name.

    Source: SPEC AC-1.
    """
    path = "/" + route.strip("/")
    _, found, rest = path.rpartition("/providers/")
    namespace, *segments = rest.split("/") if found else [RESOURCES, *path.split("/")[1:]]
    words = [segment for segment in segments if not _NAME.fullmatch(segment)]
    return "/".join([namespace, *words, _VERBS.get(method, method)])


@lru_cache(maxsize=1024)
def matches(pattern: str, action: str) -> bool:
    """Whether an action is one of those a role's line means.

    Args:
        pattern: A line of a role; "*" stands for any text, slashes too; case means nothing.
        action: As `action_of` writes it.
    """
    expression = ".*".join(re.escape(part) for part in pattern.lower().split("*"))
    return re.fullmatch(expression, action.lower()) is not None
