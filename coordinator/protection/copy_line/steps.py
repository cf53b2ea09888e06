"""What the engine may call of the line, by the names its graphs use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from coordinator.jobs.registry import Condition, RecordFunction
from coordinator.protection.copy_line import line, records, watching

RECORDS: Mapping[str, RecordFunction] = {
    "protection.line_joined": records.line_joined,
    "protection.copy_placed": records.copy_placed,
}

CONDITIONS: Mapping[str, Condition] = {"protection.turn_given": records.turn_given}

TASKS: Mapping[str, Callable[..., None]] = {
    line.GRANT_TASK: line.grant,
    watching.WATCH_TASK: watching.watch_first_copies,
}

PERIODIC: Mapping[str, timedelta] = {watching.WATCH_TASK: watching.WATCH_EVERY}
