"""A failover of one machine as it would begin now, read out of the tables; writes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from coordinator.fabrics.models import Fabric
from coordinator.failures import Failure, RefusedError
from coordinator.protection.models import ProtectedItem
from coordinator.protection.rules import Operation
from coordinator.protection.services import item_lock
from coordinator.protection.states import ActiveLocation, FailoverDirection
from coordinator.recovery.dry_run.facts import RunFacts
from coordinator.recovery.dry_run.looks import last_looks
from coordinator.recovery.dry_run.reading import Going, ReadRun, busy, incapable, with_going
from coordinator.recovery.machines import items_together
from coordinator.recovery.options import PlannedFailoverOptions, UnplannedFailoverOptions
from coordinator.recovery.plans.runs.machines import WITH_NETWORKS
from coordinator.recovery.plans.runs.options import RunOptions
from coordinator.recovery.prepared import PreparedOperation
from coordinator.recovery.services import prepare_planned_failover, prepare_unplanned_failover
from coordinator.recovery.test_failover.services import DrillOptions, prepare_test_failover


def read_single_run(item: ProtectedItem, options: RunOptions, now: datetime) -> ReadRun:
    """Reads a failover of one machine; what would refuse it is a part of what is read."""
    [known] = items_together(
        [item.id], now, with_networks=options.operation in WITH_NETWORKS
    ).values()
    active = ActiveLocation(known.active_location)
    # The one way there is; another that was asked for is refused below.
    way = next(each for each in FailoverDirection if each.source is active)
    prepared: PreparedOperation | None = None
    refused: dict[str, Failure] = {}
    try:
        prepared = _prepare(known, options, now)
    except RefusedError as error:
        refused[str(known.id)] = error.failure
    pairing = known.pairing
    looks = last_looks(
        str(known.id), one_server=pairing.primary_fabric_id == pairing.recovery_fabric_id
    )
    going = Going(
        items=[known],
        way=way,
        source=_fabric(known, active),
        target=_fabric(known, active.other),
        refused=refused,
    )
    at_work, remarks = busy({item_lock(known.id): known.friendly_name})
    unable = () if prepared is None else incapable(prepared.graph)
    facts = RunFacts(plan=known.friendly_name, operation=options.operation, alone=True)
    return ReadRun(
        replace(
            with_going(facts, going, options, looks, now),
            refusals=(*at_work, *unable),
            remarks=remarks,
        ),
        None if prepared is None else prepared.graph,
        looks.at,
    )


def _prepare(item: ProtectedItem, options: RunOptions, now: datetime) -> PreparedOperation:
    if options.operation is Operation.TEST_FAILOVER:
        drill = DrillOptions(
            direction=options.direction,
            network=options.network,
            network_id=options.network_id,
            recovery_tag=options.recovery_tag,
        )
        return prepare_test_failover(item, drill, now)
    if options.operation is Operation.PLANNED_FAILOVER:
        planned = PlannedFailoverOptions(direction=options.direction)
        return prepare_planned_failover(item, planned, now)
    unplanned = UnplannedFailoverOptions(
        direction=options.direction,
        source_site_operations=options.source_site_operations,
        recovery_tag=options.recovery_tag,
    )
    return prepare_unplanned_failover(item, unplanned, now)


def _fabric(item: ProtectedItem, side: ActiveLocation) -> Fabric:
    pairing = item.pairing
    return pairing.primary_fabric if side is ActiveLocation.PRIMARY else pairing.recovery_fabric
