from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from coordinator.jobs.graph import validate_graph
from coordinator.jobs.steps import FailureRule
from coordinator.protection.disabling.clean_up import item_clean_up
from coordinator.protection.disabling.planner import (
    DisablingSide,
    DisablingSnapshot,
    plan_disabling,
    plan_purge,
)
from coordinator.protection.rules import is_known_replica, replica_deletion_failure
from coordinator.protection.states import ProtectionState
from coordinator.protection.steps import records

pytestmark = pytest.mark.spec("RE-7")

ACTIONS = records(Path("/nowhere"))
SHANGHAI = DisablingSide(str(UUID(int=1)), "hv1.sh")
BEIJING = DisablingSide(str(UUID(int=2)), "hv1.bj")
SNAPSHOT = DisablingSnapshot(
    vm_id="6f9e0c1a",
    role_epoch=3,
    active=SHANGHAI,
    passive=BEIJING,
    complete_failover=False,
    delete_replica=True,
)


def test_disabling_is_the_recorded_job_and_deletes_after_both_sides_were_seen() -> None:
    graph = plan_disabling(SNAPSHOT)
    validate_graph(graph, actions=ACTIONS)
    assert [task.name for task in graph.tasks] == [
        "DisableProtectionOnPrimary",
        "DisableProtectionOnSecondary",
        "UpdateDraState",
    ]
    shanghai, beijing = SHANGHAI.provider_id, BEIJING.provider_id
    assert [(s.key, s.action, s.provider, s.after) for s in graph.steps] == [
        ("primary/remove", "remove_replication", shanghai, ()),
        ("secondary/remove", "remove_replication", beijing, ("primary/remove",)),
        ("secondary/machine", "remove_replication", shanghai, ("secondary/remove",)),
        ("secondary/check", "protection.check_replica", None, ("secondary/machine",)),
        ("secondary/delete", "delete_replica", beijing, ("secondary/check",)),
        ("update/record", "protection.disabled", None, ("secondary/delete",)),
        ("update/refresh-active", "refresh_host", shanghai, ("update/record",)),
        ("update/refresh-passive", "refresh_host", beijing, ("update/record",)),
    ]
    assert {s.key for s in graph.steps if s.on_failure is FailureRule.WARN} == {
        "update/refresh-active",
        "update/refresh-passive",
    }


@pytest.mark.parametrize(("active", "passive"), [(SHANGHAI, BEIJING), (BEIJING, SHANGHAI)])
def test_only_the_copy_that_the_machine_does_not_run_on_is_deleted(
    active: DisablingSide, passive: DisablingSide
) -> None:
    graph = plan_disabling(replace(SNAPSHOT, active=active, passive=passive))
    [deletion] = [s for s in graph.steps if s.action == "delete_replica"]
    assert deletion.provider == passive.provider_id
    assert deletion.inputs == {"vm": {"vm_id": "6f9e0c1a", "host": passive.host, "role_epoch": 3}}


def test_every_command_about_the_machine_says_in_which_epoch_it_was_planned() -> None:
    """An agent whose news of a cancelled failover is under way learns of it from the command."""
    graph = plan_disabling(replace(SNAPSHOT, complete_failover=True, clear_mark=True))
    machines = [step.inputs["vm"] for step in graph.steps if "vm" in step.inputs]
    assert len(machines) == 6
    assert [machine["role_epoch"] for machine in machines if isinstance(machine, dict)] == [3] * 6


def test_a_policy_that_keeps_replicas_deletes_nothing() -> None:
    graph = plan_disabling(replace(SNAPSHOT, delete_replica=False))
    validate_graph(graph, actions=ACTIONS)
    assert [s.key for s in graph.steps][:3] == [
        "primary/remove",
        "secondary/remove",
        "update/record",
    ]


def test_a_machine_that_was_never_placed_has_one_side() -> None:
    graph = plan_disabling(replace(SNAPSHOT, passive=None, delete_replica=False))
    validate_graph(graph, actions=ACTIONS)
    assert [s.key for s in graph.steps] == [
        "primary/remove",
        "update/record",
        "update/refresh-active",
    ]
    assert "nothing to remove" in graph.tasks[1].skipped_reason


def test_a_failover_that_is_not_committed_is_completed_first() -> None:
    graph = plan_disabling(replace(SNAPSHOT, complete_failover=True, delete_replica=False))
    validate_graph(graph, actions=ACTIONS)
    assert [s.key for s in graph.steps][:4] == [
        "primary/complete",
        "primary/completed",
        "primary/remove",
        "secondary/remove",
    ]


def test_removing_from_the_vault_sends_no_command() -> None:
    graph = plan_purge()
    validate_graph(graph, actions=ACTIONS)
    assert [s.provider for s in graph.steps] == [None]


def test_a_replica_is_certain_while_its_machine_replicates_to_it() -> None:
    certain = {
        ProtectionState.READY_TO_COPY,
        ProtectionState.INITIAL_REPLICATION,
        ProtectionState.INITIAL_REPLICATION_COMPLETED,
        ProtectionState.PROTECTED,
    }
    for state, mode in itertools.product(ProtectionState, ("", "None", "Primary", "Replica")):
        seen = state is ProtectionState.ENABLING_FAILED and mode == "Replica"
        assert is_known_replica(state, mode) == (state in certain or seen)


@pytest.mark.parametrize(
    ("machine", "replica", "code"),
    [
        ("Running", "Off", None),
        ("Off", "Off", None),
        ("Running", "", None),
        ("", "Off", "MachineMissing"),
        ("", "", "MachineMissing"),
        ("Running", "Running", "ReplicaInUse"),
        ("Off", "Saved", "ReplicaInUse"),
    ],
)
def test_the_last_copy_and_a_running_copy_are_never_deleted(
    machine: str, replica: str, code: str | None
) -> None:
    failure = replica_deletion_failure("VM1", machine, replica)
    assert (None if failure is None else failure.code) == code


def test_cleaning_up_by_hand_names_each_host_once_and_deletes_by_policy_only() -> None:
    kept = item_clean_up("6f9e0c1a", "hv1.sh", "hv1.bj", delete_replica=False)
    assert kept == {
        "hv1.sh": "Get-VM -ComputerName hv1.sh -Id 6f9e0c1a | Remove-VMReplication",
        "hv1.bj": "Get-VM -ComputerName hv1.bj -Id 6f9e0c1a | Remove-VMReplication",
    }
    deleted = item_clean_up("6f9e0c1a", "hv1.sh", "hv1.bj", delete_replica=True)
    assert deleted["hv1.sh"] == kept["hv1.sh"]
    assert deleted["hv1.bj"].endswith("| Remove-SCVirtualMachine")
    assert list(item_clean_up("6f9e0c1a", "hv1.sh", "", delete_replica=True)) == ["hv1.sh"]
    addressed = item_clean_up(
        "6f9e0c1a", "hv1.sh", "hv1.bj", delete_replica=True, adapters=["4b1f7c2e"]
    )
    assert addressed["hv1.sh"] == kept["hv1.sh"]
    assert (
        "; Get-SCIPAddress -GrantToObjectID 4b1f7c2e | Revoke-SCIPAddress; " in addressed["hv1.bj"]
    )
