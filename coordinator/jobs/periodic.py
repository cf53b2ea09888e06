"""Work that begins by itself from time to time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction

from coordinator.jobs.models import OutboxMessage, PeriodicWork
from coordinator.jobs.outbox import enqueue
from coordinator.jobs.queues import QueueName


def begin_due_work(periods: Mapping[str, timedelta], now: datetime) -> int:
    """Asks workers for every task whose time has come.

    Whoever sweeps may call it: each period of a task is asked for once, and what was missed while
    nothing ran is asked for once, not once for each period. What was asked for and is not done yet,
    because workers are behind or the task breaks, is not asked for a second time.

    Args:
        periods: By the name of a registered domain task without arguments, how often it is due.
        now: The time.

    Returns:
        How many tasks were asked for.
    """
    PeriodicWork.objects.bulk_create(
        [PeriodicWork(task=task, due_at=now) for task in periods], ignore_conflicts=True
    )
    with transaction.atomic():
        due = list(
            PeriodicWork.objects.select_for_update(skip_locked=True, no_key=True).filter(
                task__in=periods, due_at__lte=now
            )
        )
        undone = set(
            OutboxMessage.objects.filter(
                task__in=[work.task for work in due], arguments=[]
            ).values_list("task", flat=True)
        )
        for work in due:
            work.due_at = now + periods[work.task]
            work.save(update_fields=["due_at"])
            if work.task not in undone:
                enqueue(work.task, QueueName.INVENTORY, now=now)
    return sum(work.task not in undone for work in due)
