"""What the engine may call of pairing, by the names its graphs use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from coordinator.jobs.registry import Finisher, RecordFunction
from coordinator.protection.pairing import (
    following,
    host_changes_planner,
    planner,
    records,
    renewal,
    renewal_planner,
    retirement,
    unpairing_planner,
    unpairing_records,
)
from coordinator.protection.pairing.keys import RETIRE_TASK

FINISHERS: Mapping[str, Finisher] = {
    planner.SCENARIO: records.pairing_finished,
    unpairing_planner.SCENARIO: unpairing_records.unpairing_finished,
    host_changes_planner.SCENARIO: following.following_finished,
    renewal_planner.RENEW_SCENARIO: renewal.renewal_finished,
    renewal_planner.RETIRE_SCENARIO: retirement.retirement_finished,
}

TASKS: Mapping[str, Callable[..., None]] = {
    following.FOLLOW_HOSTS_TASK: following.follow_all_hosts,
    RETIRE_TASK: retirement.retire_certificates,
    renewal.RENEW_TASK: renewal.renew_due_certificates,
}

PERIODIC: Mapping[str, timedelta] = {
    following.FOLLOW_HOSTS_TASK: timedelta(minutes=1),
    RETIRE_TASK: timedelta(minutes=1),
    renewal.RENEW_TASK: timedelta(hours=1),
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
        "protection.hosts_followed": following.hosts_followed,
        "protection.certificates_switched": renewal.certificates_switched,
        "protection.certificates_removed": retirement.certificates_removed,
        "protection.check_unpairing": unpairing_records.check_unpairing,
        "protection.unpaired": unpairing_records.unpaired,
    }
