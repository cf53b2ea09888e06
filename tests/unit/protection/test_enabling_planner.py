from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from coordinator.jobs.graph import validate_graph
from coordinator.jobs.steps import Output
from coordinator.protection.enabling.finalizing_planner import (
    FinalizingSnapshot,
    plan_primary_completion,
    plan_recovery_completion,
)
from coordinator.protection.enabling.planner import EnablingSnapshot, plan_enabling
from coordinator.protection.policies.rules import Authentication
from coordinator.protection.steps import CONDITIONS, records

PROVIDER = str(UUID(int=1))
VM = {"vm_id": "6f9e0c1a", "host": "hv1.sh"}
ACTIONS = {*records(Path("/nowhere")), *CONDITIONS}
SNAPSHOT = EnablingSnapshot(
    provider_id=PROVIDER,
    vm_id="6f9e0c1a",
    primary_host="hv1.sh",
    certificate_thumbprint="AB12",
    authentication_type=Authentication.CERTIFICATE,
    replication_port=8084,
    compression=True,
    replication_frequency_seconds=30,
    recovery_points=4,
    application_consistent_hours=2,
)


@pytest.mark.spec("RE-1")
def test_enabling_is_the_recorded_job_one_step_after_the_other() -> None:
    graph = plan_enabling(SNAPSHOT)
    validate_graph(graph, actions=ACTIONS)
    assert [(task.name, task.friendly_name) for task in graph.tasks] == [
        (
            "EnableProtectionPrerequisitesCheck",
            "Checking prerequisites for enabling protection",
        ),
        ("CreateProtectionTarget", "Identifying the replication target"),
        ("EnableProtection", "Enable replication"),
        ("VmStartInitialReplication", "Starting initial replication"),
        ("UpdateDraState", "Updating the provider states"),
    ]
    assert [(s.key, s.task, s.action, s.provider) for s in graph.steps] == [
        (
            "prerequisites/read",
            "EnableProtectionPrerequisitesCheck",
            "read_virtual_machine",
            PROVIDER,
        ),
        (
            "prerequisites/check",
            "EnableProtectionPrerequisitesCheck",
            "protection.check_machine",
            None,
        ),
        ("target/choose", "CreateProtectionTarget", "protection.choose_target", None),
        ("target/connection", "CreateProtectionTarget", "test_replication_connection", PROVIDER),
        ("enable/replication", "EnableProtection", "enable_replication", PROVIDER),
        ("start/line", "VmStartInitialReplication", "protection.line_joined", None),
        ("start/turn", "VmStartInitialReplication", "protection.turn_given", None),
        ("start/place", "VmStartInitialReplication", "protection.copy_placed", None),
        (
            "start/initial-replication",
            "VmStartInitialReplication",
            "start_initial_replication",
            PROVIDER,
        ),
        ("update/record", "UpdateDraState", "protection.enabled", None),
    ]
    keys = [s.key for s in graph.steps]
    assert [s.after for s in graph.steps] == [(), *[(key,) for key in keys[:-1]]]


@pytest.mark.spec("RE-1")
def test_the_machine_replicates_by_the_policy_to_the_chosen_server() -> None:
    [enable] = [s for s in plan_enabling(SNAPSHOT).steps if s.action == "enable_replication"]
    assert enable.inputs == {
        "vm": VM,
        "replica_server": Output("target/choose", "replica_server"),
        "port": 8084,
        "authentication_type": "AUTHENTICATION_TYPE_CERTIFICATE",
        "certificate_thumbprint": "AB12",
        "compression": True,
        "frequency_seconds": 30,
        "recovery_points": 4,
        "application_consistent_hours": 2,
        "auto_resynchronize": True,
        "auto_resynchronize_start": "66600s",
        "auto_resynchronize_end": "21600s",
    }


def test_kerberos_needs_no_certificate_and_the_copy_begins_where_the_machine_is_then() -> None:
    graph = plan_enabling(replace(SNAPSHOT, authentication_type=Authentication.KERBEROS))
    validate_graph(graph, actions=ACTIONS)
    inputs = {s.key: s.inputs for s in graph.steps}
    assert inputs["start/initial-replication"] == {
        "vm": {"vm_id": "6f9e0c1a", "host": Output("start/place", "host")}
    }
    assert "certificate_thumbprint" not in inputs["enable/replication"]


@pytest.mark.spec("RE-2")
def test_each_side_is_read_again_when_the_first_copy_is_complete() -> None:
    side = FinalizingSnapshot(PROVIDER, "6f9e0c1a", "hv1.sh")
    primary, recovery = plan_primary_completion(side), plan_recovery_completion(side)
    for graph in (primary, recovery):
        validate_graph(graph, actions=ACTIONS)
    assert [s.action for s in primary.steps] == ["read_replication", "protection.primary_finalized"]
    assert [s.action for s in recovery.steps] == [
        "read_replication",
        "refresh_host",
        "protection.recovery_finalized",
    ]
    assert primary.tasks[0].friendly_name == "Finalize protection on the primary virtual machine"
    assert recovery.tasks[0].friendly_name == "Finalize protection on the recovery virtual machine"
