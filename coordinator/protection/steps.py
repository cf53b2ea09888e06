"""What the engine may call of the protection domain: the tables of its families, joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from coordinator.jobs.registry import Condition, Finisher, RecordFunction
from coordinator.protection.copy_line import steps as copy_line
from coordinator.protection.disabling import steps as disabling
from coordinator.protection.discovery import steps as discovery
from coordinator.protection.enabling import steps as enabling
from coordinator.protection.inventory_followers import FOLLOW_TASK, follow_inventory
from coordinator.protection.pairing import steps as pairing
from coordinator.protection.storage import steps as storage

CONDITIONS: Mapping[str, Condition] = {**discovery.CONDITIONS, **copy_line.CONDITIONS}

FINISHERS: Mapping[str, Finisher] = {
    **pairing.FINISHERS,
    **enabling.FINISHERS,
    **disabling.FINISHERS,
}

# Outbox tasks: called with the time and the row's arguments, inside a transaction.
TASKS: Mapping[str, Callable[..., None]] = {
    **pairing.TASKS,
    **enabling.TASKS,
    **copy_line.TASKS,
    FOLLOW_TASK: follow_inventory,
}

# Of these, the ones that begin by themselves, without arguments, and how often.
PERIODIC: Mapping[str, timedelta] = {**pairing.PERIODIC, **copy_line.PERIODIC}


def records(authority_folder: Path) -> Mapping[str, RecordFunction]:
    """The record functions.

    Args:
        authority_folder: Where the replication authority's key and certificate are.
    """
    return {
        **pairing.record_functions(authority_folder),
        **enabling.RECORDS,
        **copy_line.RECORDS,
        **disabling.RECORDS,
        **discovery.RECORDS,
        **storage.RECORDS,
    }
