"""What the engine may call of the protection domain, by the names its graphs use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from coordinator.jobs.registry import Condition, Finisher, RecordFunction
from coordinator.protection import (
    disabling_planner,
    disabling_records,
    enabling_planner,
    enabling_records,
    finalizing,
    finalizing_planner,
    pairing_planner,
    pairing_records,
    unpairing_planner,
    unpairing_records,
)

CONDITIONS: Mapping[str, Condition] = {}

FINISHERS: Mapping[str, Finisher] = {
    pairing_planner.SCENARIO: pairing_records.pairing_finished,
    unpairing_planner.SCENARIO: unpairing_records.unpairing_finished,
    enabling_planner.SCENARIO: enabling_records.enabling_finished,
    disabling_planner.SCENARIO: disabling_records.disabling_finished,
    finalizing_planner.PRIMARY_SCENARIO: enabling_records.finalizing_finished,
    finalizing_planner.RECOVERY_SCENARIO: enabling_records.finalizing_finished,
}

# Outbox tasks: called with the time and the row's arguments, inside a transaction.
TASKS: Mapping[str, Callable[..., None]] = {finalizing.FINALIZE_TASK: finalizing.finalize}


def records(authority_folder: Path) -> Mapping[str, RecordFunction]:
    """The record functions.

    Args:
        authority_folder: Where the replication authority's key and certificate are.
    """
    return {
        "protection.check_hosts": pairing_records.check_hosts,
        "protection.issue_certificate": pairing_records.issuing(authority_folder),
        "protection.pairing_completed": pairing_records.pairing_completed,
        "protection.check_unpairing": unpairing_records.check_unpairing,
        "protection.unpaired": unpairing_records.unpaired,
        "protection.check_machine": enabling_records.check_machine,
        "protection.choose_target": enabling_records.choose_target,
        "protection.enabled": enabling_records.enabled,
        "protection.primary_finalized": enabling_records.primary_finalized,
        "protection.recovery_finalized": enabling_records.recovery_finalized,
        "protection.check_replica": disabling_records.check_replica,
        "protection.failover_completed": disabling_records.failover_completed,
        "protection.disabled": disabling_records.disabled,
        "protection.removed_from_vault": disabling_records.removed_from_vault,
    }
