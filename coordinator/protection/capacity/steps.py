"""What the engine may call of bandwidth limits, by the names its graphs use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from coordinator.jobs.registry import Finisher
from coordinator.protection.capacity import applying, planner

FINISHERS: Mapping[str, Finisher] = {planner.SCENARIO: applying.applying_finished}

TASKS: Mapping[str, Callable[..., None]] = {applying.FOLLOW_TASK: applying.follow_bandwidth}

# How late a window may begin or end.
PERIODIC: Mapping[str, timedelta] = {applying.FOLLOW_TASK: timedelta(seconds=15)}
