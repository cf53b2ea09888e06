"""How items come into a test and into its clean-up: one by one, or all of a plan at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from coordinator.failures import RefusedError, refuse
from coordinator.protection.models import ProtectedItem
from coordinator.protection.services import record_drill_states
from coordinator.protection.states import DrillState
from coordinator.recovery.models import Drill, DrillNetwork
from coordinator.recovery.prepared import PreparedOperation

BATCH = 500


@dataclass(frozen=True)
class DrillEntry:
    """What brings an item into a test.

    Attributes:
        seen: The item as the test was prepared for it.
        drill: The row to write.
        network: The row of the network that the job makes; None: it makes none.
    """

    seen: ProtectedItem
    drill: Drill
    network: DrillNetwork | None

    def __call__(self) -> None:
        """Raises RefusedError, OperationNotAllowed (409): the item has changed."""
        _enter_tests([self])


@dataclass(frozen=True)
class CleanUpEntry:
    """What brings an item into the clean-up of its test."""

    item_id: UUID

    def __call__(self) -> None:
        """Raises RefusedError, OperationNotAllowed (409): it has been cleaned up meanwhile."""
        _enter_clean_ups([self])


def enter_drills(operations: Iterable[PreparedOperation]) -> None:
    """Moves many items into their tests or clean-ups, as `PreparedOperation.enter` does one.

    Raises:
        RefusedError: An item has changed since its operation was prepared.
    """
    entries = [operation.enter for operation in operations]
    _enter_tests([entry for entry in entries if isinstance(entry, DrillEntry)])
    _enter_clean_ups([entry for entry in entries if isinstance(entry, CleanUpEntry)])


def _enter_tests(entries: Collection[DrillEntry]) -> None:
    items = record_drill_states([entry.seen.id for entry in entries], DrillState.IN_PROGRESS)
    for entry in entries:
        seen, before = entry.seen, items.get(entry.seen.id)
        if before is None or before[0] != seen.test_failover_state:
            raise _changed(seen.friendly_name)
        if (before[1].state, before[1].role_epoch) != (seen.state, seen.role_epoch):
            raise _changed(seen.friendly_name)
    networks = [entry.network for entry in entries if entry.network is not None]
    DrillNetwork.objects.bulk_create(networks, batch_size=BATCH)
    Drill.objects.bulk_create([entry.drill for entry in entries], batch_size=BATCH)


def _enter_clean_ups(entries: Collection[CleanUpEntry]) -> None:
    items = record_drill_states([entry.item_id for entry in entries], DrillState.CLEANING_UP)
    for before, item in items.values():
        if before is DrillState.NONE:
            raise _changed(item.friendly_name)


def _changed(name: str) -> RefusedError:
    return refuse(
        "OperationNotAllowed",
        f"{name} changed while its test failover was asked for.",
        causes=["Somebody tested it, failed it over or cleaned up in the same moment."],
        action="Look at the item's state, then try again.",
        status=409,
    )
