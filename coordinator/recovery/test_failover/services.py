"""Test failover of single machines and its clean-up, each prepared, and begun as a job of its own.

Recovery plans prepare those of their machines here too; a network that is made for a plan's test is
made once, by the plan's own job.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import JobTarget
from coordinator.protection.models import ProtectedItem
from coordinator.protection.rules import Operation
from coordinator.protection.services import (
    RequestOrigin,
    item_lock,
)
from coordinator.protection.states import ActiveLocation
from coordinator.recovery.directions import check_direction
from coordinator.recovery.machines import snapshot
from coordinator.recovery.models import Drill, DrillNetwork
from coordinator.recovery.prepared import PreparedOperation, begin_once, checked_item
from coordinator.recovery.snapshot import MachineSnapshot
from coordinator.recovery.test_failover import clean_up, planner
from coordinator.recovery.test_failover.choosing import (
    SharedNetwork,
    Surroundings,
    check_choice,
    existing_network,
    new_network,
)
from coordinator.recovery.test_failover.clean_up import CleanUpPlan, ReservedAddress
from coordinator.recovery.test_failover.drills import made_network
from coordinator.recovery.test_failover.entering import CleanUpEntry, DrillEntry
from coordinator.recovery.test_failover.options import DrillOptions, NetworkChoice
from coordinator.recovery.test_failover.planner import DrillPlan
from coordinator.recovery.test_failover.rules import production_failure
from coordinator.recovery.test_failover.states import DrillOutcome
from coordinator.recovery.unplanned_services import check_point

__all__ = [
    "DrillOptions",
    "NetworkChoice",
    "SharedNetwork",
    "Surroundings",
    "begin_test_failover",
    "clean_up_test_failover",
    "new_network",
    "prepare_clean_up",
    "prepare_test_failover",
    "used_up_networks",
]


def prepare_test_failover(
    item: ProtectedItem,
    options: DrillOptions,
    now: datetime,
    *,
    around: Surroundings | None = None,
    shared: SharedNetwork | None = None,
) -> PreparedOperation:
    """Checks and plans the test of a machine; writes nothing.

    Args:
        item: The protected item.
        options: How.
        now: Time of the request.
        around: What the tests of several machines read once.
        shared: The network that the job around this one makes; its row is in the database when
            the operation is entered.

    Raises:
        RefusedError: 532 while a job runs on the item; OperationNotAllowed (409) with what would
            allow it; FailoverDirectionNotPossible (409); RecoveryPointNotFound (400) naming those
            there are; what `existing_network` and `new_network` refuse; TestNetworkIsProduction
            (409) while the machine is not off.

    Source: SPEC FO-1, FO-6.
    """
    check_choice(options)
    fresh = checked_item(item, Operation.TEST_FAILOVER)
    check_direction(fresh, options.direction)
    check_point(fresh, options.recovery_tag, options.recovery_point_id)
    around = around or Surroundings()
    machine = snapshot(fresh, now)
    plan = DrillPlan(
        machine=machine,
        network=options.network,
        tag=options.recovery_tag,
        point_id=options.recovery_point_id,
    )
    drill = _drill(fresh, options, machine, now)
    row = None
    if options.network is not NetworkChoice.NONE:
        adapters = len(around.adapters(fresh))
        if options.network is NetworkChoice.EXISTING:
            network, pools = existing_network(fresh, options, around)
            production = around.is_production(fresh, network)
            if production:
                _refuse_running(fresh, machine, network.name)
            drill.network_id, drill.network = network.id, network.name
            plan = _with(plan, adapters, pools=pools, production=production)
        else:
            own = shared or new_network(fresh.friendly_name, [fresh], options, around, now)
            row = own.row if shared is None else None
            drill.made_network_id, drill.network = own.row.id, own.row.name
            plan = _with(plan, adapters, made=own, creates=shared is None)
    return PreparedOperation(
        scenario=planner.SCENARIO,
        friendly_name=planner.FRIENDLY_NAME,
        vault_id=fresh.vault_id,
        target=JobTarget("ProtectionEntity", str(fresh.id), fresh.friendly_name),
        graph=planner.plan_test_failover(plan),
        locks=(item_lock(fresh.id),),
        arguments={"item_id": str(fresh.id)},
        enter=DrillEntry(fresh, drill, row),
    )


def prepare_clean_up(
    item: ProtectedItem,
    comments: str,
    now: datetime,
    *,
    kept_networks: Collection[UUID] = (),
    drill: Drill | None = None,
) -> PreparedOperation:
    """Checks and plans the clean-up of a machine's test; writes nothing.

    Args:
        item: The protected item.
        comments: What whoever cleans up has to say; kept with the test.
        now: Time of the request.
        kept_networks: Networks made for tests that the job around this one removes.
        drill: Its test, with the network that was made for it, if that has been read already.

    Raises:
        RefusedError: 532 while a job runs on the item; OperationNotAllowed (409): there is nothing
            to clean up.

    Source: SPEC FO-1, FO-6.
    """
    fresh = checked_item(item, Operation.TEST_FAILOVER_CLEANUP)
    if drill is None:
        drill = Drill.objects.select_related("made_network").get(item=fresh, ended_at=None)
    machine = snapshot(fresh, now)
    network = drill.made_network
    used_up = (
        network is not None
        and network.removed_at is None
        and network.id not in kept_networks
        and not _used_by_others(network, [drill.id])
    )
    reserved = tuple(
        ReservedAddress(str(each["adapter"]), str(each["pool"]), str(each["address"]))
        for each in drill.adapters
        if each["adapter"] and each["pool"]
    )
    plan = CleanUpPlan(
        machine=machine,
        reserved=reserved,
        network=(
            made_network(network, machine.passive.provider_id)
            if network is not None and used_up
            else None
        ),
    )
    return PreparedOperation(
        scenario=clean_up.SCENARIO,
        friendly_name=clean_up.FRIENDLY_NAME,
        vault_id=fresh.vault_id,
        target=JobTarget("ProtectionEntity", str(fresh.id), fresh.friendly_name),
        graph=clean_up.plan_clean_up(plan),
        locks=(item_lock(fresh.id),),
        arguments={"item_id": str(fresh.id), "comments": comments},
        enter=CleanUpEntry(fresh.id),
    )


def begin_test_failover(
    item: ProtectedItem, options: DrillOptions, origin: RequestOrigin, now: datetime
) -> Job:
    """Tests a machine: makes a test virtual machine of its replica and starts it.

    Args:
        item: The protected item.
        options: How.
        origin: Who asks.
        now: Time of the request.

    Raises:
        RefusedError: As `prepare_test_failover`.

    Idempotent: By the origin's client request id.

    Source: SPEC FO-1, FO-6.
    """
    return begin_once(
        item,
        planner.SCENARIO,
        lambda: prepare_test_failover(item, options, now),
        origin,
        now,
    )


def clean_up_test_failover(
    item: ProtectedItem, comments: str, origin: RequestOrigin, now: datetime
) -> Job:
    """Removes what a test made; only then the test counts.

    Raises:
        RefusedError: As `prepare_clean_up`.

    Idempotent: By the origin's client request id.

    Source: SPEC FO-1, FO-6.
    """
    return begin_once(
        item, clean_up.SCENARIO, lambda: prepare_clean_up(item, comments, now), origin, now
    )


def used_up_networks(drills: Collection[Drill]) -> list[DrillNetwork]:
    """Networks made for tests that no other test uses than these.

    Args:
        drills: That end together.
    """
    own = [drill.id for drill in drills]
    rows = DrillNetwork.objects.filter(drills__in=own, removed_at=None).distinct()
    return [row for row in rows.select_related("fabric") if not _used_by_others(row, own)]


def _used_by_others(network: DrillNetwork, own: Collection[UUID]) -> bool:
    return network.drills.filter(ended_at=None).exclude(id__in=own).exists()


def _with(
    plan: DrillPlan,
    adapters: int,
    *,
    pools: tuple[str, ...] = (),
    production: bool = False,
    made: SharedNetwork | None = None,
    creates: bool = False,
) -> DrillPlan:
    provider_id = plan.machine.passive.provider_id
    return DrillPlan(
        machine=plan.machine,
        network=plan.network,
        pools=pools,
        made=None if made is None else made_network(made.row, provider_id),
        draft=made.draft if made is not None and creates else None,
        adapters=adapters,
        production=production,
        tag=plan.tag,
        point_id=plan.point_id,
    )


def _drill(
    item: ProtectedItem, options: DrillOptions, machine: MachineSnapshot, now: datetime
) -> Drill:
    return Drill(
        vault_id=item.vault_id,
        item=item,
        item_name=item.friendly_name,
        location=ActiveLocation(item.active_location).other,
        host=machine.passive.host,
        network_type=options.network,
        outcome=DrillOutcome.IN_PROGRESS,
        started_at=now,
    )


def _refuse_running(item: ProtectedItem, machine: MachineSnapshot, network: str) -> None:
    """By what is known; the job looks again."""
    side = item.side(item.active_location)
    seen = "" if side is None else side.wire().vm_state
    failure = production_failure(item.friendly_name, network, seen)
    if failure is not None and seen != "Off":
        raise RefusedError(failure, status=409)
    if not machine.active.connected:
        raise refuse(
            "SourceNotConnected",
            f"{network} is a production network, and whether {item.friendly_name} is off cannot "
            "be made sure of: the server of the side it runs on is not connected.",
            causes=["The provider's service is stopped, or its server is down."],
            action="Choose a network that is isolated from production, or wait until the server "
            "is connected.",
            status=409,
        )
