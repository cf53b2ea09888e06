"""What the engine may call of enabling and finalizing, by the names its graphs use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from coordinator.jobs.registry import Finisher, RecordFunction
from coordinator.protection.enabling import finalizing, finalizing_planner, planner, records

RECORDS: Mapping[str, RecordFunction] = {
    "protection.check_machine": records.check_machine,
    "protection.choose_target": records.choose_target,
    "protection.check_existing_replication": records.check_existing_replication,
    "protection.enabled": records.enabled,
    "protection.primary_finalized": records.primary_finalized,
    "protection.recovery_finalized": records.recovery_finalized,
}

FINISHERS: Mapping[str, Finisher] = {
    planner.SCENARIO: records.enabling_finished,
    finalizing_planner.PRIMARY_SCENARIO: records.finalizing_finished,
    finalizing_planner.RECOVERY_SCENARIO: records.finalizing_finished,
}

TASKS: Mapping[str, Callable[..., None]] = {finalizing.FINALIZE_TASK: finalizing.finalize}
