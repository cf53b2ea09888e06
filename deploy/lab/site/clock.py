"""A site's clock: real UTC time, with intervals that speed makes shorter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SiteClock:
    """Tells the time and waits.

    Timestamps stay real UTC time; only intervals are divided by ``speed``. So a 30 s cycle at
    speed 10 runs every 3 s, an hourly recovery point comes every 6 minutes, and its creation time
    is still the time on the wall.

    Args:
        speed: How many times faster than real time intervals pass; greater than 0.
        now: Source of the time.
        pause: How to wait a number of real seconds.
    """

    def __init__(
        self,
        speed: float = 1.0,
        now: Callable[[], datetime] = _utc_now,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be greater than 0, not {speed}")
        self.speed = speed
        self._now = now
        self._pause = pause

    def now(self) -> datetime:
        return self._now()

    def real_seconds(self, interval_seconds: float) -> float:
        """How long an interval of the simulated world takes on the wall."""
        return interval_seconds / self.speed

    async def pause(self, real_seconds: float) -> None:
        await self._pause(real_seconds)
