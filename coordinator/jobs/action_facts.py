"""Reading what decides which actions a job allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from coordinator.fabrics.queries import lost_providers
from coordinator.jobs.job_actions import JobFacts
from coordinator.jobs.models import Job, Step
from coordinator.jobs.states import CANCELLED_HALTS, Halt, JobState, StepState
from coordinator.jobs.steps import StepKind

# Of steps that have begun and cannot be taken back.
PAST_RETURN = Q(point_of_no_return=True, started_at__isnull=False)

# A plan that winds up is halted; those of its machines that it leads to their end are not.
WAITING_MANUAL = Q(kind=StepKind.MANUAL, state=StepState.IN_PROGRESS, job__halt=Halt.NONE)


def job_facts(
    job: Job,
    steps: Collection[Step],
    restartable: Collection[str] = (),
    *,
    lost: Collection[UUID] = (),
) -> JobFacts:
    """What decides which actions a job allows now.

    Args:
        job: The job.
        steps: Its own.
        restartable: Scenarios that know how to go on after a failure.
        lost: Of the providers of its running steps those that are lost (`lost_to`).
    """
    state = JobState(job.state)
    return JobFacts(
        name=job.friendly_name,
        target=job.target_name,
        state=state,
        halted=job.halt in CANCELLED_HALTS,
        past_return=not state.ended and _past_return(steps),
        held_up=not state.ended and _held_up(steps, lost),
        asks=state is JobState.SUSPENDED and _has_step(job, WAITING_MANUAL),
        restartable=job.scenario in restartable,
        child=job.root_id is not None,
    )


def lost_to(steps: Iterable[Step], now: datetime) -> set[UUID]:
    """Providers of running steps that are lost; asks nothing when no step runs at any."""
    running = [step for step in steps if step.state == StepState.IN_PROGRESS]
    asked = {step.provider_id for step in running if step.provider_id is not None}
    if not asked:
        return set()
    return lost_providers(now, settings.CONFIGURATION.lease_seconds, among=asked)


def held_up_jobs(job_ids: Collection[UUID], now: datetime) -> set[UUID]:
    """Those of the jobs all of whose running steps wait for providers that are lost."""
    running: dict[UUID, list[Step]] = defaultdict(list)
    for step in Step.objects.filter(job__in=job_ids, state=StepState.IN_PROGRESS):
        running[step.job_id].append(step)
    lost = lost_to((step for steps in running.values() for step in steps), now)
    return {job_id for job_id, steps in running.items() if _held_up(steps, lost)}


def _past_return(steps: Collection[Step]) -> bool:
    return any(step.point_of_no_return and step.started_at is not None for step in steps)


def _held_up(steps: Iterable[Step], lost: Collection[UUID]) -> bool:
    running = [step for step in steps if step.state == StepState.IN_PROGRESS]
    return bool(running) and all(step.provider_id in lost for step in running)


def _has_step(job: Job, wanted: Q) -> bool:
    return Step.objects.filter(own_or_children(job)).filter(wanted).exists()


def own_or_children(job: Job) -> Q:
    """Steps of the job and of the jobs inside it."""
    own = Q(job_id=job.id)
    return own if job.root_id is not None else own | Q(job__root_id=job.id)
