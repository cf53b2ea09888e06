"""The graphs of a test and of its clean-up: ASR's tasks, gates, what is taken back."""

from __future__ import annotations

import itertools

import pytest

from coordinator.jobs.graph import validate_graph
from coordinator.jobs.steps import FailureRule, Graph
from coordinator.recovery.gates import Gate
from coordinator.recovery.options import RecoveryTag
from coordinator.recovery.steps import RECORDS
from coordinator.recovery.test_failover.clean_up import (
    CleanUpPlan,
    ReservedAddress,
    plan_clean_up,
)
from coordinator.recovery.test_failover.network_steps import MadeNetwork, plan_removal
from coordinator.recovery.test_failover.options import NetworkChoice
from coordinator.recovery.test_failover.planner import DrillPlan, plan_test_failover
from coordinator.recovery.test_failover.rules import NetworkDraft, SubnetDraft
from tests.unit.recovery.test_planners import BEIJING, MACHINE, SHANGHAI

pytestmark = pytest.mark.spec("FO-1")

MADE = MadeNetwork(row_id="row", provider_id=BEIJING, name="Test 1", description="For a test.")
DRAFT = NetworkDraft(
    name="Test 1",
    logical_network_id="ln",
    isolation="WindowsNetworkVirtualization",
    subnets=(SubnetDraft(name="Test 1 1", subnet="10.0.0.0/24"),),
)


def actions(graph: Graph) -> list[str]:
    return [step.action for step in graph.steps]


def drill(**changes: object) -> Graph:
    graph = plan_test_failover(DrillPlan(machine=MACHINE, **changes))  # type: ignore[arg-type]  # each of its own type
    validate_graph(graph, actions=RECORDS)
    return graph


def test_a_test_without_a_network_is_the_recorded_job_and_touches_the_recovery_side_only() -> None:
    graph = drill()
    assert [(task.name, task.friendly_name, bool(task.skipped_reason)) for task in graph.tasks] == [
        ("VmTfoPrerequisitesCheck", "Checking prerequisites for test failover", False),
        ("VmTfoInitiateFailover", "Create test virtual machine", False),
        ("VmTfoPrepareTestVm", "Preparing the virtual machine", True),
        ("VmTfoBootTestVm", "Start the virtual machine", False),
    ]
    assert actions(graph) == [
        "read_replication",
        "recovery.check_test_failover",
        "start_test_failover",
        "recovery.test_machine_made",
        "start_virtual_machine",
        "recovery.test_is_active",
        "stop_test_failover",
    ]
    assert {step.provider for step in graph.steps} == {BEIJING, None}
    assert not any(step.point_of_no_return for step in graph.steps)


def test_productions_network_is_the_only_reason_to_look_at_the_machine_itself() -> None:
    graph = drill(network=NetworkChoice.EXISTING, adapters=1, production=True)
    [source] = [step for step in graph.steps if step.provider == SHANGHAI]
    assert source.action == "read_virtual_machine"


@pytest.mark.parametrize("adapters", [0, 1, 3])
@pytest.mark.parametrize("choice", list(NetworkChoice))
@pytest.mark.parametrize("alone", [True, False])
def test_every_shape_of_a_test_is_a_sound_graph_with_gates_for_plans(
    choice: NetworkChoice,
    adapters: int,
    alone: bool,
) -> None:
    made = choice is NetworkChoice.CREATED
    graph = drill(
        network=choice,
        adapters=adapters,
        made=MADE if made else None,
        draft=DRAFT if made and alone else None,
    )
    by_key = {step.key: step for step in graph.steps}
    assert by_key["start"].gate == Gate.BOOT
    assert by_key["test/start"].gate == Gate.FAILOVER
    assert by_key["test/start"].slot == by_key["start"].slot == "host:hv1.bj"
    assert by_key["undo/test"].undoes == "test/start"
    creates = "network/create" in by_key
    assert creates is (made and alone and adapters > 0)
    assert ("undo/network" in by_key) is creates
    if creates:
        assert by_key["undo/network"].after == ("undo/test",)
    connects = adapters if choice is not NetworkChoice.NONE else 0
    assert sum(step.action == "connect_network_adapter" for step in graph.steps) == connects
    assert set(by_key["start"].after) == (
        {f"reserve/{number}" for number in range(connects)} or {"test/record"}
    )


def test_what_the_guest_takes_is_written_before_the_machine_is_made_and_cleared_after() -> None:
    graph = drill(network=NetworkChoice.EXISTING, adapters=2, pools=("pool",))
    by_key = {step.key: step for step in graph.steps}
    assert by_key["test/start"].after == ("address/0", "address/1")
    assert by_key["clear/0"].after == ("test/record",)
    assert {by_key[key].on_failure for key in ("address/0", "clear/0")} == {FailureRule.WARN}


def test_the_point_is_named_by_its_id_or_by_its_tag() -> None:
    for options, expected in (
        ({"point_id": "p"}, ("p", "RECOVERY_TAG_UNSPECIFIED")),
        (
            {"tag": RecoveryTag.LATEST_APPLICATION_CONSISTENT},
            ("", "RECOVERY_TAG_LATEST_APPLICATION_CONSISTENT"),
        ),
    ):
        [start] = [step for step in drill(**options).steps if step.key == "test/start"]
        assert (start.inputs["recovery_point_id"], start.inputs["recovery_tag"]) == expected


def test_a_clean_up_gives_back_ends_removes_and_then_counts() -> None:
    plan = CleanUpPlan(
        machine=MACHINE,
        reserved=(ReservedAddress("adapter", "pool", "10.0.0.11"),),
        network=MADE,
    )
    graph = plan_clean_up(plan)
    validate_graph(graph, actions=RECORDS)
    assert [task.name for task in graph.tasks] == [
        "VmTfoCleanupPreflightsCheck",
        "VmTfoEndFailover",
        "VmTfoDeleteTestVm",
    ]
    assert actions(graph) == [
        "recovery.check_clean_up",
        "release_address",
        "stop_test_failover",
        "refresh_host",
        "remove_test_network",
        "recovery.test_network_removed",
        "recovery.test_cleaned_up",
    ]
    after = {step.key: step.after for step in graph.steps}
    keys = [step.key for step in graph.steps]
    assert all(after[later] == (key,) for key, later in itertools.pairwise(keys))
    assert {step.provider for step in graph.steps} == {BEIJING, None}


def test_a_network_that_is_left_over_is_removed_by_a_job_of_its_own() -> None:
    graph = plan_removal(MADE)
    validate_graph(graph, actions=RECORDS)
    assert actions(graph) == ["remove_test_network", "recovery.test_network_removed"]
