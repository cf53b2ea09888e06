"""Comparing what moves with what should: whatever PostgreSQL says is due is asked for again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from coordinator.jobs import outbox
from coordinator.jobs.away import end_waiting_for_the_lost
from coordinator.jobs.messages import ADVANCE_TASK, send
from coordinator.jobs.models import Command, Job
from coordinator.jobs.periodic import begin_due_work
from coordinator.jobs.states import UNFINISHED_JOBS, CommandState

log = structlog.get_logger(__name__)

# A result younger than this is on its way through the message its arrival sent.
TAKEN_WITHIN_SECONDS = 2
# An advance asked for is not asked for again before this.
ASK_AGAIN_SECONDS = 10
LIMIT = 1000


def sweep(now: datetime, periods: Mapping[str, timedelta] | None = None) -> None:
    """Sends the messages for everything that is due and, it seems, was not asked for.

    Finds jobs whose time to wake has come (deadlines, retries, conditions, jobs just begun), jobs
    with results that nobody took, outbox rows still here, and periodic work; and commands that need
    not wait for providers that are lost. Idempotent; several may run at once.

    Args:
        now: The time.
        periods: By domain task without arguments, how often it is due.
    """
    end_waiting_for_the_lost(now)
    begun = begin_due_work(periods or {}, now)
    relayed = outbox.relay(now)
    asked = ask_for_due_jobs(now)
    if begun or relayed or asked:
        log.info("sweep.asked", jobs=asked, outbox_messages=relayed, periodic=begun)


def ask_for_due_jobs(now: datetime) -> int:
    """Asks workers to advance the families of which a job is due.

    Returns:
        How many were asked for.
    """
    untaken = Command.objects.filter(
        state=CommandState.FINISHED,
        taken_at=None,
        finished_at__lte=now - timedelta(seconds=TAKEN_WITHIN_SECONDS),
    )
    due = Job.objects.filter(
        Q(wake_at__lte=now) | Q(wake_at=None, root=None), state__in=UNFINISHED_JOBS
    )
    roots = due.values_list(Coalesce("root_id", "id"), flat=True)
    not_asked = Q(asked_at=None) | Q(asked_at__lte=now - timedelta(seconds=ASK_AGAIN_SECONDS))
    with transaction.atomic():
        # A locked job is being advanced this very moment.
        jobs = list(
            Job.objects.select_for_update(skip_locked=True, no_key=True)
            .filter(Q(id__in=roots) | Q(id__in=untaken.values("root_id")), not_asked)
            .filter(root=None, state__in=UNFINISHED_JOBS)
            .order_by("wake_at")
            .values_list("id", "queue")[:LIMIT]
        )
        Job.objects.filter(id__in=[job_id for job_id, _ in jobs]).update(asked_at=now)
    for number, (job_id, queue) in enumerate(jobs):
        if not send(ADVANCE_TASK, queue, str(job_id)):
            Job.objects.filter(id__in=[late for late, _ in jobs[number:]]).update(asked_at=None)
            return number
    return len(jobs)
