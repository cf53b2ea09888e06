from __future__ import annotations

import itertools
from dataclasses import replace
from uuid import UUID

import pytest

from coordinator.jobs.graph import validate_graph
from coordinator.jobs.steps import FailureRule, Graph
from coordinator.protection.policies.rules import Authentication
from coordinator.recovery.commit import plan_commit
from coordinator.recovery.planned_failover import plan_planned_failover
from coordinator.recovery.reverse_replication import plan_reverse_replication
from coordinator.recovery.snapshot import MachineSnapshot, Side
from coordinator.recovery.steps import RECORDS

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
    assert stop.inputs == {"vm": {"vm_id": "6f9e0c1a", "host": "hv1.sh"}}


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
        "vm": {"vm_id": "6f9e0c1a", "host": "hv1.sh"},
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
