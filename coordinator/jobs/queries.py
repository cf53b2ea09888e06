"""Reading jobs, as frozen records for those who show them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import F, Prefetch, Q, QuerySet
from django.utils import timezone
from opensiterecovery.provider.v1.command_pb2 import CommandResult

from coordinator.failures import Failure
from coordinator.jobs.action_facts import job_facts, lost_to
from coordinator.jobs.capabilities import refuse_unless_capable
from coordinator.jobs.counts import jobs_by_state, open_commands, waiting_messages
from coordinator.jobs.group_views import GroupView, MemberView, group_views
from coordinator.jobs.job_actions import JobAction, JobFacts, allowed_actions
from coordinator.jobs.models import Command, Job, OperationLock, Step
from coordinator.jobs.past_runs import PastRun, past_runs
from coordinator.jobs.progress import ChildrenWork, StepWork, progress
from coordinator.jobs.slot_waiting import tell_waiting_steps
from coordinator.jobs.states import UNFINISHED_COMMANDS, JobState, StepState
from coordinator.jobs.step_lengths import StepLength, step_lengths
from coordinator.jobs.steps import StepKind, TaskSpec
from coordinator.jobs.stored_failures import read_failure
from coordinator.jobs.task_views import StepProgress, TaskView, summarise_tasks

__all__ = [
    "EXPORT_SCENARIO",
    "GroupView",
    "JobAction",
    "JobError",
    "JobExport",
    "JobFilters",
    "JobView",
    "MemberView",
    "PastRun",
    "StepLength",
    "StepResult",
    "StepView",
    "TaskView",
    "command_results",
    "count_jobs",
    "find_export",
    "find_job",
    "job_view",
    "jobs_by_state",
    "last_finished",
    "list_jobs",
    "newest_results",
    "open_commands",
    "past_runs",
    "providers_with_waiting_commands",
    "refuse_unless_capable",
    "results_of_steps",
    "running_job_for",
    "step_lengths",
    "waiting_messages",
]


# ASR's name of the job that exports others.
EXPORT_SCENARIO = "ExportJobs"


@dataclass(frozen=True)
class JobError:
    """A failure with the task and the step it happened in; both empty for the job as a whole."""

    failure: Failure
    task: str
    step: str
    at: datetime | None


@dataclass(frozen=True)
class StepView:
    """A step as the job page shows it.

    Attributes:
        details: What a record function has to tell of its step ("details" of its result), or of a
            manual action what is to be done and the note of whoever did it.
    """

    key: str
    task: str
    kind: str
    action: str
    provider_id: UUID | None
    state: StepState
    attempts: int
    percent: int
    activity: str
    point_of_no_return: bool
    started_at: datetime | None
    finished_at: datetime | None
    failure: Failure | None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class JobView:
    """A job with its tasks and steps.

    Attributes:
        state_description: "Completed", "CompletedWithInformation", "Skipped", "Failed",
            "Cancelled"; while the job runs "Cancelling" or empty.
        percent: 0 to 100 of its work and its children's; never falls; 100 exactly when the job has
            succeeded.
        facts: What decides which actions it allows; see `actions_of`.
        left_text: What state the operation left, for people; empty when there is nothing to say.
        groups: Its GROUP steps with their members, if they were asked for.
        root_id: The job it is a part of; None when it is none's.
        child_key: Its key there.
        affected_objects: What the job has to say about each of the objects it is about, by name.
        correlation_id: What logs of all it causes are found by.
    """

    id: UUID
    vault_id: UUID
    scenario: str
    friendly_name: str
    state: JobState
    state_description: str
    target_type: str
    target_id: str
    target_name: str
    target_resource: str
    started_by: str
    client_request_id: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    percent: int
    facts: JobFacts
    errors: tuple[JobError, ...]
    tasks: tuple[TaskView, ...]
    steps: tuple[StepView, ...]
    affected_objects: Mapping[str, str] = field(default_factory=dict)
    left_text: str = ""
    groups: tuple[GroupView, ...] = ()
    root_id: UUID | None = None
    child_key: str = ""
    correlation_id: str = ""


@dataclass(frozen=True, kw_only=True)
class JobFilters:
    """Which jobs to list; what is left empty does not narrow the list.

    Attributes:
        created_from: Created then or later.
        created_before: Created earlier.
        states: One of these.
        scenarios: One of these, ASR's names.
        friendly_name: Exactly this, upper and lower case alike.
        target_types: One of these.
        target_ids: One of these.
        fabric_name: About something of the server with this name in resource ids.
        limit: 1 to 1000 jobs.
        offset: So many newest ones are left out.

    Jobs inside another are in the list only where it is narrowed to what they are about, by type or
    id: a plan's run is one operation, and its thousands of machines are shown in its tasks.
    """

    created_from: datetime | None = None
    created_before: datetime | None = None
    states: Sequence[JobState] = ()
    scenarios: Sequence[str] = ()
    friendly_name: str = ""
    target_types: Sequence[str] = ()
    target_ids: Sequence[str] = ()
    fabric_name: str = ""
    limit: int = 100
    offset: int = 0


def job_view(job: Job) -> JobView:
    """The job with its tasks and steps as they are now."""
    steps = list(job.steps.all())
    tell_waiting_steps(steps)
    return _view(job, steps, lost_to(steps, timezone.now()))


def find_job(vault_id: UUID, job_id: UUID, *, with_members: bool = False) -> JobView | None:
    """The vault's job of that id, or None.

    Args:
        vault_id: The vault.
        job_id: The job.
        with_members: With the members of its groups, of which there may be thousands.
    """
    job = Job.objects.filter(vault_id=vault_id, id=job_id).first()
    if job is None:
        return None
    steps = list(job.steps.all())
    tell_waiting_steps(steps)
    view = _view(job, steps, lost_to(steps, timezone.now()))
    if not with_members:
        return view
    groups = [step for step in steps if step.kind == StepKind.GROUP]
    return replace(view, groups=group_views(job, groups))


def list_jobs(vault_id: UUID, filters: JobFilters | None = None) -> tuple[JobView, ...]:
    """The vault's jobs, newest first; empty when none fits."""
    wanted = filters or JobFilters()
    jobs = _rows(vault_id, wanted)
    page = jobs.order_by("-created_at", "-id")[wanted.offset : wanted.offset + wanted.limit]
    # What steps were given names every machine of a group, and is shown of manual actions only.
    steps_of_jobs = Prefetch("steps", Step.objects.defer("inputs"))
    jobs_with_steps = [(job, list(job.steps.all())) for job in page.prefetch_related(steps_of_jobs)]
    all_steps = [step for _, steps in jobs_with_steps for step in steps]
    tell_waiting_steps(all_steps)
    lost = lost_to(all_steps, timezone.now())
    return tuple(_view(job, steps, lost) for job, steps in jobs_with_steps)


def _rows(vault_id: UUID, wanted: JobFilters) -> QuerySet[Job]:
    conditions = {
        "created_at__gte": wanted.created_from,
        "created_at__lt": wanted.created_before,
        "state__in": list(wanted.states),
        "scenario__in": list(wanted.scenarios),
        "friendly_name__iexact": wanted.friendly_name,
        "target_type__in": list(wanted.target_types),
        "target_id__in": list(wanted.target_ids),
        "target_resource__icontains": wanted.fabric_name
        and f"/replicationFabrics/{wanted.fabric_name}/",
    }
    jobs = Job.objects.filter(vault_id=vault_id).filter(
        **{name: value for name, value in conditions.items() if value}
    )
    if not (wanted.target_types or wanted.target_ids):
        return jobs.filter(root=None)
    return jobs


def count_jobs(vault_id: UUID, filters: JobFilters) -> int:
    """How many jobs fit, whatever the filters' limit and offset."""
    return _rows(vault_id, filters).count()


@dataclass(frozen=True)
class JobExport:
    """What the file of an export is made of.

    Attributes:
        words: What the request named, by its own names.
        output: What kind of file.
        offset_minutes: Of the clock times are written in, east of UTC.
        asked_at: Jobs of later are not in it.
    """

    words: Mapping[str, str]
    output: str
    offset_minutes: int
    asked_at: datetime


def find_export(vault_id: UUID, job_id: UUID) -> JobExport | None:
    """The export that a job is, once it has succeeded; None when it is none."""
    jobs = Job.objects.filter(vault_id=vault_id, scenario=EXPORT_SCENARIO)
    job = jobs.filter(id=job_id, state=JobState.SUCCEEDED).first()
    if job is None:
        return None
    told = job.arguments
    return JobExport(told["filters"], told["output"], told["offset_minutes"], job.created_at)


def results_of_steps(target_id: str, action: str) -> list[Mapping[str, object]]:
    """What steps of an action gave in all jobs about a target, oldest first."""
    steps = Step.objects.filter(
        job__target_id=target_id, action=action, state=StepState.SUCCEEDED
    ).order_by("id")
    return [result for result in steps.values_list("result", flat=True) if result is not None]


def command_results(job_id: UUID, step_keys: Collection[str]) -> list[CommandResult]:
    """What providers said of a job's steps that are commands, as far as it was taken."""
    results = Command.objects.filter(
        step__job=job_id, step__key__in=step_keys, result__isnull=False, taken_at__isnull=False
    )
    bodies = results.order_by("sequence").values_list("result", flat=True)
    return [CommandResult.FromString(bytes(body or b"")) for body in bodies]


@dataclass(frozen=True)
class StepResult:
    """What a step gave, and when."""

    result: Mapping[str, object]
    at: datetime


def newest_results(scenario: str, target_id: str) -> dict[str, StepResult]:
    """What steps gave in the jobs of a scenario about a target, by key: the newest of each."""
    steps = Step.objects.filter(
        job__target_id=target_id, job__scenario=scenario, state=StepState.SUCCEEDED
    )
    newest = steps.order_by("key", "-finished_at").distinct("key")
    return {
        key: StepResult(result, at)
        for key, result, at in newest.values_list("key", "result", "finished_at")
        if result is not None and at is not None
    }


def succeeded_steps(job_id: UUID, action: str) -> list[str]:
    """Keys of a job's steps of an action that succeeded, in the graph's order."""
    steps = Step.objects.filter(job_id=job_id, action=action, state=StepState.SUCCEEDED)
    return list(steps.order_by("position").values_list("key", flat=True))


def last_finished(job_id: UUID) -> dict[UUID, datetime]:
    """By provider, when its last command of a job ended, by the provider's own clock."""
    results = Command.objects.filter(step__job=job_id, result__isnull=False, taken_at__isnull=False)
    found: dict[UUID, datetime] = {}
    for provider_id, body in results.values_list("provider_id", "result"):
        ended = CommandResult.FromString(bytes(body or b"")).finished_at.ToDatetime(tzinfo=UTC)
        found[provider_id] = max(ended, found.get(provider_id, ended))
    return found


def running_job_for(key: str) -> Job | None:
    """The job that holds the lock, for example of "item:<uuid>", or None."""
    lock = OperationLock.objects.select_related("job").filter(key=key).first()
    return None if lock is None else lock.job


def running_jobs_for(keys: Collection[str]) -> dict[str, Job]:
    """The jobs that hold locks, by key; keys nobody holds have no entry."""
    locks = OperationLock.objects.select_related("job").filter(key__in=list(keys))
    return {lock.key: lock.job for lock in locks}


def _view(job: Job, steps: Sequence[Step], lost: Collection[UUID]) -> JobView:
    state = JobState(job.state)
    return JobView(
        id=job.id,
        vault_id=job.vault_id,
        scenario=job.scenario,
        friendly_name=job.friendly_name,
        state=state,
        state_description=job.state_description,
        target_type=job.target_type,
        target_id=job.target_id,
        target_name=job.target_name,
        target_resource=job.target_resource,
        started_by=job.started_by,
        client_request_id=job.client_request_id,
        correlation_id=job.correlation_id,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        percent=shown_percent(job, steps),
        facts=job_facts(job, steps, lost=lost),
        left_text=job.left_text,
        root_id=job.root_id,
        child_key=job.child_key,
        affected_objects=job.arguments.get("affected_objects", {}),
        errors=tuple(_error(stored) for stored in job.errors),
        tasks=summarise_tasks(
            [TaskSpec(**task) for task in job.tasks], [_progress(s) for s in steps]
        ),
        steps=tuple(_step_view(step) for step in steps),
    )


def shown_percent(job: Job, steps: Sequence[Step]) -> int:
    """How far a job has come, as it is shown; these are its own steps."""
    return progress(
        JobState(job.state),
        [
            StepWork(
                step.kind, StepState(step.state), step.percent, step.expected_seconds, step.undoes
            )
            for step in steps
        ],
        ChildrenWork(job.children_seconds, job.children_seconds_done),
        job.percent,
    )


def _error(stored: Mapping[str, object]) -> JobError:
    at = stored.get("at")
    return JobError(
        failure=read_failure(stored),
        task=str(stored.get("task", "")),
        step=str(stored.get("step", "")),
        at=datetime.fromisoformat(at) if isinstance(at, str) else None,
    )


def _progress(step: Step) -> StepProgress:
    return StepProgress(
        task=step.task,
        state=StepState(step.state),
        undoes=bool(step.undoes),
        percent=step.percent,
        activity=step.activity,
        started_at=step.started_at,
        finished_at=step.finished_at,
        failure=None if step.failure is None else read_failure(step.failure),
    )


def _step_view(step: Step) -> StepView:
    return StepView(
        key=step.key,
        task=step.task,
        kind=step.kind,
        action=step.action,
        provider_id=step.provider_id,
        state=StepState(step.state),
        attempts=step.attempts,
        percent=step.percent,
        activity=step.activity,
        point_of_no_return=step.point_of_no_return,
        started_at=step.started_at,
        finished_at=step.finished_at,
        failure=None if step.failure is None else read_failure(step.failure),
        details=_details(step),
    )


def _details(step: Step) -> Mapping[str, object]:
    result = step.result if isinstance(step.result, dict) else {}
    if step.kind == StepKind.MANUAL:
        return {
            "instanceType": "ManualActionTaskDetails",
            "name": step.inputs.get("name", ""),
            "instructions": step.inputs.get("instructions", ""),
            "observation": result.get("comments", ""),
        }
    found = result.get("details") if step.kind == StepKind.RECORD else None
    return found if isinstance(found, dict) else {}


def providers_with_waiting_commands(provider_ids: Collection[UUID]) -> set[UUID]:
    """Those of the providers that have commands their newest session has not been sent."""
    waiting = Command.objects.filter(
        Q(sent_fence=None) | Q(sent_fence__lt=F("provider__fence")),
        provider_id__in=list(provider_ids),
        state__in=UNFINISHED_COMMANDS,
    )
    return set(waiting.values_list("provider_id", flat=True).distinct())


def actions_of(job: JobView, restartable: Collection[str]) -> tuple[JobAction, ...]:
    """What may be done with a job now.

    Args:
        job: The job.
        restartable: Scenarios that know how to go on after a failure.
    """
    return allowed_actions(replace(job.facts, restartable=job.scenario in restartable))


def jobs_that_stopped_before(
    step_key: str, scenarios: Collection[str], target_ids: Collection[str]
) -> set[str]:
    """Targets whose last job of these scenarios has ended without that step having succeeded."""
    jobs = Job.objects.filter(scenario__in=list(scenarios), target_id__in=list(target_ids))
    last = jobs.order_by("target_id", "-created_at").distinct("target_id")
    ended = {
        job_id: target_id
        for job_id, target_id, finished_at in last.values_list("id", "target_id", "finished_at")
        if finished_at is not None
    }
    unfinished = Step.objects.filter(job_id__in=list(ended), key=step_key)
    unfinished = unfinished.exclude(state__in=[StepState.SUCCEEDED, StepState.WARNED])
    return {ended[job_id] for job_id in unfinished.values_list("job_id", flat=True)}
