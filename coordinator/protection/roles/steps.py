"""What runs by itself about roles, and the end of its jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from coordinator.jobs.registry import Finisher
from coordinator.protection.roles import servers, starting

FINISHERS: Mapping[str, Finisher] = {starting.SCENARIO: starting.start_finished}

TASKS: Mapping[str, Callable[..., None]] = {
    starting.START_TASK: starting.start_machines,
    servers.WATCH_TASK: servers.watch_servers,
}

PERIODIC: Mapping[str, timedelta] = {
    starting.START_TASK: starting.START_PERIOD,
    servers.WATCH_TASK: servers.WATCH_PERIOD,
}
