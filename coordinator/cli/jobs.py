"""osr job."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from coordinator.cli.completion import complete_jobs
from coordinator.cli.events import quoted
from coordinator.cli.failures import show_error
from coordinator.cli.job_readings import job_percent, seconds_between
from coordinator.cli.job_trees import job_tree
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    WaitOption,
    begin,
    follow,
    job_failure,
    job_name_of,
)
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Jobs: what was asked for, and what became of it.")

# More machines of a group are shown when asked for; what did not end well is always shown.
SHOWN_MEMBERS = 20
JobArgument = Annotated[str, typer.Argument(help="The job's id.", autocompletion=complete_jobs)]
JOB = "Job"


def _progress(job: Any) -> str:
    percent = job_percent(job)
    return "-" if percent is None else f"{percent} %"


COLUMNS = {
    JOB: lambda job: str(job.name),
    "Operation": lambda job: str(job.properties.friendly_name),
    "Object": lambda job: str(job.properties.target_object_name),
    "State": lambda job: str(job.properties.state),
    "Started": lambda job: _time(job.properties.start_time),
    "Seconds": lambda job: _seconds(job.properties),
}
DETAILS = {
    **COLUMNS,
    "Scenario": lambda job: str(job.properties.scenario_name),
    "Description": lambda job: str(job.properties.state_description),
    "Progress": _progress,
    "Allowed": lambda job: ", ".join(job.properties.allowed_actions or []) or "-",
    "Left": lambda job: str(job.properties.get("leftState") or "-"),
}


@command(app, "list")
def list_jobs(
    session: Session,
    state: Annotated[str | None, typer.Option(help="Only in this state: InProgress, ...")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Begun then or later.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Begun then or before.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="At most so many.")] = 50,
) -> None:
    """Lists the jobs, newest first."""
    clients = session.clients
    words = {"jobStatus": state, "startTime": start, "endTime": end}
    clauses = [f"{name} eq '{quoted(value)}'" for name, value in words.items() if value]
    wanted = " and ".join(clauses) or None
    found: list[Any] = []
    for job in clients.site_recovery.replication_jobs.list(*clients.scope, filter=wanted):
        found.append(job)
        if len(found) == count:
            break
    session.show(found, COLUMNS, whole=JOB)


@command(app)
def show(
    session: Session,
    job: JobArgument,
    everything: Annotated[
        bool, typer.Option("--all", help="Every machine of a group, however many.")
    ] = False,
) -> None:
    """Shows a job with its tasks, the machines inside them, and errors."""
    clients = session.clients
    found: Any = clients.site_recovery.replication_jobs.get(*clients.scope, job_name_of(job))
    session.show_one(found, DETAILS)
    if session.as_json:
        return
    session.output.print(job_tree(found, None if everything else SHOWN_MEMBERS))
    if found.properties.errors:
        show_error(session.output, job_failure(found))


@command(app)
def cancel(
    session: Session,
    job: JobArgument,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Cancels a job: what runs is awaited, then what had begun is taken back."""
    name, jobs = job_name_of(job), session.clients.site_recovery.replication_jobs
    begin(jobs.begin_cancel, *session.clients.scope, name)
    follow(session, name, wait=wait, limit_seconds=limit_seconds, wanted="Cancelled")


@command(app)
def restart(
    session: Session,
    job: JobArgument,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Has a failed job go on where it failed."""
    name, jobs = job_name_of(job), session.clients.site_recovery.replication_jobs
    begin(jobs.begin_restart, *session.clients.scope, name)
    follow(session, name, wait=wait, limit_seconds=limit_seconds)


@command(app)
def resume(
    session: Session,
    job: JobArgument,
    comments: Annotated[str, typer.Option(help="What was done; kept with the action.")] = "",
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="The task that waits. Default: the one that does now."),
    ] = None,
    wait: WaitOption = False,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Confirms the manual action that a job waits for."""
    name, jobs = job_name_of(job), session.clients.site_recovery.replication_jobs
    waiting = task or waiting_task(jobs.get(*session.clients.scope, name))
    wanted = {"comments": comments, **({"taskId": waiting} if waiting else {})}
    begin(jobs.begin_resume, *session.clients.scope, name, {"properties": wanted})
    if wait:
        follow(session, name, wait=True, limit_seconds=limit_seconds)
    else:
        session.tell(f"Job {name} goes on.")


@command(app)
def watch(
    session: Session, job: JobArgument, limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS
) -> None:
    """Shows a job live until it ends; fails if the job does."""
    follow(session, job_name_of(job), wait=True, limit_seconds=limit_seconds)


def waiting_task(job: Any) -> str:
    """The task of a job that waits for a person; empty when none does."""
    tasks = job.properties.tasks or []
    return next((str(each.task_id) for each in tasks if each.allowed_actions), "")


def _time(time: Any) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}" if hasattr(time, "year") else "-"


def _seconds(timed: Any) -> str:
    seconds = seconds_between(timed.start_time, timed.end_time)
    return "-" if seconds is None else f"{seconds:.1f}"
