"""The beat wakes once when work is due, and has nothing to do in between."""

from __future__ import annotations

import time
from typing import Any

from celery import Celery

from coordinator.config.beat import PunctualScheduler

PERIOD_SECONDS = 0.05


class NotedScheduler(PunctualScheduler):
    """Counts what it would have sent."""

    sent = 0

    def apply_async(self, *_arguments: Any, **_options: Any) -> None:
        self.sent += 1


def test_each_period_takes_two_looks_one_that_sends_and_one_that_waits() -> None:
    app = Celery("beat", broker="memory://", fixups=[])
    app.conf.beat_schedule = {"sweep": {"task": "sweep", "schedule": PERIOD_SECONDS}}
    scheduler = NotedScheduler(app)
    scheduler.update_from_dict(app.conf.beat_schedule)
    looks = 0
    while scheduler.sent < 4:
        looks += 1
        time.sleep(scheduler.tick() or 0)
    assert looks <= 2 * scheduler.sent + 1
