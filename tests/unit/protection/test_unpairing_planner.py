from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from coordinator.jobs.graph import validate_graph
from coordinator.protection.disabling.clean_up import pairing_clean_up
from coordinator.protection.pairing.unpairing_planner import (
    UnpairingHost,
    UnpairingSnapshot,
    plan_purge,
    plan_unpairing,
)
from coordinator.protection.rules import pairing_in_use_failure
from coordinator.protection.steps import records

pytestmark = pytest.mark.spec("PA-4")

ACTIONS = records(Path("/nowhere"))
SHANGHAI, BEIJING = str(UUID(int=1)), str(UUID(int=2))
HV1 = UnpairingHost(provider_id=SHANGHAI, fqdn="hv1.sh", certificate_thumbprint="AB12")
HV2 = UnpairingHost(provider_id=BEIJING, fqdn="hv1.bj", certificate_thumbprint="CD34")


def test_unpairing_is_the_recorded_job_and_changes_nothing_before_every_host_was_reached() -> None:
    graph = plan_unpairing(UnpairingSnapshot("osr-1", (HV1, HV2)))
    validate_graph(graph, actions=ACTIONS)
    assert [task.name for task in graph.tasks] == [
        "CloudUnpairingPrerequisitesCheck",
        "CloudUnpairingUnpairClouds",
        "CloudUnpairingCleanupClouds",
        "CloudUnpairingCleanupSite",
    ]
    assert [(s.key, s.action, s.provider, s.after) for s in graph.steps] == [
        ("read/hv1.sh", "read_host_replication", SHANGHAI, ()),
        ("read/hv1.bj", "read_host_replication", BEIJING, ()),
        ("check", "protection.check_unpairing", None, ("read/hv1.sh", "read/hv1.bj")),
        ("unpair/hv1.sh", "remove_host_replication", SHANGHAI, ("check",)),
        ("unpair/hv1.bj", "remove_host_replication", BEIJING, ("check",)),
        (
            "clean-up/hv1.sh",
            "remove_host_replication",
            SHANGHAI,
            ("unpair/hv1.sh", "unpair/hv1.bj"),
        ),
        (
            "clean-up/hv1.bj",
            "remove_host_replication",
            BEIJING,
            ("unpair/hv1.sh", "unpair/hv1.bj"),
        ),
        (
            "clean-up/record",
            "protection.unpaired",
            None,
            ("clean-up/hv1.sh", "clean-up/hv1.bj"),
        ),
    ]


def test_authorizations_go_before_the_rest() -> None:
    graph = plan_unpairing(UnpairingSnapshot("osr-1", (HV1,)))
    inputs = {s.key: s.inputs for s in graph.steps}
    entries = {"host": "hv1.sh", "trust_group": "osr-1", "kept_primary_servers": []}
    assert inputs["unpair/hv1.sh"] == entries
    assert inputs["clean-up/hv1.sh"] == {
        **entries,
        "disable": True,
        "certificate_thumbprint": "AB12",
    }


def test_a_host_that_another_pairing_uses_keeps_what_that_one_needs() -> None:
    shared = replace(HV1, shared=True, kept_primary_servers=("hv9.bj",))
    graph = plan_unpairing(UnpairingSnapshot("osr-1", (shared, HV2)))
    validate_graph(graph, actions=ACTIONS)
    inputs = {s.key: s.inputs for s in graph.steps}
    assert inputs["unpair/hv1.sh"]["kept_primary_servers"] == ["hv9.bj"]
    assert "clean-up/hv1.sh" not in inputs
    assert "clean-up/hv1.bj" in inputs


@pytest.mark.parametrize("hosts", [(), (replace(HV1, shared=True),)])
def test_with_nothing_of_its_own_the_pairing_still_goes(hosts: tuple[UnpairingHost, ...]) -> None:
    graph = plan_unpairing(UnpairingSnapshot("osr-1", hosts))
    validate_graph(graph, actions=ACTIONS)
    assert graph.steps[-1].action == "protection.unpaired"
    assert graph.tasks[2].skipped_reason


def test_removing_from_the_vault_sends_no_command() -> None:
    graph = plan_purge()
    validate_graph(graph, actions=ACTIONS)
    assert [s.provider for s in graph.steps] == [None]
    assert pairing_clean_up("osr-1", ["hv1.sh"]) == {
        "hv1.sh": "Remove-VMReplicationAuthorizationEntry -ComputerName hv1.sh -TrustGroup osr-1"
    }


def test_machines_that_keep_a_pairing_are_named_as_far_as_a_message_goes() -> None:
    assert pairing_in_use_failure("Gold", ()) is None
    few = pairing_in_use_failure("Gold", ("VM1", "VM2"))
    assert few is not None
    assert few.message == "The pairing Gold cannot be removed: it protects VM1, VM2."
    many = pairing_in_use_failure("Gold", tuple(f"VM{number}" for number in range(12)))
    assert many is not None
    assert many.message.endswith("VM9 and 2 more.")
