"""Growing pauses between attempts at work that begins by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from coordinator.pauses import growing_pause
from coordinator.protection.models import RetryPause

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)


def paused(key: str, now: datetime) -> bool:
    """Whether work failed lately and is not to begin yet."""
    return RetryPause.objects.filter(key=key, until__gt=now).exists()


def note_failure(key: str, now: datetime) -> None:
    """The work failed: the next attempt waits a minute, then twice as long each time."""
    pause, _ = RetryPause.objects.select_for_update().get_or_create(
        key=key, defaults={"failures": 0, "until": now}
    )
    pause.failures += 1
    pause.until = now + growing_pause(pause.failures, FIRST_PAUSE, LONGEST_PAUSE)
    pause.save(update_fields=["failures", "until"])


def note_success(key: str) -> None:
    """The work was done: the next begins at once."""
    RetryPause.objects.filter(key=key).delete()
