"""Reading a job again and again; the machines inside it less often, for there may be thousands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# Machines are read again when so much time has gone by, and at least ten times as much as it took.
SPARE_SECONDS = 2.0
SPARE_FACTOR = 10
# So many machines have their own jobs read, for how far they have come.
READ_MACHINES = 10
RUNNING = "InProgress"
DONE_WELL = frozenset({"Succeeded", "Skipped"})


@dataclass(frozen=True)
class MachineRow:
    """A machine inside a task.

    Attributes:
        state: ASR's word.
        percent: Of its own job; None when it was not read.
        elapsed_seconds: None when it has not begun.
    """

    name: str
    state: str
    percent: int | None = None
    elapsed_seconds: float | None = None


# By the name of the task they are in.
Machines = Mapping[str, Sequence[MachineRow]]


class JobReadings:
    """A job as it is now, and the machines inside it as they were a moment ago.

    Args:
        get: Reads a job by its name; the second argument says whether with its machines.
        job_name: The job.
        with_machines: Whether anybody looks at the machines.
    """

    def __init__(
        self,
        get: Callable[[str, bool], Any],
        job_name: str,
        *,
        with_machines: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._get = get
        self._job_name = job_name
        self._with_machines = with_machines
        self._clock = clock
        self._next_seconds = 0.0
        self._machines: Machines = {}

    @property
    def machines(self) -> Machines:
        return self._machines

    def read(self) -> Any:
        """The job, without its machines."""
        job = self._get(self._job_name, False)
        begun = self._clock()
        if self._with_machines and has_groups(job) and begun >= self._next_seconds:
            self._machines = self._read_machines()
            took = self._clock() - begun
            self._next_seconds = self._clock() + max(SPARE_SECONDS, SPARE_FACTOR * took)
        return job

    def _read_machines(self) -> Machines:
        job = self._get(self._job_name, True)
        percents: dict[str, int | None] = {}
        found: dict[str, list[MachineRow]] = {}
        for task in job.properties.tasks or []:
            for member in members_of(task):
                name = _own_job(member)
                if str(member.state) == RUNNING and len(percents) < READ_MACHINES and name:
                    percents[name] = job_percent(self._get(name, False))
                row = MachineRow(
                    str(member.friendly_name),
                    str(member.state),
                    percents.get(name),
                    elapsed_seconds(member, datetime.now(UTC)),
                )
                found.setdefault(str(task.name), []).append(row)
        return found


def has_groups(job: Any) -> bool:
    """Whether machines are inside tasks of the job."""
    return any(task.group_task_custom_details is not None for task in job.properties.tasks or [])


def members_of(task: Any) -> Sequence[Any]:
    group = task.group_task_custom_details
    return [] if group is None else list(group.child_tasks or [])


def _own_job(member: Any) -> str:
    details = member.custom_details or {}
    return str((details.get("jobTask") or {}).get("jobId") or "").rpartition("/")[2]


def counted(rows: Sequence[MachineRow]) -> str:
    """How many machines of a group are done: "3 of 10 machines, 1 failed"; empty for none."""
    if not rows:
        return ""
    done = sum(row.state in DONE_WELL for row in rows)
    failed = sum(row.state == "Failed" for row in rows)
    return f"{done} of {len(rows)} machines" + (f", {failed} failed" if failed else "")


def task_name(task: Any) -> str:
    return str(task.friendly_name or task.name)


def task_percent(task: Any) -> int:
    """Progress of a task; the coordinator tells it beside what ASR's model has."""
    if task.state not in {"NotStarted", RUNNING}:
        return 100
    percent = task.get("percent")
    return int(percent) if isinstance(percent, int | float) else 0


def job_percent(job: Any) -> int | None:
    """How far a job has come, beside what ASR's model has; None when nobody says so."""
    percent = job.properties.get("percent")
    return int(percent) if isinstance(percent, int | float) else None


def elapsed_seconds(timed: Any, now: datetime) -> float | None:
    """How long something has taken so far; None before it has begun."""
    took = seconds_between(timed.start_time, timed.end_time)
    if took is None:
        took = seconds_between(timed.start_time, now)
    return None if took is None else max(took, 0.0)


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Duration; None when one of the times is missing or ASR's "never" (year 1)."""
    if start is None or end is None or min(start.year, end.year) == 1:
        return None
    return (end.replace(tzinfo=None) - start.replace(tzinfo=None)).total_seconds()
