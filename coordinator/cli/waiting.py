"""Waiting for a job while showing what it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from coordinator.cli.failures import CommandError, ExitCode

ENDED = frozenset({"Succeeded", "Failed", "Cancelled"})
INTERVAL_SECONDS = 0.5


class Display(Protocol):
    """Shows how something stands."""

    def update(self, resource: Any) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Waiting:
    """What is waited for.

    Attributes:
        read: Gives the resource as it is now.
        ended: Whether there is nothing more to wait for.
        late: The error when the time is over.
    """

    read: Callable[[], Any]
    ended: Callable[[Any], bool]
    late: Callable[[Any], CommandError]


def wait_until(
    waiting: Waiting,
    display: Display,
    limit_seconds: float,
    interval_seconds: float = INTERVAL_SECONDS,
) -> Any:
    """Reads a resource until it has come to its end, showing every reading.

    Args:
        waiting: What is waited for.
        display: Is shown every reading.
        limit_seconds: How long to go on.
        interval_seconds: Between two readings.

    Returns:
        The resource as it was read last.

    Raises:
        CommandError: The time is over; what was waited for goes on.
    """
    end = time.monotonic() + limit_seconds
    try:
        while True:
            resource = waiting.read()
            display.update(resource)
            if waiting.ended(resource):
                return resource
            if time.monotonic() + interval_seconds > end:
                raise waiting.late(resource)
            time.sleep(interval_seconds)
    finally:
        display.close()


def wait_for_job(
    read: Callable[[], Any],
    display: Display,
    limit_seconds: float,
    interval_seconds: float = INTERVAL_SECONDS,
) -> Any:
    """Reads a job until it has ended.

    Returns:
        The job, ended well or not.

    Raises:
        CommandError: The time is over; the job goes on.
    """

    def late(job: Any) -> CommandError:
        return CommandError(
            ExitCode.TIME_OVER,
            f"The job {job.name} still runs after {limit_seconds:.0f} s; it goes on.",
            recommended_action=f"Look at it again with: osr job watch {job.name}",
        )

    waiting = Waiting(read, lambda job: job.properties.state in ENDED, late)
    return wait_until(waiting, display, limit_seconds, interval_seconds)


def choose_display(console: Console, *, quiet: bool) -> Display:
    """Bars on a terminal, a line a change elsewhere, nothing when nobody reads."""
    if quiet:
        return Silence()
    return Bars(console) if console.is_terminal else Lines(console)


class Silence:
    """For programs that read the answer."""

    def update(self, job: Any) -> None:
        del job

    def close(self) -> None:
        return


class Questions:
    """Says once of each manual action what a job waits for, and how to confirm it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._asked: set[str] = set()

    def update(self, job: Any) -> None:
        for task in job.properties.tasks or []:
            if "Resume" not in (task.allowed_actions or []) or task.name in self._asked:
                continue
            self._asked.add(str(task.name))
            details = task.custom_details or {}
            for line in (
                f"{task_name(task)}: waits for you. {details.get('instructions', '')}".rstrip(),
                f'  When it is done: osr job resume {job.name} --comments "..."',
            ):
                self._console.print(line, highlight=False, markup=False)


class Lines:
    """One line whenever a task's state changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[str, str] = {}
        self._questions = Questions(console)

    def update(self, job: Any) -> None:
        percent = job_percent(job)
        so_far = "" if percent is None else f" ({percent} % of all)"
        for task in job.properties.tasks or []:
            state = str(task.state)
            if self._seen.get(task.name) != state and state != "NotStarted":
                self._seen[task.name] = state
                line = f"{task_name(task)}: {state}{so_far}"
                self._console.print(line, highlight=False, markup=False)
        self._questions.update(job)

    def close(self) -> None:
        return


class Bars:
    """A bar for the job and one a task, live."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._rows: dict[str, TaskID] = {}
        self._whole: TaskID | None = None
        self._questions = Questions(console)
        self._progress.start()

    def update(self, job: Any) -> None:
        self._show_whole(job)
        self._questions.update(job)
        for task in job.properties.tasks or []:
            name = str(task.name)
            if name not in self._rows:
                self._rows[name] = self._progress.add_task(
                    task_name(task), start=False, total=100, state=""
                )
            row = self._rows[name]
            state = str(task.state)
            if state != "NotStarted":
                self._progress.start_task(row)
            self._progress.update(row, completed=task_percent(task), state=state)
            if state not in {"NotStarted", "InProgress"}:
                self._progress.stop_task(row)

    def close(self) -> None:
        self._progress.stop()

    def _show_whole(self, job: Any) -> None:
        percent = job_percent(job)
        if percent is None:
            return
        if self._whole is None:
            name = str(job.properties.friendly_name or job.name)
            self._whole = self._progress.add_task(name, total=100, state="")
        state = f"{percent} %, {job.properties.state}"
        self._progress.update(self._whole, completed=percent, state=state)


def task_name(task: Any) -> str:
    return str(task.friendly_name or task.name)


def task_percent(task: Any) -> int:
    """Progress of a task; the coordinator tells it beside what ASR's model has."""
    if task.state not in {"NotStarted", "InProgress"}:
        return 100
    percent = task.get("percent")
    return int(percent) if isinstance(percent, int | float) else 0


def job_percent(job: Any) -> int | None:
    """How far a job has come, beside what ASR's model has; None when nobody says so."""
    percent = job.properties.get("percent")
    return int(percent) if isinstance(percent, int | float) else None


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Duration; None when one of the times is missing or ASR's "never" (year 1)."""
    if start is None or end is None or min(start.year, end.year) == 1:
        return None
    return (end.replace(tzinfo=None) - start.replace(tzinfo=None)).total_seconds()
