"""How the first copy comes to the recovery side: the choice, and a graph for each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from coordinator.failures import Failure
from coordinator.jobs.graph import validate_graph
from coordinator.jobs.steps import FailureRule, Graph, Output
from coordinator.protection.enabling.planner import EnablingSnapshot, plan_enabling
from coordinator.protection.enabling.variants import (
    Choice,
    DiskShape,
    KnownCopy,
    KnownRelationship,
    Situation,
    Variant,
    choose_variant,
)
from coordinator.protection.policies.rules import Authentication
from coordinator.protection.steps import CONDITIONS, records

DISKS = (DiskShape(r"C:\V1\App\App.vhdx", 40), DiskShape(r"C:\V1\App\App-data1.vhdx", 80))
THERE = (DiskShape(r"D:\R\App.VHDX", 40), DiskShape(r"D:\R\App-data1.vhdx", 80))
COPY = KnownCopy(host="hv2.bj", mode="", disks=THERE)
SITUATION = Situation(
    machine="App",
    host="hv1.sh",
    own_names=frozenset({"hv1.sh", "broker.sh"}),
    disks=DISKS,
    relationship=None,
    recovery_cloud="Gold2",
    recovery_hosts={"hv1.bj": "hv1.bj", "hv2.bj": "hv2.bj", "broker.bj": "hv2.bj"},
    copies=(),
    offline=False,
)
RELATIONSHIP = KnownRelationship(
    mode="Primary", state="Replicating", primary_server="HV1.sh", replica_server="HV2.bj"
)


@pytest.mark.spec("RE-6", "RE-7", "OF-1")
@pytest.mark.parametrize(
    ("changes", "choice"),
    [
        ({}, Choice(Variant.OVER_NETWORK)),
        ({"offline": True}, Choice(Variant.OFFLINE)),
        ({"copies": (COPY,)}, Choice(Variant.EXISTING_COPY, "hv2.bj")),
        ({"copies": (COPY,), "offline": True}, Choice(Variant.EXISTING_COPY, "hv2.bj")),
        (
            {"copies": (replace(COPY, disks=()), replace(COPY, host="hv1.bj"))},
            Choice(Variant.EXISTING_COPY, "hv1.bj"),
        ),
        ({"relationship": RELATIONSHIP}, Choice(Variant.EXISTING_REPLICATION, "hv2.bj")),
        (
            {"relationship": RELATIONSHIP, "copies": (COPY,), "offline": True},
            Choice(Variant.EXISTING_REPLICATION, "hv2.bj"),
        ),
        (
            {
                "relationship": replace(
                    RELATIONSHIP, primary_server="broker.sh", replica_server="broker.bj"
                )
            },
            Choice(Variant.EXISTING_REPLICATION, "hv2.bj"),
        ),
        (
            {"relationship": replace(RELATIONSHIP, state="Error")},
            Choice(Variant.EXISTING_REPLICATION, "hv2.bj"),
        ),
        (
            {"relationship": replace(RELATIONSHIP, state="ReadyForInitialReplication")},
            Choice(Variant.OVER_NETWORK, "hv2.bj"),
        ),
        (
            {
                "relationship": replace(RELATIONSHIP, state="InitialReplicationInProgress"),
                "offline": True,
            },
            Choice(Variant.OFFLINE, "hv2.bj"),
        ),
        ({"relationship": replace(RELATIONSHIP, mode="None")}, Choice(Variant.OVER_NETWORK)),
    ],
)
def test_the_variant_follows_from_what_is_there(changes: dict[str, object], choice: Choice) -> None:
    assert choose_variant(replace(SITUATION, **changes)) == choice  # type: ignore[arg-type]  # a table


@pytest.mark.spec("RE-6", "RE-7", "SS-1")
@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"offline": True, "single_server": True}, "OfflineNeedsTwoServers", "one VMM server"),
        (
            {"relationship": replace(RELATIONSHIP, mode="Replica")},
            "VirtualMachineIsReplica",
            "HV1.sh",
        ),
        (
            {"relationship": replace(RELATIONSHIP, extended=True)},
            "ExistingReplicationExtended",
            "third host",
        ),
        (
            {"relationship": replace(RELATIONSHIP, primary_server="old.sh")},
            "ExistingReplicationFromElsewhere",
            "old.sh",
        ),
        (
            {"relationship": replace(RELATIONSHIP, replica_server="hv9.bj")},
            "ExistingReplicationElsewhere",
            "hv9.bj",
        ),
        (
            {"copies": (replace(COPY, disks=THERE[:1]),)},
            "ExistingCopyDisksDiffer",
            "no disk app-data1.vhdx",
        ),
        (
            {"copies": (replace(COPY, disks=(THERE[0], replace(THERE[1], maximum_bytes=81))),)},
            "ExistingCopyDisksDiffer",
            "81 bytes instead of 80",
        ),
        (
            {"copies": (replace(COPY, disks=(*THERE, DiskShape(r"D:\R\more.vhdx", 1))),)},
            "ExistingCopyDisksDiffer",
            "a disk more.vhdx more",
        ),
    ],
)
def test_what_cannot_be_taken_over_says_why_and_what_to_do(
    changes: dict[str, object], code: str, words: str
) -> None:
    refusal = choose_variant(replace(SITUATION, **changes))  # type: ignore[arg-type]  # a table
    assert isinstance(refusal, Failure)
    assert refusal.code == code
    assert words in refusal.message
    assert refusal.possible_causes
    assert refusal.recommended_action


HERE, OTHER = str(UUID(int=1)), str(UUID(int=2))
SNAPSHOT = EnablingSnapshot(
    provider_id=HERE,
    vm_id="6f9e",
    primary_host="hv1.sh",
    certificate_thumbprint="AB12",
    authentication_type=Authentication.CERTIFICATE,
    replication_port=8084,
    compression=True,
    replication_frequency_seconds=30,
    recovery_points=4,
    application_consistent_hours=2,
    recovery_provider_id=OTHER,
    primary_server="broker.sh",
    export_path=r"\\Files\Out",
    import_path=r"\\Files2\In",
)
VM = {"vm_id": "6f9e", "host": "hv1.sh"}
REPLICA = {"vm_id": "6f9e", "host": "hv2.bj"}


def planned(variant: Variant, **changes: object) -> Graph:
    graph = plan_enabling(replace(SNAPSHOT, variant=variant, **changes))  # type: ignore[arg-type]  # fields
    validate_graph(graph, actions={*records(Path("/nowhere")), *CONDITIONS})
    keys = [step.key for step in graph.steps]
    assert [step.after for step in graph.steps] == [(), *[(key,) for key in keys[:-1]]]
    return graph


def listed(graph: Graph) -> list[tuple[str, str, str]]:
    """Key, action and whom a command goes to."""
    who = {HERE: "primary", OTHER: "recovery", None: ""}
    return [(step.key, step.action, who[step.provider]) for step in graph.steps]


@pytest.mark.spec("OF-1", "OF-2")
def test_offline_checks_both_paths_and_exports() -> None:
    graph = planned(Variant.OFFLINE)
    assert listed(graph) == [
        ("prerequisites/read", "read_virtual_machine", "primary"),
        ("prerequisites/check", "protection.check_machine", ""),
        ("target/choose", "protection.choose_target", ""),
        ("target/export-path", "check_replication_path", "primary"),
        ("target/import-path", "check_replication_path", "recovery"),
        ("target/paths", "protection.check_offline_paths", ""),
        ("target/export-right", "grant_replication_path", "primary"),
        ("target/import-right", "grant_replication_path", "recovery"),
        ("target/connection", "test_replication_connection", "primary"),
        ("enable/replication", "enable_replication", "primary"),
        ("start/export", "export_initial_replication", "primary"),
        ("start/waiting", "protection.export_began", ""),
        ("update/record", "protection.enabled", ""),
    ]
    inputs = {step.key: step.inputs for step in graph.steps}
    assert inputs["target/import-path"] == {
        "host": Output("target/choose", "host"),
        "path": r"\\Files2\In",
    }
    assert inputs["start/export"] == {"vm": VM, "export_path": r"\\Files\Out"}


@pytest.mark.spec("RE-7")
def test_an_existing_copy_becomes_the_replica_before_replication_is_enabled() -> None:
    graph = planned(Variant.EXISTING_COPY, recovery_host="hv2.bj")
    actions = [step.action for step in graph.steps]
    assert actions.index("enable_as_replica") + 1 == actions.index("enable_replication")
    inputs = {step.action: step.inputs for step in graph.steps}
    assert inputs["enable_as_replica"] == {"vm": REPLICA, "allowed_primary_server": "broker.sh"}
    assert inputs["protection.choose_target"] == {"host": "hv2.bj"}
    assert inputs["start_initial_replication"]["use_backup"] is True
    assert graph.steps[-1].action == "protection.enabled"


@pytest.mark.spec("RE-6")
def test_taking_over_changes_settings_and_copies_nothing() -> None:
    graph = planned(Variant.EXISTING_REPLICATION, recovery_host="hv2.bj")
    assert listed(graph) == [
        ("prerequisites/read", "read_replication", "primary"),
        ("prerequisites/read-replica", "read_replication", "recovery"),
        ("prerequisites/check", "protection.check_existing_replication", ""),
        ("target/choose", "protection.choose_target", ""),
        ("enable/authorize", "set_allowed_primary_server", "recovery"),
        ("enable/settings", "change_replication", "primary"),
        ("enable/resume", "resume_replication", "primary"),
        ("update/record", "protection.enabled", ""),
    ]
    by_key = {step.key: step for step in graph.steps}
    assert by_key["enable/settings"].inputs == {
        "vm": VM,
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
    assert by_key["enable/resume"].on_failure is FailureRule.WARN
    tasks = {task.name: task for task in graph.tasks}
    assert tasks["EnableProtection"].friendly_name == "Taking over the existing replication"
    assert "taken over" in tasks["VmStartInitialReplication"].skipped_reason
