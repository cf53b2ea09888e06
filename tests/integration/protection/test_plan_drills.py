"""Test failover of a plan and its clean-up: one network for all, group by group, nothing left."""

from __future__ import annotations

import pytest
from opensiterecovery.provider.v1 import inventory_pb2, network_pb2

from coordinator.fabrics.models import FabricObject
from coordinator.jobs.queries import job_view
from coordinator.jobs.states import JobState
from coordinator.protection.models import ItemAdapter, ProtectedItem
from coordinator.protection.rules import Operation
from coordinator.protection.states import DrillState
from coordinator.recovery.models import Drill, DrillNetwork, RecoveryPlan
from coordinator.recovery.test_failover.options import NetworkChoice
from coordinator.recovery.test_failover.queries import drills_of_job
from coordinator.recovery.test_failover.services import clean_up_test_failover
from tests.integration.protection.network_stage import details, refused
from tests.integration.protection.plan_stage import PlanStage, make_plan_stage
from tests.integration.protection.world import ORIGIN, World

pytestmark = pytest.mark.django_db

TEST, CLEAN_UP = Operation.TEST_FAILOVER, Operation.TEST_FAILOVER_CLEANUP


@pytest.fixture
def stage(world: World) -> PlanStage:
    made = make_plan_stage(world, 3)
    made.make_plan([[1, 2], [3]])
    return made


def drill_states() -> set[str]:
    return set(ProtectedItem.objects.values_list("test_failover_state", flat=True))


def virtualize(stage: PlanStage) -> str:
    """Every replica is on a virtualized network; gives the id of its logical network."""
    fabric = stage.world.fabric("vmm-beijing")
    network = inventory_pb2.VmNetwork(
        id="tenant",
        name="Tenant",
        logical_network="Virtual",
        isolation_type="WindowsNetworkVirtualization",
    )
    network.subnets.add(id="tenant-1", name="Front", subnets=["192.168.0.0/24"])
    pool = inventory_pb2.StaticAddressPool(
        id="tenant-pool",
        name="Tenant pool",
        subnet="192.168.0.0/24",
        vm_subnet_id="tenant-1",
        first_address="192.168.0.10",
        last_address="192.168.0.20",
    )
    logical = inventory_pb2.LogicalNetwork(
        id="virtual", name="Virtual", network_virtualization=True
    )
    messages: list[tuple[str, str, str, dict[str, object]]] = [
        ("vm_network", network.id, network.name, details(network)),
        ("static_address_pool", pool.id, pool.name, details(pool)),
        ("logical_network", logical.id, logical.name, details(logical)),
    ]
    for kind, identifier, name, stored in messages:
        FabricObject.objects.create(
            vault=stage.world.vault,
            fabric=fabric,
            kind=kind,
            external_id=identifier,
            name=name,
            details=stored,
        )
    for number, item in enumerate(stage.items):
        ItemAdapter.objects.filter(item=item).delete()
        ItemAdapter.objects.create(
            item=item,
            device_id=f"nic-{number}",
            target_network_id="tenant",
            target_network="Tenant",
            target_subnet="Front",
            static_address=True,
            source_address=f"192.168.0.{11 + number}",
        )
        host = item.recovery_host or stage.item(number + 1).recovery_host
        stage.hyperv.networks.adapters[host, item.vm_id] = [
            network_pb2.NetworkAdapter(id=f"vmm-nic-{number}", device_id=f"nic-{number}")
        ]
    return "virtual"


@pytest.mark.spec("FO-1", "RP-5")
def test_a_plan_is_tested_in_its_order_and_counts_after_its_clean_up(stage: PlanStage) -> None:
    job = stage.well(TEST)
    assert [task.name for task in job_view(job).tasks] == [
        "RpSrsPrerequisitesCheck",
        "RpEnvironmentCreationTask",
        "FailoverAllActionGroup",
        "Group1",
        "Group2",
        "EndRecoveryPlanTask",
    ]
    assert stage.hyperv.order("stop_virtual_machine", "prepare_failover") == []
    assert drill_states() == {DrillState.ACTIVE}
    assert len(drills_of_job(job.id)) == 3
    assert RecoveryPlan.objects.get().last_drill_at is None
    stage.well(CLEAN_UP, comments="All came up.")
    assert drill_states() == {DrillState.NONE}
    assert set(Drill.objects.values_list("outcome", "notes")) == {("Completed", "All came up.")}
    assert RecoveryPlan.objects.get().last_drill_at is not None


@pytest.mark.spec("FO-1")
def test_a_network_of_a_plans_test_is_made_once_and_removed_after_the_last(
    stage: PlanStage,
) -> None:
    logical = virtualize(stage)
    job = stage.well(TEST, network=NetworkChoice.CREATED, network_id=logical)
    [(name, made)] = stage.hyperv.test_networks.items()
    assert name.startswith("Shop - Test ")
    assert [subnet.subnet for subnet in made.subnets] == ["192.168.0.0/24"]
    [environment] = [
        task for task in job_view(job).tasks if task.name == "RpEnvironmentCreationTask"
    ]
    assert environment.state == "Succeeded"
    given = [drill.adapters[0]["guest_address"] for drill in drills_of_job(job.id)]
    assert sorted(given) == ["192.168.0.11", "192.168.0.12", "192.168.0.13"]
    # One machine is cleaned up by itself: the others still use the network.
    clean_up_test_failover(stage.item(1), "", ORIGIN, stage.world.now)
    stage.world.turn()
    assert stage.hyperv.test_networks
    stage.well(CLEAN_UP)
    assert stage.hyperv.test_networks == {}
    assert DrillNetwork.objects.get().removed_at is not None
    assert drill_states() == {DrillState.NONE}


@pytest.mark.spec("FO-1")
def test_a_machine_whose_test_fails_is_taken_back_and_the_rest_is_cleaned_up(
    stage: PlanStage,
) -> None:
    stage.hyperv.broken_machines.add(("start_test_failover", "App3"))
    job = stage.run(TEST)
    assert job.state == JobState.FAILED
    assert stage.item(3).test_failover_state == DrillState.NONE
    stage.hyperv.broken_machines.clear()
    if drill_states() != {DrillState.NONE}:
        stage.well(CLEAN_UP)
    assert drill_states() == {DrillState.NONE}
    assert not Drill.objects.filter(ended_at=None).exists()
    with refused("RecoveryPlanMachinesNotReady"):
        stage.begin(CLEAN_UP)


@pytest.mark.spec("FO-1", "FO-6")
def test_while_its_machines_are_tested_a_plan_does_not_fail_over(stage: PlanStage) -> None:
    stage.well(TEST)
    for operation in (Operation.PLANNED_FAILOVER, TEST):
        with refused("RecoveryPlanMachinesNotReady") as error:
            stage.begin(operation)
        assert any("Clean up" in cause for cause in error.value.failure.possible_causes)
