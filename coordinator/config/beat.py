"""When the beat wakes."""

from __future__ import annotations

from celery.beat import Scheduler


class PunctualScheduler(Scheduler):
    """Celery's scheduler, which sleeps until work is due instead of spinning before it.

    Celery takes ten milliseconds off every wait and then asks again and again until they are over:
    with a sweep every two seconds that was most of what an idle beat did.
    """

    def adjust(self, n: float, drift: float = 0.0) -> float:
        """Seconds to wait, as they were given."""
        del drift
        return n
