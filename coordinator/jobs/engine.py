"""The engine: one advance brings one job as far as it gets without waiting for anybody."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from uuid import UUID, uuid4

import structlog
from django.db import transaction

from coordinator.failures import Failure
from coordinator.jobs.decisions import Decision, JobOutcome, decide
from coordinator.jobs.execution import guarded, look_at, start_steps
from coordinator.jobs.models import Command, Job, OperationLock, Step
from coordinator.jobs.patience import put_off
from coordinator.jobs.registry import FinishedJob, Registry, StepFailedError
from coordinator.jobs.run import Run, open_run
from coordinator.jobs.states import (
    UNFINISHED_COMMANDS,
    UNFINISHED_JOBS,
    CommandState,
    JobState,
    StepState,
)
from coordinator.jobs.steps import StepKind
from coordinator.jobs.stored_failures import read_failure
from coordinator.jobs.verbs import CommandFailure, read_result

log = structlog.get_logger(__name__)

# Tells gateways, after the commit, which providers have commands waiting. May do nothing: gateways
# look by themselves every second or two.
Announce = Callable[[Collection[UUID]], None]


def announce_nothing(provider_ids: Collection[UUID]) -> None:
    """For processes without gateways to tell."""


def advance(
    job_id: UUID,
    registry: Registry,
    clock: Callable[[], datetime],
    announce: Announce = announce_nothing,
    new_id: Callable[[], UUID] = uuid4,
) -> None:
    """Takes what has come for a job and does what is due, in one transaction.

    All results waiting for the job are taken together. Steps that only change records are carried
    out on the way; commands are written for the gateways to send. When nothing is left to do the
    job ends: its finisher runs and its locks go, in the same transaction.

    Args:
        job_id: The job; one that is unknown or has ended is left alone.
        registry: The functions behind the graph's names.
        clock: Gives the time, UTC.
        announce: Called after the commit with the providers that have new commands.
        new_id: Gives random UUIDs.

    Raises:
        OperationalError, InterfaceError: The database went away; nothing was changed. The sweep
            repeats the advance.

    Idempotent: Once begun anew after any crash it goes on from the last commit; several at once
        for one job wait for each other and the later ones find nothing to do.
    """
    with transaction.atomic():
        job = (
            Job.objects.select_for_update(no_key=True)
            .filter(id=job_id, state__in=UNFINISHED_JOBS)
            .first()
        )
        if job is None:
            return
        now = clock()
        results = _waiting_results(job_id)
        if not results and not _due(job, now):
            return
        run = open_run(job, clock, now, new_id)
        _take(run, results)
        decision = _carry_on(run, registry)
        run.save()
        _save_job(run, registry, decision)
        if run.commands:
            providers = frozenset(command.provider_id for command in run.commands)
            transaction.on_commit(partial(announce, providers), robust=True)


def _waiting_results(job_id: UUID) -> list[Command]:
    waiting = Command.objects.filter(
        step__job_id=job_id, state=CommandState.FINISHED, taken_at=None
    )
    return list(waiting.select_related("step").order_by("sequence"))


def _due(job: Job, now: datetime) -> bool:
    """Whether there may be something to do although no result has come."""
    if job.wake_at is None or job.wake_at <= now:
        return True
    waits = Step.objects.filter(job_id=job.id, kind=StepKind.WAIT, state=StepState.IN_PROGRESS)
    return waits.exists()


def _take(run: Run, results: Collection[Command]) -> None:
    """Makes steps end out of the results of their commands."""
    for command in results:
        step = run.adopt(command.step)
        outcome = read_result(command.verb, bytes(command.result or b""))
        if isinstance(outcome, CommandFailure):
            run.fail(step, outcome.failure, transient=outcome.transient)
        else:
            run.succeed(step, outcome)
    if results:
        taken = Command.objects.filter(sequence__in=[command.sequence for command in results])
        taken.update(taken_at=run.now)


def _carry_on(run: Run, registry: Registry) -> Decision:
    """Decides and acts until nothing more can be done now."""
    looked: set[str] = set()
    while True:
        decision = decide(run.snapshots.values(), run.now, run.looks)
        if decision.outcome is not None or not _act(run, registry, decision, looked):
            return decision


def _act(run: Run, registry: Registry, decision: Decision, looked: set[str]) -> bool:
    """Does the most urgent kind of thing the decision asks for; False when it asks for nothing.

    What fails comes first, because it may forbid what would start. Record functions come before
    commands for the same reason.
    """
    if decision.give_up or decision.drop:
        _end_overdue(run, decision)
        return True
    if decision.skip:
        run.load(decision.skip)
        for key in decision.skip:
            run.skip(run.row(key))
        return True
    if decision.start:
        records = [k for k in decision.start if run.snapshots[k].kind is StepKind.RECORD]
        start_steps(run, registry, records or decision.start)
        return True
    fresh = [key for key in decision.look if key not in looked]
    for key in fresh:
        looked.add(key)
        look_at(run, registry, key)
    return bool(fresh)


def _end_overdue(run: Run, decision: Decision) -> None:
    for key in decision.drop:
        run.drop(run.row(key))
    for key in decision.give_up:
        step = run.row(key)
        if step.patience_seconds and put_off(run, step):
            continue
        waiting_for = Command.objects.filter(step=step, state__in=UNFINISHED_COMMANDS)
        reached = waiting_for.exclude(state=CommandState.PENDING).exists()
        abandoned = waiting_for.update(state=CommandState.ABANDONED)
        late = [] if abandoned else _waiting_results(run.job.id)
        if any(command.step_id == step.id for command in late):
            # It came in the very moment.
            _take(run, [command for command in late if command.step_id == step.id])
        else:
            run.fail(step, _overdue(step, reached=reached))


def _overdue(step: Step, *, reached: bool) -> Failure:
    limit = f"{step.time_limit_seconds} seconds"
    if step.kind != StepKind.COMMAND:
        return Failure(
            "StepTimedOut",
            f"What step {step.key!r} waited for did not come within {limit}.",
            ("The fabric is slower than expected, or something it depends on does not work.",),
            "Look at the state of the objects on both sites, then repeat the operation.",
        )
    if reached:
        return Failure(
            "CommandTimedOut",
            f"The provider did not answer {step.action} of step {step.key!r} within {limit}. "
            "Whether it took effect is unknown.",
            (
                "The provider's server is overloaded or hangs.",
                "The connection between provider and coordinator was lost for long.",
            ),
            "Check the state of the virtual machine and the provider, then repeat the operation.",
        )
    return Failure(
        "ProviderUnreachable",
        f"The provider did not fetch {step.action} of step {step.key!r} within {limit}; "
        "it had no effect.",
        (
            "The provider service is not running, or its server is down.",
            "The network between provider and coordinator is interrupted.",
        ),
        "Start the provider, see that it is connected, then repeat the operation.",
    )


def _save_job(run: Run, registry: Registry, decision: Decision) -> None:
    job = run.job
    job.asked_at = None
    job.started_at = job.started_at or run.now
    job.state = JobState.IN_PROGRESS
    job.wake_at = decision.wake_at
    if decision.outcome is not None:
        _end(run, registry, decision.outcome)
    job.save(
        update_fields=[
            "asked_at",
            "started_at",
            "state",
            "wake_at",
            "state_description",
            "finished_at",
            "errors",
        ]
    )


def _end(run: Run, registry: Registry, outcome: JobOutcome) -> None:
    job = run.job
    job.state = outcome.state
    job.state_description = outcome.description
    job.finished_at = run.clock()
    finisher = registry.finishers.get(job.scenario)
    if finisher is not None:
        finished = FinishedJob(
            job_id=job.id,
            vault_id=job.vault_id,
            scenario=job.scenario,
            target_id=job.target_id,
            arguments=job.arguments,
            state=outcome.state,
            failures=tuple(read_failure(error) for error in job.errors),
            now=run.now,
        )
        try:
            guarded(lambda: finisher(finished), job.scenario)
        except StepFailedError as error:
            where = {"task": "", "step": "", "at": job.finished_at.isoformat()}
            job.errors.append({**error.failure.as_json(), **where})
            job.state = JobState.FAILED
            job.state_description = "Failed"
    OperationLock.objects.filter(job_id=job.id).delete()
    log.info(
        "job.ended",
        vault_id=str(job.vault_id),
        job_id=str(job.id),
        scenario=job.scenario,
        state=str(job.state),
        seconds=(job.finished_at - job.created_at).total_seconds(),
    )
