"""What the engine may call of disabling, by the names its graphs use."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.jobs.registry import Finisher, RecordFunction
from coordinator.protection.disabling import planner, records

RECORDS: Mapping[str, RecordFunction] = {
    "protection.check_replica": records.check_replica,
    "protection.failover_completed": records.failover_completed,
    "protection.disabled": records.disabled,
    "protection.removed_from_vault": records.removed_from_vault,
}

FINISHERS: Mapping[str, Finisher] = {planner.SCENARIO: records.disabling_finished}
