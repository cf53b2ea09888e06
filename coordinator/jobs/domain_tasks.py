"""Carrying out one outbox row: the named domain function and the row's end, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F

from coordinator.jobs.models import OutboxMessage
from coordinator.pauses import growing_pause

log = structlog.get_logger(__name__)

# Called with the time and the arguments given to `outbox.enqueue`; what it writes and the end of
# its outbox row are one transaction.
DomainTask = Callable[..., None]

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)


def carry_out(
    message_id: int, tasks: Mapping[str, DomainTask], clock: Callable[[], datetime]
) -> None:
    """Does the work of one outbox row, if it is still to be done and nobody is at it.

    A function that raises is called again after growing pauses, up to five minutes, for ever:
    the work was promised when its row was written.

    Args:
        message_id: The row; one that is gone was done.
        tasks: By name.
        clock: Gives the time, UTC.

    Idempotent: The function's changes and the row's end are committed together.
    """
    try:
        with transaction.atomic():
            message = (
                OutboxMessage.objects.select_for_update(skip_locked=True)
                .filter(pk=message_id)
                .first()
            )
            if message is None:
                return
            tasks[message.task](clock(), *message.arguments)
            message.delete()
    except Exception:
        # A border: whatever broke becomes a record and a later attempt.
        log.exception("outbox.failed", message_id=message_id)
        _put_off(message_id, clock())


def _put_off(message_id: int, now: datetime) -> None:
    with transaction.atomic():
        message = OutboxMessage.objects.select_for_update().filter(pk=message_id).first()
        if message is None:
            return
        pause = growing_pause(message.failures + 1, FIRST_PAUSE, LONGEST_PAUSE)
        OutboxMessage.objects.filter(pk=message_id).update(
            failures=F("failures") + 1, due_at=now + pause
        )
