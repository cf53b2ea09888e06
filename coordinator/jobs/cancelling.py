"""Jobs that only wait: ending them for another operation, and saying what they wait for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import structlog
from django.db import connection

from coordinator.jobs.models import Command, Job, OperationLock, Step
from coordinator.jobs.patience import wait_for_the_away, waits_in_vain
from coordinator.jobs.states import (
    UNFINISHED_COMMANDS,
    UNFINISHED_JOBS,
    CommandState,
    JobState,
    StepState,
)
from coordinator.jobs.steps import StepKind

log = structlog.get_logger(__name__)

CANCELLED = "Cancelled"
UNFINISHED_STEPS = (StepState.NOT_STARTED, StepState.IN_PROGRESS)
TELL = """
UPDATE jobs_step AS step SET activity = told.activity
FROM unnest(%s::uuid[], %s::text[]) AS told (job_id, activity)
WHERE step.job_id = told.job_id AND step.kind = 'wait' AND step.state = 'InProgress'
  AND step.activity <> told.activity
"""


def cancel_waiting_job(
    job_id: UUID, now: datetime, *, in_vain: bool = False, idle: bool = False
) -> bool:
    """Ends a job all of whose running steps wait for a condition, and releases its locks.

    Nothing of it is on its way to a host, so nothing has to be taken back. Its finisher is not
    called: the caller brings the object into the state that follows.

    Args:
        job_id: The job; its row is locked until the transaction ends.
        now: When it ends.
        in_vain: Also one that waits, as long as it takes, for providers that are away. What one of
            them had begun may still take effect when it is back.
        idle: Also any other one whose commands are for providers that are away, or that has not
            begun.

    Returns:
        False when it is not waiting: it does something, has ended, or belongs to a family.
    """
    job = _locked(job_id)
    if job is None:
        return False
    busy = _busy_steps(job)
    if busy is None and not (idle and job.state == JobState.NOT_STARTED):
        return False
    if busy and not (
        (in_vain and waits_in_vain(busy, now)) or (idle and wait_for_the_away(busy, now))
    ):
        return False
    Command.objects.filter(step__in=busy or (), state__in=UNFINISHED_COMMANDS).update(
        state=CommandState.ABANDONED
    )
    job.steps.filter(state__in=UNFINISHED_STEPS).update(
        state=StepState.CANCELLED, finished_at=now, deadline_at=None, activity=""
    )
    job.state = JobState.CANCELLED
    job.state_description = CANCELLED
    job.finished_at = now
    job.wake_at = None
    job.save(update_fields=["state", "state_description", "finished_at", "wake_at"])
    OperationLock.objects.filter(job_id=job.id).delete()
    log.info(
        "job.cancelled",
        vault_id=str(job.vault_id),
        job_id=str(job.id),
        scenario=job.scenario,
        seconds=(now - job.created_at).total_seconds(),
    )
    return True


def release_lock_of_waiting_job(job_id: UUID, key: str, now: datetime) -> bool:
    """Takes one of its locks from a job that only waits, for conditions or providers that are away.

    The job goes on: what it does to the object whose lock it had must be harmless beside another
    operation.

    Args:
        job_id: The job; its row is locked until the transaction ends.
        key: The lock.
        now: The time.

    Returns:
        False when it is not waiting: it does something, has ended, or belongs to a family.
    """
    job = _locked(job_id)
    if job is None:
        return False
    busy = _busy_steps(job)
    if busy is None or (busy and not wait_for_the_away(busy, now)):
        return False
    OperationLock.objects.filter(job_id=job_id, key=key).delete()
    log.info("lock.released", vault_id=str(job.vault_id), job_id=str(job_id), key=key)
    return True


def _locked(job_id: UUID) -> Job | None:
    jobs = Job.objects.select_for_update(no_key=True)
    return jobs.filter(id=job_id, state__in=UNFINISHED_JOBS).first()


def _busy_steps(job: Job) -> list[Step] | None:
    """Running steps that do something, or wait for a provider; None when no step runs."""
    running = list(job.steps.filter(state=StepState.IN_PROGRESS).select_related("provider"))
    return [step for step in running if step.kind != StepKind.WAIT] if running else None


def tell_waiting_jobs(texts: Mapping[UUID, str]) -> None:
    """Says of jobs what their running WAIT steps wait for; unchanged texts cost nothing.

    Args:
        texts: By job id; the first 255 characters are kept.
    """
    if texts:
        with connection.cursor() as cursor:
            cursor.execute(TELL, [list(texts), [text[:255] for text in texts.values()]])
