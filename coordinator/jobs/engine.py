"""The engine: one advance brings a family of jobs as far as it gets without waiting for anybody."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from structlog.contextvars import bound_contextvars

from coordinator.jobs.actions import act
from coordinator.jobs.command_rows import write_commands
from coordinator.jobs.decisions import Decision, JobOutcome, decide
from coordinator.jobs.ending import end_job
from coordinator.jobs.family import Family
from coordinator.jobs.job_rows import due_children, lock_root, write_jobs
from coordinator.jobs.models import OperationLock, Step
from coordinator.jobs.registry import Registry
from coordinator.jobs.results import Result, end_steps, take_results
from coordinator.jobs.run import Advance, Run, write_lines
from coordinator.jobs.states import JobState, StepState
from coordinator.jobs.step_rows import write_steps
from coordinator.jobs.steps import StepKind

log = structlog.get_logger(__name__)

# Tells gateways, after the commit, which providers have commands waiting. May do nothing: gateways
# look by themselves every second or two.
Announce = Callable[[Collection[UUID]], None]

# A root that nothing but a result or a person moves is looked at so often all the same.
IDLE_LOOK = timedelta(minutes=5)


def announce_nothing(provider_ids: Collection[UUID]) -> None:
    """For processes without gateways to tell."""


def advance(
    job_id: UUID,
    registry: Registry,
    clock: Callable[[], datetime],
    announce: Announce = announce_nothing,
    new_id: Callable[[], UUID] = uuid4,
    look: Collection[UUID] = (),
) -> None:
    """Takes what has come for a family of jobs and does what is due, in one transaction.

    A job without children is a family of one. All results waiting are taken together, and only the
    children that have something to do are read. Steps that only change records are carried out on
    the way; commands are written for the gateways to send. A job of which nothing is left to do
    ends: its finisher runs and its locks go, in the same transaction.

    Args:
        job_id: The root, or one of its children; one that is unknown or has ended is left alone.
        registry: The functions behind the graph's names.
        clock: Gives the time, UTC.
        announce: Called after the commit with the providers that have new commands.
        new_id: Gives random UUIDs.
        look: Children whose conditions may be met.

    Raises:
        OperationalError, InterfaceError: The database went away; nothing was changed. The sweep
            repeats the advance.

    Idempotent: Once begun anew after any crash it goes on from the last commit; several at once
        for one family wait for each other and the later ones find nothing to do.
    """
    with transaction.atomic():
        root = lock_root(job_id)
        if root is None or JobState(root.state).ended:
            return
        family = Family(Advance(registry, clock, clock(), new_id), root)
        # Also what domains log in functions that are called here.
        with bound_contextvars(correlation_id=root.correlation_id):
            _advance(family, look if root.id == job_id else (*look, job_id), announce)


def _advance(family: Family, look: Collection[UUID], announce: Announce) -> None:
    if not _take_up(family, look):
        return
    family.root.asked_at = None
    transaction.on_commit(partial(write_lines, family.shared.lines), robust=True)
    carry_on(family)
    _save(family)
    if family.shared.commands:
        providers = frozenset(command.provider_id for command in family.shared.commands)
        transaction.on_commit(partial(announce, providers), robust=True)


def by_job(results: Collection[Result]) -> dict[UUID, list[Result]]:
    """Results by the job of their steps."""
    found: dict[UUID, list[Result]] = {}
    for result in results:
        found.setdefault(result.job_id, []).append(result)
    return found


def _take_up(family: Family, look: Collection[UUID]) -> bool:
    """Finds out which jobs have something to do; False when none has."""
    root, now = family.root, family.shared.now
    results = take_results(root.id, now)
    by_job_id = by_job(results)
    if root.children_left:
        family.take_up(due_children(root.id, now, [*by_job_id, *look]))
    due = root.wake_at is None or root.wake_at <= now
    if root.id in by_job_id or due or (not family.runs and _waits(root.id)):
        family.take_up_root()
    for job_id, own in by_job_id.items():
        if job_id in family.runs:
            end_steps(family.runs[job_id], own)
    return bool(results or family.runs)


def _waits(job_id: UUID) -> bool:
    waits = Step.objects.filter(job_id=job_id, kind=StepKind.WAIT, state=StepState.IN_PROGRESS)
    return waits.exists()


def carry_on(family: Family) -> None:
    """Decides and acts until nothing more can be done now by any job of the family."""
    ending: dict[UUID, tuple[Run, Decision]] = {}
    while family.waiting or ending:
        run = family.next_run()
        if run is None:
            _end_all(family, ending)
            continue
        decision = _carry_on_one(family, run)
        if decision.outcome is not None and not _ends_elsewhere(run, decision.outcome):
            ending[run.job.id] = (run, decision)
        else:
            _stand(family, run, decision)


def _carry_on_one(family: Family, run: Run) -> Decision:
    while True:
        decision = decide(run.snapshots.values(), run.now, run.looks, run.situation)
        if decision.outcome is not None or not act(family, run, decision):
            return decision


def _ends_elsewhere(run: Run, outcome: JobOutcome) -> bool:
    """Whether ending the job is left to a worker: something of a domain is called for it."""
    if run.shared.light:
        finished = run.job.scenario in run.shared.registry.finishers
        run.held = finished or run.job.root_id is None or outcome.state is not JobState.SUCCEEDED
    return run.held


def _stand(family: Family, run: Run, decision: Decision) -> None:
    """The job waits for something: how it stands until then."""
    job = run.job
    job.started_at = job.started_at or run.now
    before = job.state
    asked = any(
        step.kind is StepKind.MANUAL and step.state is StepState.IN_PROGRESS
        for step in run.snapshots.values()
    )
    suspended = asked or job.children_suspended > 0
    job.state = JobState.SUSPENDED if suspended else JobState.IN_PROGRESS
    job.wake_at = _wake_at(run, decision)
    if job.root_id is None:
        job.wake_at = job.wake_at or run.now + IDLE_LOOK
        return
    family.note_state(before, job.state)
    family.tell_groups(run)


def _wake_at(run: Run, decision: Decision) -> datetime | None:
    """When time alone calls for the job.

    A time written before that comes earlier stays: then nothing is to be done, and the right time
    is written. So not every step that begins writes its job's row.
    """
    if run.held:
        return run.now
    before, wanted = run.job.wake_at, decision.wake_at
    if before is None or wanted is None or before <= run.now:
        return wanted
    return min(before, wanted)


def _end_all(family: Family, ending: dict[UUID, tuple[Run, Decision]]) -> None:
    """Finishers read what became of the steps, so that is written before.

    A light advance calls none, and writes everything at its end.
    """
    if not family.shared.light:
        _save_steps(family)
    for run, decision in ending.values():
        before = run.job.state
        run.job.started_at = run.job.started_at or run.now
        if decision.outcome is not None:
            end_job(family, run, decision.outcome)
        if run.job.root_id is not None:
            family.note_state(before, run.job.state)
            family.tell_groups(run)
    if family.shared.light:
        family.ended += ending
    else:
        OperationLock.objects.filter(job_id__in=list(ending)).delete()
    ending.clear()


def _save(family: Family) -> None:
    _save_steps(family)
    if family.shared.commands:
        write_commands(family.shared.commands)
    family.root.children_seconds_done += family.shared.seconds_done
    family.jobs[family.root.id] = family.root
    write_jobs([job for job in family.jobs.values() if family.has_changed(job)])


def _save_steps(family: Family) -> None:
    if family.shared.changed:
        write_steps(list(family.shared.changed.values()))
        family.shared.changed.clear()
