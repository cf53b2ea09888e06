"""How long a primary waits after failed attempts."""

from __future__ import annotations

# ASR's description of the engine: 1, 2, 4, 8, 10 minutes, then every 30 minutes.
DELAYS_SECONDS = (60.0, 120.0, 240.0, 480.0, 600.0)
LATER_SECONDS = 1800.0


def delay_seconds(failures: int) -> float:
    """Simulated seconds until the next attempt after ``failures`` (1 or more) in a row."""
    return DELAYS_SECONDS[failures - 1] if failures <= len(DELAYS_SECONDS) else LATER_SECONDS
