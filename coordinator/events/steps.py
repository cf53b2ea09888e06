"""What runs by itself in the events domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from coordinator.events.services import PRUNE_PERIOD, PRUNE_TASK, prune_events

TASKS: Mapping[str, Callable[..., None]] = {PRUNE_TASK: prune_events}

PERIODIC: Mapping[str, timedelta] = {PRUNE_TASK: PRUNE_PERIOD}
