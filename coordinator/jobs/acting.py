"""Cancelling, restarting and resuming jobs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db.models import Exists, F, OuterRef

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.action_facts import (
    PAST_RETURN,
    WAITING_MANUAL,
    held_up_jobs,
    job_facts,
    lost_to,
    own_or_children,
)
from coordinator.jobs.job_actions import JobAction, why_not
from coordinator.jobs.job_rows import lock_root
from coordinator.jobs.messages import ask_to_advance
from coordinator.jobs.models import Job, Step
from coordinator.jobs.overdue_events import clear_overdue
from coordinator.jobs.states import UNFINISHED_JOBS, Halt, StepState
from coordinator.jobs.steps import StepKind

log = structlog.get_logger(__name__)

CANCELLING = "Cancelling"


def cancel_job(job_id: UUID, by: str, now: datetime) -> Job:
    """Has a job end early: what runs is awaited, nothing more begins, what had begun is undone.

    Commands that no provider has been sent are not sent any more. Of a job with children all are
    cancelled that can go back; those past their point of no return are led to their end, group by
    group, without the actions around the groups. A child can be cancelled alone. What waits for
    providers that are lost is ended wherever it is: whether it took effect there is unknown, and
    nothing is undone past the point of no return.

    Args:
        job_id: The job.
        by: Who asks, for the record.
        now: The time.

    Returns:
        The job; it ends as Cancelled soon after the transaction commits.

    Raises:
        RefusedError: CancelNotPossible, status 409: it has ended, is being cancelled, or has come
            past its point of no return and is not held up. JobNotFound, status 404.
    """
    job = lock_job(job_id)
    refuse_unless_allowed(JobAction.CANCEL, job, now)
    unfinished = Job.objects.filter(state__in=UNFINISHED_JOBS)
    children = unfinished.filter(root_id=job.id)
    past = children.filter(Exists(Step.objects.filter(PAST_RETURN, job=OuterRef("pk"))))
    past_ids = set(past.values_list("id", flat=True))
    past_ids -= held_up_jobs(past_ids, now)
    asked = {"cancelled_by": by, "state_description": CANCELLING, "wake_at": now}
    children.exclude(id__in=past_ids).update(halt=Halt.CANCEL, **asked)
    if job.halt == Halt.NONE:
        asked["halt"] = Halt.WIND_UP if past_ids else Halt.CANCEL
    unfinished.filter(id=job.id).update(**asked)
    ask_to_advance(job)
    log.info("job.cancel_asked", vault_id=str(job.vault_id), job_id=str(job.id), by=by)
    return job


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """That a manual action was done.

    Attributes:
        by: Who says so.
        comments: What was done, kept with the action.
        task: The task that waits, as the job shows it; empty: whichever does.
        request_id: The client's id of the request; a repetition of it confirms nothing else.
    """

    by: str
    comments: str = ""
    task: str = ""
    request_id: str = ""

    def as_result(self) -> dict[str, str]:
        """What is kept with the action."""
        result = {"comments": self.comments, "by": self.by}
        return {**result, "request": self.request_id} if self.request_id else result


def resume_job(job_id: UUID, confirmation: Confirmation, now: datetime) -> Job:
    """Ends the manual action that a job waits for; of several the first, its own before a child's.

    Args:
        job_id: The job, or the one it is a part of.
        confirmation: Of which action, and what is kept with it.
        now: The time.

    Returns:
        The job; it goes on soon after the transaction commits.

    Raises:
        RefusedError: ResumeNotPossible, status 409: no manual action of it waits, or another one
            than was meant. JobNotFound, status 404.

    Idempotent: By the confirmation's request id.
    """
    job = lock_job(job_id)
    if _confirmed_before(job, confirmation.request_id):
        return job
    refuse_unless_allowed(JobAction.RESUME, job, now)
    step = (
        Step.objects.filter(own_or_children(job), WAITING_MANUAL)
        .order_by(F("job__root_id").asc(nulls_first=True), "started_at", "position")
        .select_related("job")[0]
    )
    if confirmation.task not in {"", step.task}:
        raise _waits_for_another(job, confirmation.task, step)
    Step.objects.filter(id=step.id).update(
        state=StepState.SUCCEEDED,
        result=confirmation.as_result(),
        deadline_at=None,
        finished_at=now,
    )
    Job.objects.filter(id=step.job_id).update(wake_at=now)
    clear_overdue(job.vault_id, step.job_id, [step.key], now)
    ask_to_advance(step.job)
    log.info("job.resumed", vault_id=str(job.vault_id), job_id=str(step.job_id), by=confirmation.by)
    return job


def _confirmed_before(job: Job, request_id: str) -> bool:
    if not request_id:
        return False
    asked = Step.objects.filter(own_or_children(job), kind=StepKind.MANUAL)
    return asked.filter(result__request=request_id).exists()


def _waits_for_another(job: Job, task: str, step: Step) -> RefusedError:
    return refuse(
        "ResumeNotPossible",
        f'The job "{job.friendly_name}" does not wait for {task}.',
        causes=[f"It waits for {step.inputs.get('name') or step.task} ({step.task}) now."],
        action="Look at what the job waits for, and confirm that once it is done.",
        status=409,
        field="taskId",
    )


def refuse_unless_allowed(
    action: JobAction, job: Job, now: datetime, restartable: Collection[str] = ()
) -> None:
    """Refuses an action that the job does not allow now.

    Raises:
        RefusedError: Status 409, with why and what would allow it.
    """
    steps = list(job.steps.defer("inputs", "result"))
    why = why_not(action, job_facts(job, steps, restartable, lost=lost_to(steps, now)))
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
