"""The end of a job: its finisher, and what is said of it."""

from __future__ import annotations

from coordinator.failures import Failure
from coordinator.jobs.decisions import JobOutcome
from coordinator.jobs.execution import guarded
from coordinator.jobs.failure_events import tell_failure
from coordinator.jobs.family import Family
from coordinator.jobs.overdue_events import clear_overdue
from coordinator.jobs.registry import FinishedJob, StepFailedError
from coordinator.jobs.run import Run
from coordinator.jobs.states import Halt, JobState
from coordinator.jobs.steps import StepKind
from coordinator.jobs.stored_failures import read_failure

PARTIALLY = "PartiallySucceeded"


def end_job(family: Family, run: Run, outcome: JobOutcome) -> None:
    """Ends a job all of whose steps have ended; the caller releases its locks."""
    job = run.job
    job.state = outcome.state
    job.state_description = outcome.description
    job.wake_at = None
    job.finished_at = run.shared.clock()
    if job.state == JobState.SUCCEEDED and job.children_seconds and not family.all_well():
        job.state_description = PARTIALLY
        if family.none_well():
            job.state, job.state_description = JobState.FAILED, "Failed"
            if not job.errors:
                run.add_error(_none_well(job.friendly_name).as_json(), None, job.finished_at)
    if job.state == JobState.FAILED and job.halt == Halt.STOP and job.root_id is not None:
        run.add_error(_left_behind(job.target_name).as_json(), None, job.finished_at)
    _call_finisher(run)
    asked = [step.key for step in run.snapshots.values() if step.kind is StepKind.MANUAL]
    clear_overdue(job.vault_id, job.id, asked, run.now)
    if job.root_id is None:
        tell_failure(job, run.now)
    facts = {
        "vault_id": str(job.vault_id),
        "job_id": str(job.id),
        "correlation_id": job.correlation_id,
        "scenario": job.scenario,
        "state": str(job.state),
        "seconds": (job.finished_at - job.created_at).total_seconds(),
    }
    run.shared.lines.append(("job.ended", facts))


def finished_job(run: Run) -> FinishedJob:
    """The job as its scenario's finisher is told of it."""
    job = run.job
    return FinishedJob(
        job_id=job.id,
        vault_id=job.vault_id,
        scenario=job.scenario,
        target_id=job.target_id,
        arguments=job.arguments,
        state=JobState(job.state),
        failures=tuple(read_failure(error) for error in job.errors),
        now=run.now,
        steps={key: step.state for key, step in run.snapshots.items()},
        root_id=job.root_id,
    )


def _call_finisher(run: Run) -> None:
    job = run.job
    finisher = run.shared.registry.finishers.get(job.scenario)
    if finisher is None:
        return
    finished = finished_job(run)
    try:
        job.left_text = guarded(lambda: finisher(finished), job.scenario) or ""
    except StepFailedError as error:
        run.add_error(error.failure.as_json(), None, job.finished_at or run.now)
        job.state = JobState.FAILED
        job.state_description = "Failed"


def _none_well(name: str) -> Failure:
    return Failure(
        "NoneSucceeded",
        f"{name}: the job of no virtual machine succeeded.",
        (
            "They had failed before, and other operations have worked on the machines since.",
            "They were cancelled.",
        ),
        "Look at the jobs of the virtual machines, then repeat the operation for those it is still "
        "wanted for.",
    )


def _left_behind(name: str) -> Failure:
    return Failure(
        "FamilyStopped",
        f"{name} came past its point of no return and then no further: the job it is a part of "
        "failed.",
        ("Another virtual machine or an action of the recovery plan failed; that stops the plan.",),
        "Remove the cause that the recovery plan's job names, then restart that job.",
    )
