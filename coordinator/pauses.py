"""How long to wait after failures in a row."""

from __future__ import annotations

from datetime import timedelta

# No pause is ever doubled more often than this.
MOST_DOUBLINGS = 20


def growing_pause(failures: int, first: timedelta, longest: timedelta) -> timedelta:
    """The pause before the next attempt: the first one, doubled with each further failure.

    Args:
        failures: In a row, at least one.
        first: After one failure.
        longest: What no pause exceeds.
    """
    return min(first * (1 << min(failures - 1, MOST_DOUBLINGS)), longest)
