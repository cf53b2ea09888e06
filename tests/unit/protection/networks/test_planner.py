"""The steps of network mapping as data."""

from __future__ import annotations

from uuid import uuid4

import pytest

from coordinator.jobs.graph import validate_graph
from coordinator.jobs.steps import FailureRule, Graph, StepKind, TaskSpec
from coordinator.protection.networks.failover_planner import (
    CopyPlace,
    FailoverAddress,
    FailoverNetworks,
    WayBackPlan,
    failover_network_steps,
    plan_way_back,
)
from coordinator.protection.networks.planner import (
    AdapterTask,
    MachineNetworks,
    Release,
    attach_steps,
    plan_attachment,
    plan_mapping,
    plan_unmapping,
    release_steps,
)

PROVIDER = str(uuid4())


def machine(*adapters: AdapterTask, item_id: str = "i1") -> MachineNetworks:
    return MachineNetworks(
        item_id=item_id,
        name="VM1",
        provider_id=PROVIDER,
        vm_id=str(uuid4()),
        host="h",
        changes=3,
        adapters=adapters,
    )


PLAIN = AdapterTask(device_id="d1", network_id="n", subnet_id="s")
POOLED = AdapterTask(
    device_id="d2",
    network_id="n",
    subnet_id="s",
    pool_id="p",
    release=Release("old", "q", "10.0.0.9"),
)


@pytest.mark.spec("NW-3")
def test_mapping_has_asrs_tasks_and_a_step_for_each_adapter() -> None:
    graph = plan_mapping("m1", [machine(PLAIN, POOLED), machine(PLAIN, item_id="i2")])
    validate_graph(graph)
    assert [(task.name, task.friendly_name, task.skipped_reason) for task in graph.tasks] == [
        ("ModifyVMNetworksPairingStatusTask", "Map network", ""),
        ("VMNetworksUpdateVMNicsTask", "Attach network (3)", ""),
    ]
    attaching = [step.key for step in graph.steps if step.action == "connect_network_adapter"]
    assert attaching == ["i1/networks/attach/0", "i1/networks/attach/1", "i2/networks/attach/0"]


@pytest.mark.spec("NW-3")
def test_without_replicas_the_second_task_is_skipped() -> None:
    graph = plan_mapping("m1", [])
    validate_graph(graph)
    assert graph.tasks[1].friendly_name == "Attach network (0)"
    assert graph.tasks[1].skipped_reason
    assert len(graph.steps) == 1


@pytest.mark.spec("NW-3", "NW-8")
def test_an_adapter_is_connected_then_its_old_address_released_then_the_new_reserved() -> None:
    graph = plan_attachment(machine(POOLED))
    validate_graph(graph)
    assert [step.key for step in graph.steps] == [
        "networks/read",
        "networks/match",
        "networks/attach/0",
        "networks/release/0",
        "networks/reserve/0",
        "networks/record",
    ]
    commands = [step for step in graph.steps if step.kind is StepKind.COMMAND]
    assert {step.on_failure for step in commands} == {FailureRule.WARN}


@pytest.mark.spec("NW-5")
def test_a_replica_with_nothing_to_connect_has_no_steps() -> None:
    assert not list(attach_steps(machine(), "T", "", after=()))


@pytest.mark.spec("NW-9")
def test_unmapping_touches_no_server() -> None:
    graph = plan_unmapping()
    validate_graph(graph)
    assert all(step.kind is StepKind.RECORD for step in graph.steps)


def test_addresses_are_released_side_by_side() -> None:
    steps = tuple(release_steps(PROVIDER, [Release("a", "p", "1.1.1.1")] * 2, "T", after=()))
    validate_graph(Graph((TaskSpec("T", "T"),), steps))
    assert [step.key for step in steps] == ["networks/release/0", "networks/release/1"]


def place() -> CopyPlace:
    return CopyPlace(PROVIDER, str(uuid4()), "h")


@pytest.mark.spec("NW-8")
def test_on_the_way_there_each_address_is_written() -> None:
    networks = FailoverNetworks(place(), (FailoverAddress("d", "10.0.0.9", "255.0.0.0"),))
    [step] = failover_network_steps(networks, "T", after=())
    validate_graph(Graph((TaskSpec("T", "T"),), (step,)))
    assert step.action == "write_failover_address"
    assert step.on_failure is FailureRule.WARN
    assert not failover_network_steps(FailoverNetworks(), "T", after=())


@pytest.mark.spec("NW-7")
def test_on_the_way_back_both_sides_are_read_and_each_adapter_decided() -> None:
    plan = WayBackPlan(item_id="i", name="VM1", source=place(), target=place(), adapters=2)
    steps = failover_network_steps(FailoverNetworks(way_back=plan), "T", after=())
    validate_graph(Graph((TaskSpec("T", "T"),), steps))
    assert [step.key for step in steps] == [
        "networks/source",
        "networks/target",
        "networks/decide",
        *(f"networks/{what}/{n}" for n in (0, 1) for what in ("attach", "reserve", "address")),
    ]
    now = plan_way_back(plan, 1)
    validate_graph(now)
    assert not [step for step in now.steps if step.action == "write_failover_address"]
