"""osr job."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from coordinator.cli.failures import show_error
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    follow,
    job_failure,
    job_name_of,
)
from coordinator.cli.session import Session, command
from coordinator.cli.waiting import seconds_between, task_name

app = typer.Typer(no_args_is_help=True, help="Jobs: what was asked for, and what became of it.")

JobArgument = Annotated[str, typer.Argument(help="The job's id.")]
JOB = "Job"
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
}


@command(app, "list")
def list_jobs(
    session: Session,
    state: Annotated[str | None, typer.Option(help="Only in this state: InProgress, ...")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="At most so many.")] = 50,
) -> None:
    """Lists the jobs, newest first."""
    clients = session.clients
    wanted = None if state is None else f"jobStatus eq '{state}'"
    found: list[Any] = []
    for job in clients.site_recovery.replication_jobs.list(*clients.scope, filter=wanted):
        found.append(job)
        if len(found) == count:
            break
    session.show(found, COLUMNS, whole=JOB)


@command(app)
def show(session: Session, job: JobArgument) -> None:
    """Shows a job with its tasks and errors."""
    clients = session.clients
    found: Any = clients.site_recovery.replication_jobs.get(*clients.scope, job_name_of(job))
    session.show_one(found, DETAILS)
    if session.as_json:
        return
    table = Table("Task", "State", "Seconds", box=None, pad_edge=False, header_style="bold")
    for task in found.properties.tasks or []:
        table.add_row(task_name(task), str(task.state), _seconds(task))
    session.output.print(table)
    if found.properties.errors:
        show_error(session.output, job_failure(found))


@command(app)
def watch(
    session: Session, job: JobArgument, limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS
) -> None:
    """Shows a job live until it ends; fails if the job does."""
    follow(session, job_name_of(job), wait=True, limit_seconds=limit_seconds)


def _time(time: Any) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}" if hasattr(time, "year") else "-"


def _seconds(timed: Any) -> str:
    seconds = seconds_between(timed.start_time, timed.end_time)
    return "-" if seconds is None else f"{seconds:.1f}"
