"""What runs by itself in the events domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from coordinator.events.alerting.delivering import Sending, deliver, prune_deliveries
from coordinator.events.alerting.telling import Telling, tell
from coordinator.events.services import PRUNE_PERIOD, PRUNE_TASK, prune_events

TELL_TASK = "events.tell"
DELIVER_TASK = "events.deliver"
PRUNE_DELIVERIES_TASK = "events.prune_deliveries"
# A webhook hears of an event within so long, twice.
ALERT_PERIOD = timedelta(seconds=5)

PERIODIC: Mapping[str, timedelta] = {
    PRUNE_TASK: PRUNE_PERIOD,
    PRUNE_DELIVERIES_TASK: PRUNE_PERIOD,
    TELL_TASK: ALERT_PERIOD,
    DELIVER_TASK: ALERT_PERIOD,
}


def tasks(
    telling: Callable[[], Telling], sending: Callable[[], Sending]
) -> Mapping[str, Callable[..., None]]:
    """What an outbox row may name.

    Args:
        telling: Whom to tell, asked for each time.
        sending: How to send, asked for each time: passwords and keys are in files that change.
    """

    def tell_all(now: datetime) -> None:
        tell(telling(), now)

    def deliver_due(now: datetime) -> None:
        deliver(sending(), now)

    return {
        PRUNE_TASK: prune_events,
        PRUNE_DELIVERIES_TASK: prune_deliveries,
        TELL_TASK: tell_all,
        DELIVER_TASK: deliver_due,
    }
