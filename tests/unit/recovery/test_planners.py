from __future__ import annotations

import itertools
from dataclasses import replace
from uuid import UUID

import pytest

from coordinator.jobs.graph import validate_graph
from coordinator.jobs.steps import FailureRule, Graph
from coordinator.protection.networks.failover_planner import CopyPlace, WayBackPlan
from coordinator.protection.policies.rules import Authentication
from coordinator.protection.rules import FailoverNetworks
from coordinator.recovery.abandon_failover import plan_abandon_failover
from coordinator.recovery.cancel_failover import plan_cancel_failover
from coordinator.recovery.change_recovery_point import plan_change_recovery_point
from coordinator.recovery.commit import plan_commit
from coordinator.recovery.gates import Gate
from coordinator.recovery.planned_failover import plan_planned_failover
from coordinator.recovery.reverse_replication import plan_reverse_replication
from coordinator.recovery.snapshot import MachineSnapshot, Side
from coordinator.recovery.steps import RECORDS
from coordinator.recovery.unplanned_failover import plan_unplanned_failover

SHANGHAI, BEIJING = str(UUID(int=1)), str(UUID(int=2))
NAMES = {SHANGHAI: "active", BEIJING: "passive", None: "coordinator"}

MACHINE = MachineSnapshot(
    vm_id="6f9e0c1a",
    active=Side(
        provider_id=SHANGHAI,
        host="hv1.sh",
        connection_point="hv1.sh",
        certificate_thumbprint="AA",
    ),
    passive=Side(
        provider_id=BEIJING,
        host="hv1.bj",
        connection_point="broker.bj",
        certificate_thumbprint="BB",
    ),
    authentication_type=Authentication.CERTIFICATE,
    replication_port=8084,
    role_epoch=4,
)


def lines(graph: Graph) -> list[tuple[str, str, str]]:
    """Task, action and who carries it out, in order."""
    return [(s.task, s.action, NAMES[s.provider]) for s in graph.steps]


def in_a_row(graph: Graph, *keys: str) -> bool:
    after = {s.key: s.after for s in graph.steps}
    return all(after[later] == (key,) for key, later in itertools.pairwise(keys))


@pytest.mark.spec("FO-2")
def test_a_planned_failover_is_the_recorded_job() -> None:
    graph = plan_planned_failover(MACHINE)
    validate_graph(graph, actions=RECORDS)
    assert [(task.name, task.friendly_name) for task in graph.tasks] == [
        ("VmPfoPrerequisitesCheck", "Checking prerequisites for planned failover"),
        ("VmShutdownVmOnPrimary", "Shut down the virtual machine"),
        ("VmPrepareForFailover", "Preparing for failover"),
        ("VmFailover", "Start failover"),
        ("VmFoStartVmOnSecondary", "Start the replica virtual machine"),
    ]
    assert lines(graph) == [
        ("VmPfoPrerequisitesCheck", "read_replication", "active"),
        ("VmPfoPrerequisitesCheck", "read_replication", "passive"),
        ("VmPfoPrerequisitesCheck", "recovery.check_planned_failover", "coordinator"),
        ("VmShutdownVmOnPrimary", "stop_virtual_machine", "active"),
        ("VmPrepareForFailover", "prepare_failover", "active"),
        ("VmFailover", "recovery.failover_begins", "coordinator"),
        ("VmFailover", "start_failover", "passive"),
        ("VmFailover", "recovery.failed_over", "coordinator"),
        ("VmFoStartVmOnSecondary", "start_virtual_machine", "passive"),
        # Only when it ends before the replica is failed over.
        ("VmPrepareForFailover", "cancel_failover", "active"),
        ("VmShutdownVmOnPrimary", "start_virtual_machine", "active"),
    ]
    assert in_a_row(
        graph,
        "prerequisites/check",
        "shut-down",
        "prepare",
        "failover/begin",
        "failover/start",
        "failover/record",
        "start",
    )
    assert [s.key for s in graph.steps if s.point_of_no_return] == ["failover/start"]


@pytest.mark.spec("FO-2")
def test_a_failover_back_is_the_same_with_the_sides_exchanged() -> None:
    back = replace(MACHINE, active=MACHINE.passive, passive=MACHINE.active)
    there, again = lines(plan_planned_failover(MACHINE)), lines(plan_planned_failover(back))
    swap = {"active": "passive", "passive": "active", "coordinator": "coordinator"}
    assert again == [(task, action, swap[who]) for task, action, who in there]


@pytest.mark.spec("FO-2")
def test_the_machine_is_never_turned_off_hard() -> None:
    [stop] = [s for s in plan_planned_failover(MACHINE).steps if s.key == "shut-down"]
    assert stop.inputs == {"vm": {"vm_id": "6f9e0c1a", "host": "hv1.sh", "role_epoch": 4}}


@pytest.mark.spec("FO-7")
def test_what_comes_after_the_epoch_is_raised_bears_the_new_one() -> None:
    planned, unplanned, cancelled = (
        {step.key: step.inputs.get("vm") for step in graph.steps}
        for graph in (
            plan_planned_failover(MACHINE),
            plan_unplanned_failover(MACHINE, source_site_operations=True),
            plan_cancel_failover(MACHINE, failed_over=True),
        )
    )
    epochs = {
        key: vm["role_epoch"]
        for graph in (planned, unplanned, cancelled)
        for key, vm in graph.items()
        if isinstance(vm, dict)
    }
    raised = {key for key, epoch in epochs.items() if epoch == 5}
    assert raised == {"start", "source/resume", "source/start", "source/replicate"}
    assert set(epochs.values()) == {4, 5}


@pytest.mark.spec("FO-4")
def test_a_commit_is_the_recorded_job() -> None:
    graph = plan_commit(MACHINE)
    validate_graph(graph, actions=RECORDS)
    assert [task.name for task in graph.tasks] == ["VmCommitPrerequisitesCheck", "VmCommit"]
    assert lines(graph) == [
        ("VmCommitPrerequisitesCheck", "read_replication", "active"),
        ("VmCommitPrerequisitesCheck", "recovery.check_commit", "coordinator"),
        ("VmCommit", "complete_failover", "active"),
        ("VmCommit", "recovery.committed", "coordinator"),
    ]


TASKS = [
    "VmReverseReplicationPrerequisitesCheck",
    "VmCommit",
    "VmPrepareForReverseReplication",
    "VmInitiateReverseReplication",
    "UpdateDraState",
]


@pytest.mark.spec("FO-5")
def test_a_reversal_commits_first_what_is_not_committed() -> None:
    graph = plan_reverse_replication(MACHINE, committed=False)
    validate_graph(graph, actions=RECORDS)
    assert [task.name for task in graph.tasks] == TASKS
    assert not any(task.skipped_reason for task in graph.tasks)
    assert lines(graph) == [
        (TASKS[0], "read_replication", "active"),
        (TASKS[0], "read_host_replication", "passive"),
        (TASKS[0], "recovery.check_reversal", "coordinator"),
        (TASKS[1], "complete_failover", "active"),
        (TASKS[1], "recovery.committed", "coordinator"),
        (TASKS[2], "recovery.reversal_begins", "coordinator"),
        (TASKS[2], "test_replication_connection", "active"),
        (TASKS[3], "reverse_replication", "active"),
        (TASKS[4], "recovery.reversed", "coordinator"),
        (TASKS[4], "refresh_host", "active"),
        (TASKS[4], "refresh_host", "passive"),
    ]
    assert in_a_row(
        graph,
        "prerequisites/check",
        "commit/complete",
        "commit/record",
        "prepare/begin",
        "prepare/connection",
        "reverse",
        "update/record",
    )


@pytest.mark.spec("FO-5")
def test_a_committed_failover_is_not_committed_again_and_the_task_says_so() -> None:
    graph = plan_reverse_replication(MACHINE, committed=True)
    validate_graph(graph, actions=RECORDS)
    assert graph.tasks[1].skipped_reason == "The failover is committed already."
    assert not [s for s in graph.steps if s.task == "VmCommit"]
    assert in_a_row(graph, "prerequisites/check", "prepare/connection", "reverse")


@pytest.mark.spec("FO-5")
def test_a_reversal_replicates_to_the_other_sides_connection_point() -> None:
    graph = plan_reverse_replication(MACHINE, committed=True)
    [reverse] = [s for s in graph.steps if s.key == "reverse"]
    assert reverse.inputs == {
        "vm": {"vm_id": "6f9e0c1a", "host": "hv1.sh", "role_epoch": 4},
        "replica_server": "broker.bj",
        "port": 8084,
        "authentication_type": "AUTHENTICATION_TYPE_CERTIFICATE",
        "certificate_thumbprint": "AA",
    }
    kerberos = replace(MACHINE, authentication_type=Authentication.KERBEROS)
    without = plan_reverse_replication(kerberos, committed=True)
    validate_graph(without, actions=RECORDS)
    assert all("certificate_thumbprint" not in s.inputs for s in without.steps)


def test_a_refresh_that_fails_does_not_stop_the_reversal() -> None:
    steps = plan_reverse_replication(MACHINE, committed=True).steps
    warned = {s.action for s in steps if s.on_failure is FailureRule.WARN}
    assert warned == {"refresh_host"}


DEAD = replace(MACHINE, active=replace(MACHINE.active, connected=False))


@pytest.mark.spec("FO-2", "FO-4")
def test_what_a_planned_failover_did_to_its_source_is_taken_back() -> None:
    undoes = {s.key: s.undoes for s in plan_planned_failover(MACHINE).steps if s.undoes}
    assert undoes == {"undo/prepare": "prepare", "undo/shut-down": "shut-down"}
    # A replica that may be failed over already keeps its source as it is.
    assert not [s for s in plan_planned_failover(MACHINE, repeated=True).steps if s.undoes]


@pytest.mark.spec("FO-3")
@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("with_source", [False, True])
@pytest.mark.parametrize("machine", [MACHINE, DEAD])
def test_an_unplanned_failover_is_the_recorded_job(
    machine: MachineSnapshot, with_source: bool, repeated: bool
) -> None:
    graph = plan_unplanned_failover(machine, source_site_operations=with_source, repeated=repeated)
    validate_graph(graph, actions=RECORDS)
    assert [(task.name, task.friendly_name) for task in graph.tasks] == [
        ("VmUfoPrerequisitesCheck", "Checking prerequisites for failover"),
        ("VmShutdownVmOnPrimary", "Shut down the virtual machine"),
        ("VmPrepareForUnPlannedFailover", "Synchronizing the latest changes"),
        ("VmFailover", "Start failover"),
        ("VmFoStartVmOnSecondary", "Start the replica virtual machine"),
    ]
    at_source = [s for s in graph.steps if s.provider == SHANGHAI and not s.undoes]
    if not machine.active.connected:
        assert at_source == []
        assert graph.tasks[1].skipped_reason == "The provider of the source site is not connected."
    else:
        # Best effort, and not for long.
        assert all(s.on_failure is FailureRule.WARN and s.attempts == 1 for s in at_source)
        assert sum(s.time_limit_seconds for s in at_source) <= 400
        # Whatever was asked for, it is off before the replica is failed over.
        turn_off = [s for s in at_source if s.inputs.get("turn_off")]
        assert [s.action for s in turn_off] == ["stop_virtual_machine"]
        prepared = [s.action for s in at_source if s.action == "prepare_failover"]
        assert bool(prepared) is with_source
    skipped = graph.tasks[2].skipped_reason
    assert bool(skipped) is not (with_source and machine.active.connected)
    actions = [s.action for s in graph.steps if s.provider == BEIJING]
    discards = ["cancel_failover"] if repeated else []
    assert actions == [
        "read_replication",
        *discards,
        "start_failover",
        "start_virtual_machine",
    ]


@pytest.mark.spec("FO-3")
def test_a_failover_that_is_far_from_the_source_asks_it_of_networks_only_shortly() -> None:
    way_back = WayBackPlan(
        item_id=str(UUID(int=9)),
        name="SQL1",
        source=CopyPlace(SHANGHAI, "6f9e0c1a", "hv1.sh"),
        target=CopyPlace(BEIJING, "6f9e0c1a", "hv1.bj"),
        adapters=1,
    )
    machine = replace(DEAD, networks=FailoverNetworks(way_back=way_back))
    graph = plan_unplanned_failover(machine, source_site_operations=True)
    asked = [s for s in graph.steps if s.provider == SHANGHAI]
    assert asked
    assert all(s.time_limit_seconds <= 20 and s.attempts == 1 for s in asked)


@pytest.mark.spec("FO-4")
@pytest.mark.parametrize("failed_over", [True, False])
def test_a_cancellation_turns_the_copy_off_before_the_source_is_started(
    failed_over: bool,
) -> None:
    graph = plan_cancel_failover(MACHINE, failed_over=failed_over)
    validate_graph(graph, actions=RECORDS)
    copy, source = ("active", "passive") if failed_over else ("passive", "active")
    assert [(action, who) for _, action, who in lines(graph)] == [
        ("read_replication", copy),
        ("recovery.check_cancellation", "coordinator"),
        ("cancel_failover", copy),
        ("recovery.failover_cancelled", "coordinator"),
        ("cancel_failover", source),
        ("start_virtual_machine", source),
        ("resume_replication", source),
    ]
    assert in_a_row(
        graph,
        "prerequisites/check",
        "cancel/replica",
        "cancel/record",
        "source/resume",
        "source/start",
        "source/replicate",
    )


@pytest.mark.spec("FO-4", "FO-7")
def test_an_abandoned_failover_starts_the_source_without_counting_on_the_copy() -> None:
    graph = plan_abandon_failover(MACHINE)
    validate_graph(graph, actions=RECORDS)
    assert [(action, who) for _, action, who in lines(graph)] == [
        ("stop_virtual_machine", "active"),
        ("read_virtual_machine", "active"),
        ("recovery.failover_abandoned", "coordinator"),
        ("cancel_failover", "passive"),
        ("start_virtual_machine", "passive"),
    ]
    assert in_a_row(
        graph, "copy/turn-off", "copy/read", "abandon/record", "source/resume", "source/start"
    )
    at_copy = [s for s in graph.steps if s.key.startswith("copy/")]
    assert all(s.on_failure is FailureRule.WARN and s.attempts == 1 for s in at_copy)
    assert sum(s.time_limit_seconds for s in at_copy) < 90
    # The source is told as the machine that it is from then on.
    told = {s.key: s.inputs.get("vm") for s in graph.steps}
    assert told["copy/turn-off"] == MACHINE.at(MACHINE.active)
    assert told["source/start"] == MACHINE.once_decided().at(MACHINE.passive)


@pytest.mark.spec("FO-4", "FO-7")
def test_an_abandoned_failover_asks_nothing_of_a_site_that_is_away() -> None:
    lost = replace(MACHINE, active=replace(MACHINE.active, connected=False))
    graph = plan_abandon_failover(lost)
    validate_graph(graph, actions=RECORDS)
    assert [s.key for s in graph.steps] == ["abandon/record", "source/resume", "source/start"]
    assert graph.tasks[0].skipped_reason.endswith("is not connected.")


@pytest.mark.spec("FO-4")
def test_another_point_is_gone_to_on_the_side_the_machine_runs_on() -> None:
    graph = plan_change_recovery_point(MACHINE, point_id="p1")
    validate_graph(graph, actions=RECORDS)
    assert {s.provider for s in graph.steps} == {SHANGHAI, None}
    [start] = [s for s in graph.steps if s.action == "start_failover"]
    assert start.inputs["recovery_point_id"] == "p1"
    assert in_a_row(
        graph,
        "prerequisites/read",
        "prerequisites/check",
        "change/discard",
        "change/start",
        "change/record",
        "start",
    )


@pytest.mark.spec("FO-5")
@pytest.mark.parametrize("committed", [True, False])
def test_a_reversal_with_a_source_that_has_more_powers_it_off_first(committed: bool) -> None:
    graph = plan_reverse_replication(MACHINE, committed=committed, compare=True)
    validate_graph(graph, actions=RECORDS)
    assert [task.name for task in graph.tasks] == [
        "VmReverseReplicationPrerequisitesCheck",
        "VmCommit",
        "VmShutdownVmOnSecondary",
        "VmPrepareForReverseReplication",
        "VmInitiateReverseReplication",
        "VmStartInitialReplication",
        "UpdateDraState",
    ]
    assert in_a_row(
        graph,
        "shut-down",
        "prepare/as-replica",
        "prepare/connection",
        "reverse",
        "copy",
        "update/record",
    )
    [off] = [s for s in graph.steps if s.key == "shut-down"]
    assert (off.provider, off.inputs["turn_off"]) == (BEIJING, True)


GRAPHS = {
    "planned": plan_planned_failover(MACHINE),
    "unplanned": plan_unplanned_failover(MACHINE, source_site_operations=True),
    "point": plan_change_recovery_point(MACHINE),
    "cancel": plan_cancel_failover(MACHINE, failed_over=True),
    "abandon": plan_abandon_failover(MACHINE),
    "commit": plan_commit(MACHINE),
    "reverse": plan_reverse_replication(MACHINE, committed=False, compare=True),
}


@pytest.mark.spec("RP-1")
@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_what_changes_a_machine_waits_for_its_phase_of_a_plan_and_a_place_at_its_host(
    graph: Graph,
) -> None:
    gates = [gate.value for gate in Gate]
    by_key = {s.key: s for s in graph.steps}
    for step in graph.steps:
        changes = step.provider is not None and not step.action.startswith(("read_", "refresh_"))
        if changes and not step.undoes:
            assert step.gate in gates
        if changes:
            host = {SHANGHAI: "hv1.sh", BEIJING: "hv1.bj"}[str(step.provider)]
            assert step.slot == f"host:{host}"
        # A later phase never comes before an earlier one.
        for before in step.after:
            if step.gate and by_key[before].gate:
                assert gates.index(by_key[before].gate) <= gates.index(step.gate)


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_nothing_of_a_check_waits_for_a_phase(graph: Graph) -> None:
    assert not [s for s in graph.steps if s.key.startswith("prerequisites/") and s.gate]
