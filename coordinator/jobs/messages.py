"""Sending task messages to workers, after the commit, as hints that work is due."""

from __future__ import annotations

from functools import partial

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from coordinator.jobs.models import Job

log = structlog.get_logger(__name__)

ADVANCE_TASK = "jobs.advance"
DOMAIN_TASK = "jobs.carry_out"
SWEEP_TASK = "jobs.sweep"


def send(task: str, queue: str, *arguments: object) -> bool:
    """Sends one message now through the process's Celery app.

    A broker that is away costs a second at most; a process without one sends nothing.

    Every message is a hint about rows in PostgreSQL that say the same: the sweep finds what a lost
    message spoke of, and one delivered twice finds nothing to do.

    Returns:
        Whether the broker took it.
    """
    if not current_app.conf.broker_url:
        return False
    try:
        current_app.send_task(task, args=arguments, queue=queue, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("message.not_sent", task=task, queue=queue, reason=type(error).__name__)
        return False
    return True


def send_after_commit(task: str, queue: str, *arguments: object) -> None:
    """Sends once the surrounding transaction is committed; never if it is rolled back."""
    transaction.on_commit(partial(send, task, queue, *arguments), robust=True)


def ask_to_advance(job: Job) -> None:
    """Has the engine look at a job once the transaction commits; the message names its root."""
    if job.root_id is None:
        send_after_commit(ADVANCE_TASK, job.queue, str(job.id))
    else:
        send_after_commit(ADVANCE_TASK, job.queue, str(job.root_id), str(job.id))
