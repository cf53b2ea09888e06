"""The row of a machine's test failover while it lasts."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from coordinator.recovery.models import Drill, DrillNetwork
from coordinator.recovery.test_failover.network_steps import MadeNetwork


def item_id(arguments: Mapping[str, object]) -> str:
    """The item of a job, by its arguments."""
    return str(arguments["item_id"])


def open_drill(arguments: Mapping[str, object]) -> Drill:
    """The test of a job's item, locked.

    Raises:
        Drill.DoesNotExist: There is none: a fault of the program.
    """
    return Drill.objects.select_for_update(of=("self",)).get(
        item_id=UUID(item_id(arguments)), ended_at=None
    )


def leftover_key(drill_id: UUID) -> str:
    """Key of the event that tells of a test virtual machine nobody cleaned up."""
    return f"test-failover:{drill_id}"


def made_network(row: DrillNetwork, provider_id: str) -> MadeNetwork:
    """A network that was, or is to be, made for tests, as steps need it."""
    return MadeNetwork(
        row_id=str(row.id),
        provider_id=provider_id,
        name=row.name,
        description=row.description,
    )
