"""What the engine may call of the recovery domain, by the names its graphs use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from coordinator.jobs.registry import Condition, Escalation, Finisher, RecordFunction, Restarter
from coordinator.recovery import (
    abandon_failover,
    cancel_failover,
    change_recovery_point,
    commit,
    planned_failover,
    records,
    restarting,
    reverse_replication,
    unplanned_failover,
    unplanned_records,
)
from coordinator.recovery.plans import steps as plans
from coordinator.recovery.plans.runs.starting import SCENARIO as START_SCENARIO
from coordinator.recovery.started import telling_of_starts
from coordinator.recovery.test_failover import steps as test_failover

RECORDS: Mapping[str, RecordFunction] = {
    "recovery.check_planned_failover": records.check_planned_failover,
    "recovery.failover_begins": records.failover_begins,
    "recovery.failed_over": records.failed_over,
    "recovery.check_unplanned_failover": unplanned_records.check_unplanned_failover,
    "recovery.unplanned_failover_begins": unplanned_records.unplanned_failover_begins,
    "recovery.failed_over_unplanned": unplanned_records.failed_over_unplanned,
    "recovery.check_point_change": unplanned_records.check_point_change,
    "recovery.point_changed": unplanned_records.point_changed,
    "recovery.check_cancellation": unplanned_records.check_cancellation,
    "recovery.failover_cancelled": unplanned_records.failover_cancelled,
    "recovery.failover_abandoned": unplanned_records.failover_abandoned,
    "recovery.check_commit": records.check_commit,
    "recovery.committed": records.committed,
    "recovery.check_reversal": records.check_reversal,
    "recovery.reversal_begins": records.reversal_begins,
    "recovery.reversed": records.reversed_replication,
    **test_failover.RECORDS,
    **plans.RECORDS,
}

CONDITIONS: Mapping[str, Condition] = {}

# Of the jobs of single machines.
MACHINE_FINISHERS: Mapping[str, Finisher] = {
    planned_failover.SCENARIO: telling_of_starts(records.planned_failover_finished),
    unplanned_failover.SCENARIO: telling_of_starts(unplanned_records.unplanned_failover_finished),
    change_recovery_point.SCENARIO: telling_of_starts(unplanned_records.point_change_finished),
    cancel_failover.SCENARIO: telling_of_starts(unplanned_records.cancellation_finished),
    abandon_failover.SCENARIO: telling_of_starts(unplanned_records.abandoning_finished),
    commit.SCENARIO: records.commit_finished,
    reverse_replication.SCENARIO: records.reversal_finished,
    **test_failover.FINISHERS,
}

FINISHERS: Mapping[str, Finisher] = {
    **MACHINE_FINISHERS,
    **plans.finishers(MACHINE_FINISHERS),
    START_SCENARIO: telling_of_starts(),
}

# By the action of MANUAL steps.
ESCALATIONS: Mapping[str, Escalation] = {}

# By scenario: what brings the object of a failed job back into the operation when it is restarted.
RESTARTERS: Mapping[str, Restarter] = plans.restarters(
    {**restarting.RESTARTERS, **test_failover.RESTARTERS}
)

TASKS: Mapping[str, Callable[..., None]] = {**test_failover.TASKS}

# Of these, the ones that begin by themselves, without arguments, and how often.
PERIODIC: Mapping[str, timedelta] = {**test_failover.PERIODIC}
