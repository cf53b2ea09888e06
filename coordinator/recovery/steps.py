"""What the engine may call of the recovery domain, by the names its graphs use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from coordinator.jobs.registry import Condition, Finisher, RecordFunction
from coordinator.recovery import commit, planned_failover, records, reverse_replication
from coordinator.recovery.plans import steps as plans

RECORDS: Mapping[str, RecordFunction] = {
    "recovery.check_planned_failover": records.check_planned_failover,
    "recovery.failover_begins": records.failover_begins,
    "recovery.failed_over": records.failed_over,
    "recovery.check_commit": records.check_commit,
    "recovery.committed": records.committed,
    "recovery.check_reversal": records.check_reversal,
    "recovery.reversal_begins": records.reversal_begins,
    "recovery.reversed": records.reversed_replication,
    **plans.RECORDS,
}

CONDITIONS: Mapping[str, Condition] = {}

FINISHERS: Mapping[str, Finisher] = {
    planned_failover.SCENARIO: records.planned_failover_finished,
    commit.SCENARIO: records.commit_finished,
    reverse_replication.SCENARIO: records.reversal_finished,
}

TASKS: Mapping[str, Callable[..., None]] = {}
