"""Starting a long-running operation, and following the job it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.job_displays import choose_display
from coordinator.cli.job_readings import JobReadings, seconds_between
from coordinator.cli.names import segment_after
from coordinator.cli.session import Session, as_plain
from coordinator.cli.waiting import wait_for_job

WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for the job, showing what it does.")
]
LimitOption = Annotated[
    float, typer.Option("--timeout", min=1, help="Longest time to wait, in seconds.")
]
DEFAULT_LIMIT_SECONDS = 3600.0


@dataclass
class FirstAnswer:
    """What the service said at once to a request that begins an operation."""

    headers: dict[str, str] = field(default_factory=dict)

    def take(self, response: Any) -> None:
        """The SDK's raw_response_hook."""
        if not self.headers:
            self.headers = {
                name.lower(): value for name, value in response.http_response.headers.items()
            }

    @property
    def job_name(self) -> str:
        """The job the operation is; empty when it was finished at once."""
        address = self.headers.get("azure-asyncoperation") or self.headers.get("location") or ""
        return urlsplit(address).path.rpartition("/")[2]


def begin(operation: Callable[..., Any], *arguments: object, **options: object) -> str:
    """Begins an operation of the SDK without waiting.

    Args:
        operation: A method "begin_..." of Microsoft's client.
        arguments: Its arguments.
        options: Of the request, for example headers.

    Returns:
        Name of the job; empty when the operation was finished at once.
    """
    answer = FirstAnswer()
    operation(*arguments, polling=False, raw_response_hook=answer.take, **options)
    return answer.job_name


def follow(
    session: Session,
    job_name: str,
    *,
    wait: bool,
    limit_seconds: float,
    wanted: str = "Succeeded",
) -> None:
    """Waits for a job and shows how it ended, or just says which it is.

    Args:
        session: The command's.
        job_name: The job.
        wait: Whether to wait.
        limit_seconds: How long.
        wanted: The state in which it is to end.

    Raises:
        CommandError: It ended otherwise, or not in time.
    """
    clients = session.clients

    def get(name: str, with_machines: bool) -> Any:
        # Of a plan's job all machines with each reading would be megabytes.
        more: dict[str, Any] = {} if with_machines else {"params": {"childTasks": "none"}}
        return clients.site_recovery.replication_jobs.get(*clients.scope, name, **more)

    if not wait:
        job = get(job_name, False)
        if session.as_json:
            session.show_json(as_plain(job))
        session.tell(f"Job {job.name} ({job.properties.friendly_name}) has begun.")
        session.tell(f"Look at it with: osr job watch {job.name}")
        return
    readings = JobReadings(get, job_name, with_machines=not session.as_json)
    display = choose_display(
        session.notes, quiet=session.as_json, machines=lambda: readings.machines
    )
    job = wait_for_job(job_name, readings.read, display, limit_seconds)
    if session.as_json:
        session.show_json(as_plain(job))
    left = job.properties.get("leftState")
    if left:
        session.tell(str(left))
    if job.properties.state != wanted:
        raise job_failure(job)
    seconds = seconds_between(job.properties.start_time, job.properties.end_time)
    took = "" if seconds is None else f" in {seconds:.1f} s"
    session.tell(
        f"{job.properties.friendly_name} of {job.properties.target_object_name} "
        f"{wanted.lower()}{took}."
    )


def tell_clean_up(session: Session, job_name: str) -> None:
    """Shows what a job left for people to do, by host."""
    clients = session.clients
    job: Any = clients.site_recovery.replication_jobs.get(*clients.scope, job_name)
    left = job.properties.custom_details.affected_object_details or {}
    if left:
        session.tell("The hosts are as they were. To clean up by hand, run:")
    for host, commands in left.items():
        session.tell(f"# for {host}")
        for line in commands.split("; "):
            session.tell(f"  {line}")


def job_failure(job: Any) -> CommandError:
    """What a job that ended badly says."""
    errors = [
        error for error in job.properties.errors or [] if error.service_error_details is not None
    ]
    title = f"{job.properties.friendly_name} of {job.properties.target_object_name}"
    if not errors:
        return CommandError(
            ExitCode.JOB_FAILED,
            f"{title} ended as {job.properties.state}.",
            recommended_action=f"See: osr job show {job.name}",
        )
    first = errors[0].service_error_details
    return CommandError(
        ExitCode.JOB_FAILED,
        f"{title} failed: {first.message}",
        code=str(first.code or ""),
        possible_causes=str(first.possible_causes or "").splitlines(),
        recommended_action=str(first.recommended_action or ""),
        provider_error=_provider_error(errors[0].provider_error_details),
    )


def _provider_error(error: Any) -> str:
    """PowerShell's error id, category and message; they are what people search for."""
    if error is None:
        return ""
    # The SDK's model has no property for the category.
    category = error.get("category")
    where = f"{error.error_id} ({category})" if category else str(error.error_id)
    return f"{where}: {error.error_message}"


def job_name_of(text: str) -> str:
    """The name of a job given by name or by ARM id."""
    return segment_after("replicationJobs", text) or text
