"""What the engine may call of pairing, by the names its graphs use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from coordinator.jobs.registry import Finisher, RecordFunction
from coordinator.protection.pairing import planner, records, unpairing_planner, unpairing_records

FINISHERS: Mapping[str, Finisher] = {
    planner.SCENARIO: records.pairing_finished,
    unpairing_planner.SCENARIO: unpairing_records.unpairing_finished,
}


def record_functions(authority_folder: Path) -> Mapping[str, RecordFunction]:
    """The record functions.

    Args:
        authority_folder: Where the replication authority's key and certificate are.
    """
    return {
        "protection.check_hosts": records.check_hosts,
        "protection.check_updates": records.check_updates,
        "protection.issue_certificate": records.issuing(authority_folder),
        "protection.pairing_completed": records.pairing_completed,
        "protection.check_unpairing": unpairing_records.check_unpairing,
        "protection.unpaired": unpairing_records.unpaired,
    }
