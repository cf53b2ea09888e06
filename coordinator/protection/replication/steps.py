"""What the engine may call of replication as it runs, and what begins by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from coordinator.jobs.registry import Condition, RecordFunction
from coordinator.protection.replication import evaluation, history, records, services

RECORDS: Mapping[str, RecordFunction] = {"protection.disks_chosen": records.disks_chosen}

CONDITIONS: Mapping[str, Condition] = {
    "protection.sender_seen": records.sender_seen,
    "protection.disks_seen": records.disks_seen,
}

TASKS: Mapping[str, Callable[..., None]] = {
    evaluation.CLOCK_TASK: evaluation.look_at_the_clock,
    history.KEEP_TASK: history.keep_rpo,
    history.PRUNE_TASK: history.prune_rpo,
    services.SCHEDULE_TASK: services.begin_scheduled,
}

PERIODIC: Mapping[str, timedelta] = {
    evaluation.CLOCK_TASK: evaluation.CLOCK_PERIOD,
    history.KEEP_TASK: history.KEEP_PERIOD,
    history.PRUNE_TASK: history.PRUNE_PERIOD,
    services.SCHEDULE_TASK: services.SCHEDULE_PERIOD,
}
