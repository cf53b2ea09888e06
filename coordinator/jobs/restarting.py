"""Restarting a failed job: it goes on where it failed, with the children that did not end well."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from coordinator.failures import refuse
from coordinator.jobs.acting import lock_job, refuse_unless_allowed
from coordinator.jobs.decisions import ENDED_WELL
from coordinator.jobs.family_graph import gate_of, members_of
from coordinator.jobs.inputs import decode_inputs, outputs_in
from coordinator.jobs.job_actions import JobAction
from coordinator.jobs.locks import take_locks
from coordinator.jobs.messages import ask_to_advance
from coordinator.jobs.models import Job, Step
from coordinator.jobs.queries import shown_percent
from coordinator.jobs.queues import QueueName
from coordinator.jobs.registry import FinishedJob, Restarter
from coordinator.jobs.restart_plan import Repeat, plan_restart
from coordinator.jobs.states import Halt, JobState, StepState
from coordinator.jobs.step_rows import StepRow, read_steps, read_whole
from coordinator.jobs.steps import StepKind
from coordinator.jobs.stored_failures import read_failure
from coordinator.jobs.urgency import work_seconds

log = structlog.get_logger(__name__)

ENDED_BADLY = (JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Restart:
    """One job of a family that goes on.

    Attributes:
        rows: All its steps.
        repeat: What of them is done again.
    """

    job: Job
    rows: Sequence[StepRow]
    repeat: Repeat

    def again(self) -> list[StepRow]:
        return [row for row in self.rows if row.key in self.repeat.again]


def restart_job(job_id: UUID, by: str, now: datetime, restarters: Mapping[str, Restarter]) -> Job:
    """Has a failed job go on where it failed.

    Steps that failed, were skipped or cancelled begin anew, as does what was taken back and what
    came after it, and a command whose result a step refused; what else is done stays done. Children
    that did not end well go on with it, but for those whose object another operation has worked on
    since.

    Args:
        job_id: The job; a root.
        by: Who asks, for the record.
        now: The time.
        restarters: By scenario, what brings its object back into the state in which the job runs;
            a scenario without one cannot be restarted.

    Returns:
        The job, running again.

    Raises:
        RefusedError: RestartNotPossible, status 409; 532 while another job holds what it needs;
            whatever a restarter refuses with. JobNotFound, status 404.
    """
    job = lock_job(job_id)
    refuse_unless_allowed(JobAction.RESTART, job, now, restarters)
    _refuse_if_followed(job, restarters)
    badly = Job.objects.filter(root_id=job.id, state__in=ENDED_BADLY).prefetch_related("steps")
    followed = _followed(job, [child.target_id for child in badly], restarters)
    children = [
        child for child in badly if child.scenario in restarters and child.target_id not in followed
    ]
    for each in (job, *children):
        # What is taken back or done again must not look as if it had never been reached.
        each.percent = shown_percent(each, list(each.steps.all()))
    locks = dict.fromkeys(job.lock_keys, job.id)
    for child in children:
        locks.update(dict.fromkeys(child.lock_keys, child.id))
    take_locks(locks, job.target_name)
    steps = read_steps([job.id, *(child.id for child in children)])
    restarts = [_restart(child, steps[child.id]) for child in children]
    own = _restart_root(job, steps[job.id], restarts)
    for restart in (own, *restarts):
        restarters[restart.job.scenario](_as_it_ended(restart, now))
    for restart in restarts:
        _reopen(restart, now)
    _count_anew(job, restarts)
    _reopen(own, now)
    _reset_steps([own, *restarts])
    ask_to_advance(job)
    log.info("job.restarted", vault_id=str(job.vault_id), job_id=str(job.id), by=by)
    return job


def _followed(job: Job, target_ids: Collection[str], operations: Collection[str]) -> frozenset[str]:
    """What later operations have worked on, by themselves or in another family.

    Only those that decide what their object is, which are the ones that can be restarted: a machine
    that was started again after its host went down is where the job left it.
    """
    later = Job.objects.filter(
        vault_id=job.vault_id,
        queue=QueueName.FAILOVER,
        scenario__in=list(operations),
        target_id__in=list(target_ids),
        created_at__gt=job.finished_at or job.created_at,
    )
    return frozenset(later.exclude(root_id=job.id).values_list("target_id", flat=True))


def _refuse_if_followed(job: Job, operations: Collection[str]) -> None:
    if _followed(job, [job.target_id], operations):
        raise refuse(
            "RestartNotPossible",
            f'The job "{job.friendly_name}" of {job.target_name} cannot be restarted.',
            causes=[f"Another operation has been begun on {job.target_name} since it failed."],
            action="Look at the newer job, then repeat the operation if it is still wanted.",
            status=409,
        )


def _restart(job: Job, rows: Sequence[StepRow], also: Collection[str] = ()) -> Restart:
    wanted = [*also, *_judged(rows)]
    return Restart(job, rows, plan_restart([row.snapshot() for row in rows], wanted))


def _judged(rows: Sequence[StepRow]) -> list[str]:
    """Commands whose results a step refused, and who else took those results.

    What was refused is to be mended before a restart; the same results would be refused again.
    """
    records = [row for row in rows if row.kind is StepKind.RECORD]
    if all(row.state is not StepState.FAILED for row in records):
        return []
    read_whole(records)
    taken = {
        row.key: {output.step for output in outputs_in(decode_inputs(row.inputs))}
        for row in records
    }
    commands = {row.key for row in rows if row.kind is StepKind.COMMAND}
    refused = {
        key for row in records if row.state is StepState.FAILED for key in taken[row.key] & commands
    }
    return [row.key for row in rows if row.key in refused or taken.get(row.key, set()) & refused]


def _restart_root(job: Job, rows: Sequence[StepRow], children: Sequence[Restart]) -> Restart:
    """GROUP steps whose members have something to do again behind their gate wait for it again."""
    groups = [row for row in rows if row.kind is StepKind.GROUP]
    read_whole(groups)
    wanted = {
        (child.job.child_key, gate)
        for child in children
        for gate in {"", *(row.gate for row in child.again())}
    }
    also = [
        row.key
        for row in groups
        if wanted & {(member, gate_of(row.inputs)) for member in members_of(row.inputs)}
    ]
    root = _restart(job, rows, also)
    stay_open = [row for row in groups if row.key not in root.repeat.again]
    for child in children:
        child.job.gates = {
            gate_of(row.inputs): ""
            for row in stay_open
            if child.job.child_key in members_of(row.inputs)
        }
    return root


def _as_it_ended(restart: Restart, now: datetime) -> FinishedJob:
    job = restart.job
    return FinishedJob(
        job_id=job.id,
        vault_id=job.vault_id,
        scenario=job.scenario,
        target_id=job.target_id,
        arguments=job.arguments,
        state=JobState(job.state),
        failures=tuple(read_failure(error) for error in job.errors),
        now=now,
        steps={row.key: row.state for row in restart.rows},
        root_id=job.root_id,
    )


def _reopen(restart: Restart, now: datetime) -> None:
    job = restart.job
    stay = {row.key for row in restart.rows} - restart.repeat.again
    job.errors = [error for error in job.errors if error.get("step") in stay]
    job.state = JobState.IN_PROGRESS
    job.state_description = ""
    job.finished_at = None
    job.wake_at = now
    job.asked_at = None
    job.halt = Halt.NONE
    job.cancelled_by = ""
    job.left_text = ""
    job.failure_told = False
    job.save()


def _count_anew(job: Job, children: Sequence[Restart]) -> None:
    job.children_left = len(children)
    job.children_suspended = 0
    for child in children:
        job.children_seconds_done -= sum(
            work_seconds(row.kind, row.expected_seconds, row.undoes)
            for row in child.again()
            if row.state in ENDED_WELL
        )


def _reset_steps(restarts: Sequence[Restart]) -> None:
    ids = [row.id for restart in restarts for row in restart.again()]
    forgotten = [
        row.id
        for restart in restarts
        for row in restart.rows
        if row.key in restart.repeat.forgotten
    ]
    Step.objects.filter(id__in=ids).update(
        state=StepState.NOT_STARTED,
        attempts=0,
        retry_at=None,
        deadline_at=None,
        finished_at=None,
        result=None,
        failure=None,
        activity="",
        members_left=0,
    )
    Step.objects.filter(id__in=forgotten).update(started_at=None)
    for restart in restarts:
        for row in restart.again():
            if row.key in restart.repeat.after:
                after = list(restart.repeat.after[row.key])
                Step.objects.filter(id=row.id).update(after=after)
