"""What can be asked of the walk's machine, where it leads, and what may go wrong with it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from coordinator.fabrics.models import FabricObject
from coordinator.jobs.models import Job
from coordinator.protection import services as protection
from coordinator.protection.models import ProtectedItem
from coordinator.protection.operations import Operation
from coordinator.protection.queries import points_of
from coordinator.protection.states import ProtectionState
from coordinator.recovery import services as recovery
from coordinator.recovery.options import (
    ChangePointOptions,
    RecoveryTag,
    UnplannedFailoverOptions,
)
from coordinator.recovery.test_failover.services import (
    DrillOptions,
    NetworkChoice,
    begin_test_failover,
    clean_up_test_failover,
)
from tests.integration.protection.world import ORIGIN
from tests.integration.walks.lab_world import LabWorld
from tests.integration.walks.sites import BEIJING, SHANGHAI, TEST_NETWORK

S = ProtectionState
OPERATIONS = (
    Operation.PLANNED_FAILOVER,
    Operation.UNPLANNED_FAILOVER,
    Operation.CHANGE_PIT,
    Operation.COMMIT,
    Operation.CANCEL_FAILOVER,
    Operation.ABANDON_FAILOVER,
    Operation.REVERSE_REPLICATE,
    Operation.TEST_FAILOVER,
    Operation.TEST_FAILOVER_CLEANUP,
)
# The state after an operation that ends well; a test changes nothing of what the machine is.
LEADS_TO: Mapping[Operation, ProtectionState] = {
    Operation.PLANNED_FAILOVER: S.COMMIT_PENDING,
    Operation.UNPLANNED_FAILOVER: S.UNPLANNED_COMMIT_PENDING,
    Operation.CHANGE_PIT: S.UNPLANNED_COMMIT_PENDING,
    Operation.COMMIT: S.COMMITTED,
    Operation.CANCEL_FAILOVER: S.PROTECTED,
    Operation.ABANDON_FAILOVER: S.FAILOVER_ABANDONED,
    Operation.REVERSE_REPLICATE: S.PROTECTED,
}
# Cmdlets with which each changes something.
CMDLETS: Mapping[Operation, tuple[str, ...]] = {
    Operation.PLANNED_FAILOVER: ("Stop-VM", "Start-VMFailover", "Start-VM"),
    Operation.UNPLANNED_FAILOVER: ("Stop-VM", "Start-VMFailover", "Start-VM"),
    Operation.CHANGE_PIT: ("Stop-VMFailover", "Start-VMFailover", "Start-VM"),
    Operation.COMMIT: ("Complete-VMFailover",),
    Operation.CANCEL_FAILOVER: ("Stop-VMFailover", "Start-VM", "Resume-VMReplication"),
    Operation.ABANDON_FAILOVER: ("Stop-VM", "Stop-VMFailover", "Start-VM"),
    Operation.REVERSE_REPLICATE: (
        "Complete-VMFailover",
        "Set-VMReplication",
        "Start-VMInitialReplication",
        "Test-VMReplicationConnection",
    ),
    Operation.TEST_FAILOVER: ("Start-VMFailover", "Start-VM", "New-SCVMNetwork"),
    Operation.TEST_FAILOVER_CLEANUP: ("Stop-VMFailover", "Stop-VM", "Remove-SCVMNetwork"),
}


@dataclass(frozen=True)
class Request:
    """An operation with its options.

    Attributes:
        told: For people.
        begin: Begins its job, or is refused.
    """

    operation: Operation
    told: str
    begin: Callable[[], Job]


def random_request(world: LabWorld, operation: Operation, chance: random.Random) -> Request:
    """An operation with options that are possible now."""
    item = world.item()
    tag, point = _choice(item, chance)
    chosen = point or tag
    match operation:
        case Operation.PLANNED_FAILOVER:
            return Request(
                operation,
                "planned",
                lambda: recovery.planned_failover(item, None, ORIGIN, world.now),
            )
        case Operation.UNPLANNED_FAILOVER:
            unplanned = UnplannedFailoverOptions(
                source_site_operations=chance.random() < 0.5,
                recovery_tag=tag,
                recovery_point_id=point,
            )
            with_source = " with source" if unplanned.source_site_operations else ""
            return Request(
                operation,
                f"unplanned to {chosen}{with_source}",
                lambda: recovery.unplanned_failover(item, unplanned, ORIGIN, world.now),
            )
        case Operation.CHANGE_PIT:
            change = ChangePointOptions(recovery_tag=tag, recovery_point_id=point)
            return Request(
                operation,
                f"change point to {chosen}",
                lambda: recovery.change_recovery_point(item, change, ORIGIN, world.now),
            )
        case Operation.TEST_FAILOVER:
            drill = _drill(item, chance, tag, point)
            return Request(
                operation,
                f"test {drill.network} at {chosen}",
                lambda: begin_test_failover(item, drill, ORIGIN, world.now),
            )
    return Request(operation, str(operation), _plain(world, item, operation))


def _plain(world: LabWorld, item: ProtectedItem, operation: Operation) -> Callable[[], Job]:
    """Operations without options."""
    return {
        Operation.COMMIT: lambda: recovery.commit_failover(item, ORIGIN, world.now),
        Operation.CANCEL_FAILOVER: lambda: recovery.cancel_failover(item, ORIGIN, world.now),
        Operation.ABANDON_FAILOVER: lambda: recovery.abandon_failover(item, ORIGIN, world.now),
        Operation.REVERSE_REPLICATE: lambda: recovery.reverse_replicate(item, ORIGIN, world.now),
        Operation.TEST_FAILOVER_CLEANUP: lambda: clean_up_test_failover(
            item, "Seen.", ORIGIN, world.now
        ),
        Operation.DISABLE_PROTECTION: lambda: protection.disable_protection(
            item, ORIGIN, world.now
        ),
    }[operation]


def _choice(item: ProtectedItem, chance: random.Random) -> tuple[RecoveryTag, str]:
    """A tag, and now and then one of the points there are instead."""
    points = [row.point_id for row in points_of(item)]
    if points and chance.random() < 0.4:
        return RecoveryTag.LATEST, chance.choice(points)
    return chance.choice([RecoveryTag.LATEST, RecoveryTag.LATEST_CRASH_CONSISTENT]), ""


def _drill(
    item: ProtectedItem, chance: random.Random, tag: RecoveryTag, point: str
) -> DrillOptions:
    network = chance.choice(list(NetworkChoice))
    kind, name = {
        NetworkChoice.NONE: ("", ""),
        NetworkChoice.EXISTING: ("vm_network", TEST_NETWORK),
        NetworkChoice.CREATED: ("logical_network", "Isolated"),
    }[network]
    there = BEIJING if item.active_location == "Primary" else SHANGHAI
    found = FabricObject.objects.filter(
        fabric__vault=item.vault_id, fabric__name=there, kind=kind, name=name, gone_at=None
    ).first()
    return DrillOptions(
        network=network,
        network_id="" if found is None else found.external_id,
        recovery_tag=tag,
        recovery_point_id=point,
    )
