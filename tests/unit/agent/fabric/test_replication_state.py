"""One side of a replication, from Hyper-V's records."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from agent.fabric.replication_state import read_replication, recovery_points, replication_state
from agent.powershell.errors import PowerShellFailure
from agent.powershell.records import PropertyError, PSRecord

VM = UUID("36fe8ede-3c1e-4a2d-935d-07f59589be10")
OTHER = UUID("00000000-0000-0000-0000-0000000000aa")
POINT = UUID("00000000-0000-0000-0000-000000000001")
HOST = "h1.shanghai"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

HyperV = Callable[..., PSRecord]


def test_names_and_figures_are_taken_as_they_are(hyper_v: HyperV) -> None:
    state = replication_state(
        HOST, hyper_v("vm", VM), hyper_v("replication", VM), hyper_v("measure", VM)
    )
    assert (state.vm_id, state.host, state.vm_state) == (str(VM), HOST, "Running")
    assert (state.mode, state.state, state.health) == ("Primary", "Replicating", "Normal")
    assert (state.primary_server, state.replica_server) == ("h1.shanghai", "h1.beijing")
    assert state.frequency_seconds == 30
    assert state.last_replication_time.ToDatetime(UTC) == NOON
    assert not state.HasField("last_applied_log_time")
    assert (state.pending_replication_bytes, state.average_replication_bytes) == (4096, 1_000_000)
    assert state.average_replication_latency.ToTimedelta() == timedelta(seconds=1.5)
    assert state.successful_replications == 12
    assert state.missed_replications == 1
    assert state.replication_errors == 2
    assert list(state.health_details) == ["One cycle was missed."]
    assert not state.HasField("copy_percent")


def test_without_replication_the_state_is_disabled(hyper_v: HyperV) -> None:
    state = replication_state(HOST, hyper_v("vm", VM, State="Off"))
    assert (state.mode, state.state, state.health) == ("None", "Disabled", "NotApplicable")
    assert state.vm_state == "Off"


@pytest.mark.parametrize(
    ("tasks", "percent"),
    [
        ([PSRecord({"PercentComplete": 42})], 42),
        (["Sending Initial Replica (57 %)"], 57),
        ([PSRecord(text="Initial replication: 8%")], 8),
        ([PSRecord({"PercentComplete": 130})], 100),
        ([], None),
    ],
)
def test_progress_of_a_copy_is_read_however_the_task_arrives(
    hyper_v: HyperV, tasks: list[object], percent: int | None
) -> None:
    state = replication_state(
        HOST,
        hyper_v("vm", VM),
        hyper_v("replication", VM, ReplicationState="InitialReplicationInProgress"),
        hyper_v("measure", VM, CurrentTask=tasks),
    )
    assert (state.copy_percent if state.HasField("copy_percent") else None) == percent


def test_progress_of_other_tasks_is_no_copy(hyper_v: HyperV) -> None:
    state = replication_state(
        HOST,
        hyper_v("vm", VM),
        hyper_v("replication", VM),
        hyper_v("measure", VM, CurrentTask=[PSRecord({"PercentComplete": 42})]),
    )
    assert not state.HasField("copy_percent")


def test_recovery_points_are_the_machines_own_and_sorted(hyper_v: HyperV) -> None:
    later, earlier = NOON, NOON - timedelta(hours=1)
    snapshots = [
        hyper_v("snapshot", VM, Id=POINT, CreationTime=later, SnapshotType="AppConsistentReplica"),
        hyper_v("snapshot", VM, Id=OTHER, CreationTime=earlier),
        hyper_v("snapshot", VM, Id=OTHER, CreationTime=earlier, SnapshotType="Standard"),
        hyper_v("snapshot", OTHER, Id=OTHER, CreationTime=earlier),
    ]
    points = recovery_points(str(VM), snapshots)
    assert [(point.id, point.type) for point in points] == [
        (str(OTHER), "Replica"),
        (str(POINT), "AppConsistentReplica"),
    ]
    assert points[0].created_at.ToDatetime(UTC) == earlier


def test_a_record_without_the_machine_is_an_error() -> None:
    with pytest.raises(PropertyError, match="Id is missing"):
        replication_state(HOST, PSRecord({"State": "Running"}))


async def test_reading_asks_for_recovery_points_on_the_replica_only(
    powershell: Any, hyper_v: HyperV
) -> None:
    powershell.answer("Get-VM", [hyper_v("vm", VM)], HOST)
    powershell.answer("Get-VMReplication", [hyper_v("replication", VM)], HOST)
    powershell.answer("Measure-VMReplication", [hyper_v("measure", VM)], HOST)
    state = await read_replication(powershell, str(VM).upper(), HOST)
    assert state.state == "Replicating"
    assert powershell.names() == ["Get-VM", "Get-VMReplication", "Measure-VMReplication"]
    assert all(pipeline[0].parameters["Id"] == VM for pipeline in powershell.pipelines)

    powershell.answer("Get-VM", [hyper_v("vm", VM, ReplicationMode="Replica")], HOST)
    snapshot = hyper_v("snapshot", VM, Id=POINT, CreationTime=NOON)
    powershell.answer("Get-VMSnapshot", [snapshot], HOST)
    state = await read_replication(powershell, VM, HOST)
    assert [point.id for point in state.recovery_points] == [str(POINT)]


async def test_reading_a_machine_without_replication_asks_no_more(
    powershell: Any, hyper_v: HyperV
) -> None:
    powershell.answer("Get-VM", [hyper_v("vm", VM, ReplicationMode="None")], HOST)
    state = await read_replication(powershell, VM, HOST)
    assert state.mode == "None"
    assert powershell.names() == ["Get-VM"]


async def test_of_two_relationships_the_simple_one_counts(powershell: Any, hyper_v: HyperV) -> None:
    powershell.answer("Get-VM", [hyper_v("vm", VM, ReplicationMode="Replica")], HOST)
    extended = hyper_v(
        "replication", VM, ReplicationRelationshipType="Extended", ReplicaServerName="third"
    )
    powershell.answer("Get-VMReplication", [extended, hyper_v("replication", VM)], HOST)
    powershell.answer("Measure-VMReplication", [hyper_v("measure", VM)], HOST)
    state = await read_replication(powershell, VM, HOST)
    assert state.replica_server == "h1.beijing"


async def test_an_error_of_powershell_is_passed_on(
    powershell: Any, failure: PowerShellFailure
) -> None:
    powershell.answer("Get-VM", failure, HOST)
    with pytest.raises(PowerShellFailure):
        await read_replication(powershell, VM, HOST)
