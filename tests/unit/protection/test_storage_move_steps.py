from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from coordinator.jobs.graph import validate_graph
from coordinator.jobs.steps import Output
from coordinator.protection.capacity.planner import HostLimits, plan_bandwidth
from coordinator.protection.enabling.planner import plan_enabling
from coordinator.protection.enabling.variants import Variant
from coordinator.protection.steps import CONDITIONS, records
from tests.unit.protection.test_enabling_planner import SNAPSHOT

RECOVERY_PROVIDER = str(UUID(int=2))
ACTIONS = {**records(Path("/nowhere")), **CONDITIONS}
MAPPED = replace(SNAPSHOT, storage_provider_id=RECOVERY_PROVIDER)


@pytest.mark.spec("ST-2")
def test_the_replica_is_moved_between_being_made_and_being_copied_to() -> None:
    graph = plan_enabling(MAPPED)
    validate_graph(graph, actions=ACTIONS)
    actions = [step.action for step in graph.steps]
    enabled, moved = actions.index("enable_replication"), actions.index("move_replica_storage")
    assert enabled < moved < actions.index("start_initial_replication")
    assert actions[moved + 1] == "protection.storage_moved"
    step = graph.steps[moved]
    assert (step.task, step.provider) == ("EnableProtection", RECOVERY_PROVIDER)
    assert step.inputs["disks"] == Output("target/choose", "disks")
    assert step.inputs["vm"] == {
        "vm_id": SNAPSHOT.vm_id,
        "host": Output("target/choose", "host"),
    }


@pytest.mark.spec("ST-2")
def test_without_mapped_storage_and_for_what_is_there_already_nothing_is_moved() -> None:
    for snapshot in (SNAPSHOT, replace(MAPPED, variant=Variant.EXISTING_REPLICATION)):
        actions = {step.action for step in plan_enabling(snapshot).steps}
        assert "move_replica_storage" not in actions


@pytest.mark.spec("CA-2")
def test_every_host_gets_its_limits_and_none_waits_for_another() -> None:
    graph = plan_bandwidth(
        RECOVERY_PROVIDER,
        (HostLimits("hv1", {8084: 5_000_000_000, 8083: 8192}), HostLimits("hv2", {})),
    )
    validate_graph(graph, actions=ACTIONS)
    assert [(task.name, task.friendly_name) for task in graph.tasks] == [
        ("LimitReplicationBandwidthTask", "Limit replication bandwidth")
    ]
    first, second = graph.steps
    assert first.inputs == {
        "host": "hv1",
        "limits": [
            {"port": 8083, "bits_per_second": "8192"},
            {"port": 8084, "bits_per_second": "5000000000"},
        ],
    }
    assert second.inputs == {"host": "hv2", "limits": []}
    assert (first.after, second.after) == ((), ())
