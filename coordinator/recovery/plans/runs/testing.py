"""What a test of a plan makes for all its machines, and what its clean-up removes after them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from coordinator.fabrics.queries import provider_for_fabric
from coordinator.protection.models import ProtectedItem
from coordinator.protection.rules import Operation
from coordinator.recovery.models import Drill, DrillNetwork
from coordinator.recovery.plans.runs.options import RunOptions
from coordinator.recovery.plans.runs.phases import END_TASK, ENVIRONMENT_TASK
from coordinator.recovery.plans.runs.requests import Environment
from coordinator.recovery.prepared import PreparedOperation
from coordinator.recovery.test_failover.drills import made_network
from coordinator.recovery.test_failover.entering import enter_drills
from coordinator.recovery.test_failover.network_steps import creation_steps, removal_steps
from coordinator.recovery.test_failover.services import (
    DrillOptions,
    NetworkChoice,
    SharedNetwork,
    Surroundings,
    new_network,
    prepare_clean_up,
    prepare_test_failover,
    used_up_networks,
)

TESTS = frozenset({Operation.TEST_FAILOVER, Operation.TEST_FAILOVER_CLEANUP})


@dataclass(frozen=True)
class DrillRun:
    """The tests of a plan's machines, or their clean-up.

    Attributes:
        environment: Steps of the plan's own job.
        shared: The network that it makes; its row is not in the database yet.
    """

    options: RunOptions
    around: Surroundings = field(default_factory=Surroundings)
    environment: Environment = field(default_factory=Environment)
    shared: SharedNetwork | None = None
    kept: frozenset[UUID] = frozenset()
    drills: Mapping[UUID, Drill] = field(default_factory=dict)

    def prepare(self, item: ProtectedItem, now: datetime) -> PreparedOperation:
        """The operation of one machine.

        Raises:
            RefusedError: As the preparation of one machine.
        """
        if self.options.operation is Operation.TEST_FAILOVER_CLEANUP:
            return prepare_clean_up(
                item,
                self.options.comments,
                now,
                kept_networks=self.kept,
                drill=self.drills.get(item.id),
            )
        return prepare_test_failover(
            item, _options(self.options), now, around=self.around, shared=self.shared
        )

    def enter(self, operations: Collection[PreparedOperation]) -> None:
        """Moves the items into their tests or clean-ups; the row of the network comes first.

        Raises:
            RefusedError: An item has changed since its operation was prepared.
        """
        if self.shared is not None:
            self.shared.row.save(force_insert=True)
        enter_drills(operations)


def testing_of_run(
    plan_name: str, options: RunOptions, items: Collection[ProtectedItem], now: datetime
) -> DrillRun:
    """What a run has to do about tests; nothing when it is none.

    Args:
        plan_name: Of the plan.
        options: How it runs.
        items: The machines that take part.
        now: The time.

    Raises:
        RefusedError: As `new_network`.
    """
    if options.operation is Operation.TEST_FAILOVER_CLEANUP:
        return _clean_up(options, items)
    if options.operation not in TESTS:
        return DrillRun(options)
    around = Surroundings.of(items)
    if options.network is not NetworkChoice.CREATED or not items:
        return DrillRun(options, around)
    shared = new_network(plan_name, items, _options(options), around, now)
    made = made_network(shared.row, _provider_id(shared.row))
    steps = creation_steps(made, shared.draft, ENVIRONMENT_TASK)
    return DrillRun(options, around, Environment(steps=steps), shared)


def _clean_up(options: RunOptions, items: Collection[ProtectedItem]) -> DrillRun:
    rows = Drill.objects.filter(item__in=items, ended_at=None).select_related("made_network")
    drills = {drill.item_id: drill for drill in rows if drill.item_id is not None}
    networks = used_up_networks(list(drills.values()))
    removal = tuple(
        step
        for number, row in enumerate(networks)
        for step in removal_steps(
            made_network(row, _provider_id(row)), END_TASK, key=f"network-{number}"
        )
    )
    kept = frozenset(row.id for row in networks)
    return DrillRun(options, environment=Environment(removal=removal), kept=kept, drills=drills)


def _options(options: RunOptions) -> DrillOptions:
    return DrillOptions(
        direction=options.direction,
        network=options.network,
        network_id=options.network_id,
        recovery_tag=options.recovery_tag,
    )


def _provider_id(row: DrillNetwork) -> str:
    provider = provider_for_fabric(row.fabric_id)
    return "" if provider is None else str(provider.id)
