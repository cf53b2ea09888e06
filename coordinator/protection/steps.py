"""What the engine may call of the protection domain: the tables of its families, joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from coordinator.jobs.registry import Condition, Finisher, RecordFunction
from coordinator.protection.capacity import steps as capacity
from coordinator.protection.copy_line import steps as copy_line
from coordinator.protection.disabling import steps as disabling
from coordinator.protection.discovery import steps as discovery
from coordinator.protection.enabling import steps as enabling
from coordinator.protection.from_vmm import steps as from_vmm
from coordinator.protection.inventory_followers import FOLLOW_TASK, follow_inventory
from coordinator.protection.networks import steps as networks
from coordinator.protection.offline import steps as offline
from coordinator.protection.pairing import steps as pairing
from coordinator.protection.policies import steps as policies
from coordinator.protection.replication import steps as replication
from coordinator.protection.roles import steps as roles
from coordinator.protection.storage import steps as storage
from coordinator.protection.sweep import (
    SWEEP_PAIRINGS_TASK,
    SWEEP_PERIOD,
    SWEEP_TASK,
    sweep_items,
    sweep_pairings,
)
from coordinator.protection.unregistering import steps as unregistering

CONDITIONS: Mapping[str, Condition] = {
    **discovery.CONDITIONS,
    **copy_line.CONDITIONS,
    **replication.CONDITIONS,
}

FINISHERS: Mapping[str, Finisher] = {
    **pairing.FINISHERS,
    **policies.FINISHERS,
    **enabling.FINISHERS,
    **offline.FINISHERS,
    **disabling.FINISHERS,
    **capacity.FINISHERS,
    **networks.FINISHERS,
    **roles.FINISHERS,
}

# Outbox tasks: called with the time and the row's arguments, inside a transaction.
TASKS: Mapping[str, Callable[..., None]] = {
    **pairing.TASKS,
    **policies.TASKS,
    **enabling.TASKS,
    **copy_line.TASKS,
    **from_vmm.TASKS,
    **offline.TASKS,
    **capacity.TASKS,
    **networks.TASKS,
    **replication.TASKS,
    **roles.TASKS,
    SWEEP_TASK: sweep_items,
    SWEEP_PAIRINGS_TASK: sweep_pairings,
    FOLLOW_TASK: follow_inventory,
}

# Of these, the ones that begin by themselves, without arguments, and how often.
PERIODIC: Mapping[str, timedelta] = {
    **offline.PERIODIC,
    **pairing.PERIODIC,
    **policies.PERIODIC,
    **copy_line.PERIODIC,
    **from_vmm.PERIODIC,
    **capacity.PERIODIC,
    **networks.PERIODIC,
    **replication.PERIODIC,
    **roles.PERIODIC,
    SWEEP_TASK: SWEEP_PERIOD,
    SWEEP_PAIRINGS_TASK: SWEEP_PERIOD,
}


def records(authority_folder: Path) -> Mapping[str, RecordFunction]:
    """The record functions.

    Args:
        authority_folder: Where the replication authority's key and certificate are.
    """
    return {
        **pairing.record_functions(authority_folder),
        **policies.RECORDS,
        **enabling.RECORDS,
        **copy_line.RECORDS,
        **offline.RECORDS,
        **disabling.RECORDS,
        **discovery.RECORDS,
        **storage.RECORDS,
        **networks.RECORDS,
        **replication.RECORDS,
        **unregistering.RECORDS,
    }
