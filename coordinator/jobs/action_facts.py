"""Reading what decides which actions a job allows."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from coordinator.jobs.job_actions import JobFacts
from coordinator.jobs.models import Job, Step
from coordinator.jobs.states import CANCELLED_HALTS, Halt, JobState, StepState
from coordinator.jobs.steps import StepKind

# Of steps that have begun and cannot be taken back.
PAST_RETURN = Q(point_of_no_return=True, started_at__isnull=False)

# A plan that winds up is halted; those of its machines that it leads to their end are not.
WAITING_MANUAL = Q(kind=StepKind.MANUAL, state=StepState.IN_PROGRESS, job__halt=Halt.NONE)


def job_facts(
    job: Job, restartable: Collection[str] = (), *, steps: Collection[Step] | None = None
) -> JobFacts:
    """What decides which actions a job allows now.

    Args:
        job: The job.
        restartable: Scenarios that know how to go on after a failure.
        steps: Its own, if they have been read: lists of jobs ask nothing more for each.
    """
    state = JobState(job.state)
    return JobFacts(
        name=job.friendly_name,
        target=job.target_name,
        state=state,
        halted=job.halt in CANCELLED_HALTS,
        past_return=not state.ended and _past_return(job, steps),
        asks=state is JobState.SUSPENDED and _has_step(job, WAITING_MANUAL),
        restartable=job.scenario in restartable,
        child=job.root_id is not None,
    )


def _past_return(job: Job, steps: Collection[Step] | None) -> bool:
    if steps is None:
        return job.steps.filter(PAST_RETURN).exists()
    return any(step.point_of_no_return and step.started_at is not None for step in steps)


def _has_step(job: Job, wanted: Q) -> bool:
    return Step.objects.filter(own_or_children(job)).filter(wanted).exists()


def own_or_children(job: Job) -> Q:
    """Steps of the job and of the jobs inside it."""
    own = Q(job_id=job.id)
    return own if job.root_id is not None else own | Q(job__root_id=job.id)
