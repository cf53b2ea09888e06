"""What runs by itself about roles, and the end of its jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from coordinator.jobs.registry import FinishedJob, Finisher
from coordinator.protection.roles import having_run, servers, starting


def start_finished(job: FinishedJob) -> str | None:
    """What there is to do when a machine has been started again, or could not be."""
    left = starting.start_finished(job)
    having_run.note_started_by(job, [starting.STEP])
    return left


FINISHERS: Mapping[str, Finisher] = {starting.SCENARIO: start_finished}

TASKS: Mapping[str, Callable[..., None]] = {
    starting.START_TASK: starting.start_machines,
    servers.WATCH_TASK: servers.watch_servers,
}

PERIODIC: Mapping[str, timedelta] = {
    starting.START_TASK: starting.START_PERIOD,
    servers.WATCH_TASK: servers.WATCH_PERIOD,
}
