"""Waiting for a state, with a deadline: the one place of this side that polls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05


class WaitTimeoutError(TimeoutError):
    """The state did not come in time."""


def wait_for(what: str, look: Callable[[], T | None], limit_seconds: float) -> T:
    """Looks until there is something to return.

    Args:
        what: Completes the sentence "waited in vain for ...".
        look: Returns None (or False) as long as the state has not come.
        limit_seconds: How long to go on.

    Raises:
        WaitTimeoutError: The time is over.
    """
    end = time.monotonic() + limit_seconds
    while True:
        seen = look()
        if seen is not None and seen is not False:
            return seen
        if time.monotonic() > end:
            raise WaitTimeoutError(f"waited in vain for {what} ({limit_seconds:.0f} s)")
        time.sleep(POLL_SECONDS)
