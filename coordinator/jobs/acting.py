"""Cancelling, restarting and resuming jobs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import structlog
from django.db.models import Exists, F, OuterRef

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.action_facts import PAST_RETURN, WAITING_MANUAL, job_facts, own_or_children
from coordinator.jobs.job_actions import JobAction, why_not
from coordinator.jobs.job_rows import lock_root
from coordinator.jobs.messages import ask_to_advance
from coordinator.jobs.models import Job, Step
from coordinator.jobs.overdue_events import clear_overdue
from coordinator.jobs.states import UNFINISHED_JOBS, Halt, StepState

log = structlog.get_logger(__name__)

CANCELLING = "Cancelling"


def cancel_job(job_id: UUID, by: str, now: datetime) -> Job:
    """Has a job end early: what runs is awaited, nothing more begins, what had begun is undone.

    Commands that no provider has been sent are not sent any more. Of a job with children all are
    cancelled that can go back; those past their point of no return are led to their end, group by
    group, without the actions around the groups. A child can be cancelled alone.

    Args:
        job_id: The job.
        by: Who asks, for the record.
        now: The time.

    Returns:
        The job; it ends as Cancelled soon after the transaction commits.

    Raises:
        RefusedError: CancelNotPossible, status 409: it has ended, is being cancelled, or has come
            past its point of no return. JobNotFound, status 404.
    """
    job = lock_job(job_id)
    refuse_unless_allowed(JobAction.CANCEL, job)
    unfinished = Job.objects.filter(state__in=UNFINISHED_JOBS)
    children = unfinished.filter(root_id=job.id)
    past = children.filter(Exists(Step.objects.filter(PAST_RETURN, job=OuterRef("pk"))))
    past_ids = list(past.values_list("id", flat=True))
    asked = {"cancelled_by": by, "state_description": CANCELLING, "wake_at": now}
    children.exclude(id__in=past_ids).update(halt=Halt.CANCEL, **asked)
    if job.halt == Halt.NONE:
        asked["halt"] = Halt.WIND_UP if past_ids else Halt.CANCEL
    unfinished.filter(id=job.id).update(**asked)
    ask_to_advance(job)
    log.info("job.cancel_asked", vault_id=str(job.vault_id), job_id=str(job.id), by=by)
    return job


def resume_job(job_id: UUID, comments: str, by: str, now: datetime) -> Job:
    """Ends the manual action that a job waits for; of several the first, its own before a child's.

    Args:
        job_id: The job, or the one it is a part of.
        comments: What was done, kept with the action.
        by: Who says so.
        now: The time.

    Returns:
        The job; it goes on soon after the transaction commits.

    Raises:
        RefusedError: ResumeNotPossible, status 409: no manual action of it waits. JobNotFound,
            status 404.
    """
    job = lock_job(job_id)
    refuse_unless_allowed(JobAction.RESUME, job)
    step = (
        Step.objects.filter(own_or_children(job), WAITING_MANUAL)
        .order_by(F("job__root_id").asc(nulls_first=True), "started_at", "position")
        .select_related("job")[0]
    )
    Step.objects.filter(id=step.id).update(
        state=StepState.SUCCEEDED,
        result={"comments": comments, "by": by},
        deadline_at=None,
        finished_at=now,
    )
    Job.objects.filter(id=step.job_id).update(wake_at=now)
    clear_overdue(job.vault_id, step.job_id, [step.key], now)
    ask_to_advance(step.job)
    log.info("job.resumed", vault_id=str(job.vault_id), job_id=str(step.job_id), by=by)
    return job


def refuse_unless_allowed(action: JobAction, job: Job, restartable: Collection[str] = ()) -> None:
    """Refuses an action that the job does not allow now.

    Raises:
        RefusedError: Status 409, with why and what would allow it.
    """
    why = why_not(action, job_facts(job, restartable))
    if why is not None:
        raise RefusedError(why, status=409)


def lock_job(job_id: UUID) -> Job:
    """The job, with its family's root locked until the transaction ends.

    Raises:
        RefusedError: JobNotFound, status 404.
    """
    root = lock_root(job_id)
    is_root = root is None or root.id == job_id
    job = root if is_root else Job.objects.filter(id=job_id).first()
    if job is None:
        raise refuse(
            "JobNotFound",
            f"There is no job {job_id}.",
            causes=["It was deleted, or it is of another vault."],
            action="List the jobs and choose one of them.",
            status=404,
        )
    return job
