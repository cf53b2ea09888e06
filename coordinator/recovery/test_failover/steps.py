"""What the engine may call of test failover."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from coordinator.jobs.registry import Finisher, RecordFunction, Restarter
from coordinator.recovery.test_failover import (
    clean_up,
    network_records,
    planner,
    records,
    restarting,
    watching,
)

RECORDS: Mapping[str, RecordFunction] = {
    "recovery.check_test_failover": records.check_test_failover,
    "recovery.test_machine_made": records.test_machine_made,
    "recovery.test_is_active": records.test_is_active,
    "recovery.check_clean_up": records.check_clean_up,
    "recovery.test_cleaned_up": records.test_cleaned_up,
    "recovery.test_network_created": network_records.test_network_created,
    "recovery.test_network_removed": network_records.test_network_removed,
    "recovery.test_network_known": network_records.test_network_known,
    "recovery.decide_test_network": network_records.decide_test_network,
    "recovery.match_test_adapters": network_records.match_test_adapters,
}

# Of the jobs of single machines.
FINISHERS: Mapping[str, Finisher] = {
    planner.SCENARIO: records.test_failover_finished,
    clean_up.SCENARIO: records.clean_up_finished,
}

RESTARTERS: Mapping[str, Restarter] = {
    planner.SCENARIO: restarting.restart_test_failover,
    clean_up.SCENARIO: restarting.restart_clean_up,
}

TASKS: Mapping[str, Callable[..., None]] = {watching.WATCH_TASK: watching.watch_drills}

PERIODIC: Mapping[str, timedelta] = {watching.WATCH_TASK: watching.WATCH_PERIOD}
