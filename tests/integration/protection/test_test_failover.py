"""Test failover and clean-up: networks, addresses, notes, what a failure leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from opensiterecovery.provider.v1 import inventory_pb2

from coordinator.events.models import Event
from coordinator.fabrics.models import FabricObject
from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.queries import job_view
from coordinator.jobs.services import cancel_job, restart_job
from coordinator.jobs.states import JobState
from coordinator.protection.models import RecoveryPoint
from coordinator.protection.states import DrillState, FailoverDirection
from coordinator.recovery import services as recovery
from coordinator.recovery.models import Drill, DrillNetwork
from coordinator.recovery.steps import RESTARTERS
from coordinator.recovery.test_failover.choosing import UNUSED_FOR
from coordinator.recovery.test_failover.options import DrillOptions, NetworkChoice
from coordinator.recovery.test_failover.services import begin_test_failover, clean_up_test_failover
from coordinator.recovery.test_failover.watching import watch_drills
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.fake_tests import machine_of_test
from tests.integration.protection.network_stage import RECOVERY_HOST, Stage, details, refused
from tests.integration.protection.world import ORIGIN, World

pytestmark = pytest.mark.django_db

VIRTUAL = "lnv"


def begin(world: World, **options: object) -> Job:
    with transaction.atomic():
        return begin_test_failover(
            world.item(),
            DrillOptions(**options),  # type: ignore[arg-type]  # each of its own type
            ORIGIN,
            world.now,
        )


def drill(world: World, **options: object) -> Job:
    job = begin(world, **options)
    world.turn()
    job.refresh_from_db()
    return job


def clean_up(world: World, comments: str = "") -> Job:
    with transaction.atomic():
        job = clean_up_test_failover(world.item(), comments, ORIGIN, world.now)
    world.turn()
    job.refresh_from_db()
    return job


def well(job: Job) -> Job:
    assert job.state == JobState.SUCCEEDED, job_view(job).errors
    return job


def machine_id(world: World) -> str:
    return machine_of_test(RECOVERY_HOST, world.item().vm_id)


def add_network(
    stage: Stage, key: str, isolation: str, *, pool: bool, fabric: str = "beijing"
) -> None:
    """A VM network with one subnet at a site, on a logical network of its own."""
    place = stage.world.fabric(f"vmm-{fabric}")
    network = inventory_pb2.VmNetwork(
        id=key, name=f"Network {key}", logical_network=f"Logical {key}", isolation_type=isolation
    )
    network.subnets.add(id=f"{key}-front", name="Frontend", subnets=["192.168.7.0/24"])
    logical = inventory_pb2.LogicalNetwork(
        id=f"ln-{key}",
        name=f"Logical {key}",
        network_virtualization=isolation == "WindowsNetworkVirtualization",
    )
    messages: list[tuple[str, inventory_pb2.VmNetwork | inventory_pb2.LogicalNetwork]] = [
        ("vm_network", network),
        ("logical_network", logical),
    ]
    for kind, message in messages:
        FabricObject.objects.create(
            vault=stage.world.vault,
            fabric=place,
            kind=kind,
            external_id=message.id,
            name=message.name,
            details=details(message),
        )
    if pool:
        told = inventory_pb2.StaticAddressPool(
            id=f"{key}-pool",
            name=f"Pool {key}",
            subnet="192.168.7.0/24",
            vm_subnet_id=f"{key}-front",
            first_address="192.168.7.10",
            last_address="192.168.7.12",
        )
        FabricObject.objects.create(
            vault=stage.world.vault,
            fabric=place,
            kind="static_address_pool",
            external_id=told.id,
            name=told.name,
            details=details(told),
        )


@pytest.mark.spec("FO-1")
def test_a_drill_counts_only_after_its_clean_up_and_keeps_the_notes(world: World) -> None:
    world.protect()
    before = world.item()
    job = well(drill(world))
    assert [(task.name, task.state) for task in job_view(job).tasks] == [
        ("VmTfoPrerequisitesCheck", "Succeeded"),
        ("VmTfoInitiateFailover", "Succeeded"),
        ("VmTfoPrepareTestVm", "Skipped"),
        ("VmTfoBootTestVm", "Succeeded"),
    ]
    item = world.item()
    assert (item.test_failover_state, item.last_test_failover_at) == (DrillState.ACTIVE, None)
    assert (item.state, item.role_epoch) == (before.state, before.role_epoch)
    assert world.hyperv.copies[RECOVERY_HOST, machine_id(world)].vm_state == "Running"
    assert world.hyperv.copies[item.primary_host, item.vm_id].vm_state == "Running"
    active_at = Drill.objects.get().active_at
    job = well(clean_up(world, "It came up in 2 minutes."))
    assert [task.name for task in job_view(job).tasks] == [
        "VmTfoCleanupPreflightsCheck",
        "VmTfoEndFailover",
        "VmTfoDeleteTestVm",
    ]
    item = world.item()
    assert (item.test_failover_state, item.last_test_failover_at) == (DrillState.NONE, active_at)
    row = Drill.objects.get()
    assert (row.outcome, row.notes) == ("Completed", "It came up in 2 minutes.")
    assert (RECOVERY_HOST, machine_id(world)) not in world.hyperv.copies
    assert not OperationLock.objects.exists()


@pytest.mark.spec("FO-1", "FO-6")
def test_while_a_test_machine_exists_failovers_are_refused_and_say_clean_up(world: World) -> None:
    world.protect()
    with refused("OperationNotAllowed"):
        clean_up(world)
    well(drill(world))
    with refused("OperationNotAllowed") as real:
        recovery.planned_failover(world.item(), None, ORIGIN, world.now)
    with refused("OperationNotAllowed") as second:
        begin(world)
    for error in (real, second):
        assert "Clean up" in error.value.failure.recommended_action
    well(clean_up(world))
    with transaction.atomic():
        job = recovery.planned_failover(world.item(), None, ORIGIN, world.now)
    world.turn()
    job.refresh_from_db()
    well(job)


@pytest.mark.spec("FO-1", "NW-8")
def test_in_an_existing_network_the_machine_has_the_address_a_failover_would_give_if_free(
    stage: Stage,
) -> None:
    world = stage.world
    world.protect()
    stage.map("bj1")
    world.turn()
    address = stage.row.address
    add_network(stage, "drill", "NoIsolation", pool=True)
    # Of another range than the replica's: the next free one.
    world.hyperv.networks.allocated["drill-pool"] = {"192.168.7.10": "somebody"}
    well(drill(world, network=NetworkChoice.EXISTING, network_id="DRILL"))
    [adapter] = world.hyperv.networks.on(RECOVERY_HOST, machine_id(world))
    assert (adapter.vm_network_id, adapter.vm_subnet_id) == ("drill", "drill-front")
    assert stage.allocated("drill-pool") == ["192.168.7.10", "192.168.7.11"]
    # The replica keeps its own network and address, and nothing is left to be injected.
    assert stage.replica.vm_network_id == "bj1"
    assert stage.allocated("bj1-pool") == [address]
    written = [line for line in world.hyperv.networks.done if line.startswith("write")]
    assert written[-2:] == ["write 192.168.7.11", "write "]
    well(clean_up(world))
    assert stage.allocated("drill-pool") == ["192.168.7.10"]


@pytest.mark.spec("FO-1", "NW-8")
def test_the_same_address_is_given_when_the_pool_has_it_free(stage: Stage) -> None:
    world = stage.world
    world.protect()
    stage.map("bj1")
    world.turn()
    well(drill(world, network=NetworkChoice.EXISTING, network_id="bj2"))
    # bj2's range does not have it: the first free one.
    assert stage.allocated("bj2-pool") == ["10.2.2.10"]
    well(clean_up(world))
    pool = FabricObject.objects.get(external_id="bj2-pool")
    pool.details |= {"first_address": "10.2.1.5", "last_address": "10.2.1.30"}
    pool.save()
    well(drill(world, network=NetworkChoice.EXISTING, network_id="bj2"))
    assert stage.allocated("bj2-pool") == [stage.row.address]
    well(clean_up(world))


@pytest.mark.spec("FO-1")
def test_a_virtualized_network_is_made_of_the_replicas_subnets_and_removed_after_the_test(
    stage: Stage,
) -> None:
    world = stage.world
    world.protect()
    add_network(stage, "virtual", "WindowsNetworkVirtualization", pool=True)
    stage.associate("GoldCloud2", 1, 2)
    cloud = world.cloud("GoldCloud2")
    cloud.details["logical_networks"].append("Logical virtual")
    cloud.save()
    stage.map("virtual")
    world.turn()
    stage.attach_pending()
    assert stage.row.target_network_id == "virtual"
    job = well(drill(world, network=NetworkChoice.CREATED, network_id="ln-virtual"))
    [(name, made)] = world.hyperv.test_networks.items()
    assert name.startswith("GoldVM1 - Test ")
    [subnet] = made.subnets
    assert subnet.subnet == "192.168.7.0/24"
    assert [pool.first_address for pool in subnet.pools] == ["192.168.7.10"]
    [adapter] = world.hyperv.networks.on(RECOVERY_HOST, machine_id(world))
    assert adapter.vm_network_id == f"id of {name}"
    row = Drill.objects.get(job_id=job.id)
    assert row.network == name
    # The network is another one, so that the address is the replica's own.
    assert row.adapters[0]["guest_address"] == stage.row.address
    well(clean_up(world))
    assert world.hyperv.test_networks == {}
    assert DrillNetwork.objects.get().removed_at is not None


@pytest.mark.spec("FO-1")
def test_networks_that_cannot_be_a_tests_are_refused_before_anything_begins(stage: Stage) -> None:
    world = stage.world
    world.protect()
    stage.map("bj1")
    world.turn()
    add_network(stage, "virtual", "WindowsNetworkVirtualization", pool=True)
    cases: list[tuple[str, dict[str, object]]] = [
        ("TestNetworkMissing", {"network": NetworkChoice.EXISTING}),
        ("TestNetworkNotFound", {"network": NetworkChoice.EXISTING, "network_id": "sh1"}),
        ("TestNetworkNotFound", {"network": NetworkChoice.CREATED, "network_id": "none"}),
        ("TestNetworkNotPossible", {"network": NetworkChoice.EXISTING, "network_id": "virtual"}),
        ("TestNetworkNotPossible", {"network": NetworkChoice.CREATED, "network_id": "ln-virtual"}),
        ("TestNetworkIsProduction", {"network": NetworkChoice.EXISTING, "network_id": "bj1"}),
        ("FailoverDirectionNotPossible", {"direction": FailoverDirection.RECOVERY_TO_PRIMARY}),
        ("RecoveryPointNotFound", {"recovery_point_id": "gone"}),
    ]
    for code, options in cases:
        with refused(code) as error:
            begin(world, **options)
        assert error.value.failure.recommended_action
    assert not Drill.objects.exists()
    assert not DrillNetwork.objects.exists()


@pytest.mark.spec("FO-1")
def test_productions_network_can_be_used_while_the_machine_is_off(stage: Stage) -> None:
    world = stage.world
    world.protect()
    stage.map("bj1")
    world.turn()
    item = world.item()
    world.hyperv.copies[item.primary_host, item.vm_id].vm_state = "Off"
    world.report()
    job = well(drill(world, network=NetworkChoice.EXISTING, network_id="bj1"))
    # VMM keeps the address for the replica already.
    assert stage.allocated("bj1-pool") == [stage.row.address]
    assert Drill.objects.get(job_id=job.id).adapters[0]["guest_address"] == stage.row.address
    well(clean_up(world))
    # It was started since it was last looked at: the job itself looks.
    world.hyperv.copies[item.primary_host, item.vm_id].vm_state = "Running"
    job = drill(world, network=NetworkChoice.EXISTING, network_id="bj1")
    assert [error.failure.code for error in job_view(job).errors] == ["TestNetworkIsProduction"]
    assert world.item().test_failover_state == DrillState.NONE


@pytest.mark.spec("FO-1")
def test_a_test_can_be_made_of_a_chosen_point(world: World) -> None:
    item = world.protect()
    world.report(points=4)
    point = RecoveryPoint.objects.filter(item=item).order_by("time").first()
    assert point is not None
    well(drill(world, recovery_point_id=point.point_id))
    row = Drill.objects.get()
    assert (row.recovery_point_id, row.recovery_point_time) == (point.point_id, point.time)
    assert row.recovery_point_type == point.type


@pytest.mark.parametrize(
    "verb",
    ["start_test_failover", "refresh_host", "connect_network_adapter", "start_virtual_machine"],
)
@pytest.mark.spec("FO-1")
def test_a_test_that_fails_takes_back_what_it_made(stage: Stage, verb: str) -> None:
    world = stage.world
    world.protect()
    world.hyperv.broken[verb] = broken()
    job = drill(world, network=NetworkChoice.EXISTING, network_id="bj2")
    assert job.state == JobState.FAILED
    assert "Nothing is left" in job.left_text
    assert world.item().test_failover_state == DrillState.NONE
    assert (RECOVERY_HOST, machine_id(world)) not in world.hyperv.copies
    assert not OperationLock.objects.exists()
    world.hyperv.broken.clear()
    with transaction.atomic():
        restart_job(job.id, "tests", world.now, RESTARTERS)
    world.turn()
    job.refresh_from_db()
    well(job)
    assert world.item().test_failover_state == DrillState.ACTIVE
    well(clean_up(world))


@pytest.mark.spec("FO-1")
def test_what_cannot_be_taken_back_is_left_for_clean_up_and_does_not_count(world: World) -> None:
    world.protect()
    world.hyperv.broken |= {"start_virtual_machine": broken(), "stop_test_failover": broken()}
    job = drill(world)
    assert job.state == JobState.FAILED
    assert "clean up" in job.left_text
    assert world.item().test_failover_state == DrillState.FAILED
    assert clean_up(world).state == JobState.FAILED
    assert world.item().test_failover_state == DrillState.CLEAN_UP_FAILED
    world.hyperv.broken.clear()
    well(clean_up(world))
    item = world.item()
    assert (item.test_failover_state, item.last_test_failover_at) == (DrillState.NONE, None)
    assert Drill.objects.get().outcome == "Failed"


@pytest.mark.spec("FO-1")
def test_a_clean_up_that_finds_nothing_left_ends_well(world: World) -> None:
    world.protect()
    well(drill(world))
    world.hyperv.copies.pop((RECOVERY_HOST, machine_id(world)))
    world.hyperv.copies[RECOVERY_HOST, world.item().vm_id].test_vm_id = ""
    well(clean_up(world))


@pytest.mark.spec("FO-1")
def test_a_test_is_cancelled_and_leaves_nothing(world: World) -> None:
    world.protect()
    job = begin(world)
    world.work()
    with transaction.atomic():
        cancel_job(job.id, "tests", world.now)
    world.turn()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert world.item().test_failover_state == DrillState.NONE
    assert Drill.objects.get().outcome == "Cancelled"


@pytest.mark.spec("FO-1")
def test_a_test_by_hand_is_not_touched(world: World) -> None:
    item = world.protect()
    world.hyperv.copies[
        RECOVERY_HOST, item.vm_id
    ].test_vm_id = "11111111-1111-1111-1111-111111111111"
    job = drill(world)
    assert [error.failure.code for error in job_view(job).errors] == ["TestVirtualMachineExists"]
    assert world.hyperv.copies[RECOVERY_HOST, item.vm_id].test_vm_id
    assert world.item().test_failover_state == DrillState.NONE


@pytest.mark.spec("FO-1")
def test_a_test_left_for_two_weeks_raises_one_alert_that_its_clean_up_clears(world: World) -> None:
    world.protect()
    well(drill(world))
    watch_drills(world.now + timedelta(days=13))
    assert not Event.objects.exists()
    for days in (15, 16):
        watch_drills(world.now + timedelta(days=days))
    event = Event.objects.get()
    assert (event.code, event.severity) == ("TestFailoverNotCleanedUp", "Warning")
    assert event.failure["recommendedAction"]
    assert event.affected_id == str(world.item().id)
    well(clean_up(world))
    event.refresh_from_db()
    assert event.cleared_at is not None


@pytest.mark.spec("FO-1")
def test_a_network_that_no_test_uses_any_more_is_removed_by_itself(stage: Stage) -> None:
    world = stage.world
    item = world.protect()
    row = DrillNetwork.objects.create(
        vault=world.vault,
        fabric=world.fabric("vmm-beijing"),
        name="Shop - Test 1",
        description="Made for a test.",
        isolation="VLANNetwork",
        created_at=world.now,
        removal_after=world.now + UNUSED_FOR,
    )
    used = Drill.objects.create(
        vault=world.vault,
        item=item,
        item_name="GoldVM1",
        location="Recovery",
        host=RECOVERY_HOST,
        network_type=NetworkChoice.CREATED,
        made_network=row,
        outcome="Active",
        started_at=world.now,
    )
    world.pass_(UNUSED_FOR.total_seconds() * 2)
    later = world.now
    with transaction.atomic():
        watch_drills(later)
    assert not Job.objects.filter(scenario="RemoveTestNetwork").exists()
    Drill.objects.filter(id=used.id).update(ended_at=world.now)
    with transaction.atomic():
        watch_drills(later)
        watch_drills(later)
    job = Job.objects.get(scenario="RemoveTestNetwork")
    world.turn()
    job.refresh_from_db()
    well(job)
    row.refresh_from_db()
    assert row.removed_at is not None
