"""The id that follows one request through every log, from the API to the cmdlets it causes."""

from __future__ import annotations

import re

# Azure Resource Manager's ids are UUIDs; other clients may have their own.
_STORABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def given_id(text: str) -> str:
    """The id that a client follows its request by.

    Args:
        text: As it was sent.

    Returns:
        The same when it can be kept and logged as it is; "" otherwise.
    """
    return text if _STORABLE.fullmatch(text) else ""
