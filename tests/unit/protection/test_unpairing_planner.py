from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from coordinator.jobs.graph import validate_graph
from coordinator.protection.disabling.clean_up import pairing_clean_up
from coordinator.protection.pairing.authorizations import Authorization
from coordinator.protection.pairing.host_steps import Node, Receiver
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


def host(provider_id: str, location: str, name: str, *thumbprints: str) -> UnpairingHost:
    receiver = Receiver(
        provider_id=provider_id, location=location, name=name, nodes=(Node(1, name),)
    )
    return UnpairingHost(receiver=receiver, thumbprints=thumbprints, closed_port=8084)


HV1 = host(SHANGHAI, "Primary", "hv1.sh", "OLD1", "AB12")
HV2 = host(BEIJING, "Recovery", "hv1.bj", "CD34")


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
    entries = {
        "host": "hv1.sh",
        "nodes": [],
        "trust_group": "osr-1",
        "trust_groups": [],
        "kept_primary_servers": [],
        "kept_authorizations": [],
    }
    assert inputs["unpair/hv1.sh"] == entries
    assert inputs["clean-up/hv1.sh"] == {
        **entries,
        "disable": True,
        "certificate_thumbprint": "AB12",
        "superseded_thumbprints": ["OLD1"],
        "closed_port": 8084,
    }


def test_a_host_that_another_pairing_uses_keeps_what_that_one_needs() -> None:
    needed = replace(HV1.receiver, authorizations=(Authorization("hv9.bj", "osr-2"),))
    shared = replace(
        HV1, receiver=needed, shared=True, storage_location="D:\\Replica", trust_groups=("osr-2",)
    )
    graph = plan_unpairing(UnpairingSnapshot("osr-1", (shared, HV2)))
    validate_graph(graph, actions=ACTIONS)
    inputs = {s.key: s.inputs for s in graph.steps}
    unpair = inputs["unpair/hv1.sh"]
    assert unpair["kept_primary_servers"] == ["hv9.bj"]
    assert unpair["trust_groups"] == ["osr-2"]
    assert unpair["kept_authorizations"] == [
        {
            "allowed_primary_server": "hv9.bj",
            "replica_storage_location": "D:\\Replica",
            "trust_group": "osr-2",
        }
    ]
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
    on_host = "-ComputerName hv1.sh -AllowedPrimaryServer"
    assert pairing_clean_up(
        {"hv1.sh": ["hv1.bj"], "hv2.sh": []}, {"hv1.sh": {"hv2.bj": "osr-2"}}
    ) == {
        "hv1.sh": f"Remove-VMReplicationAuthorizationEntry {on_host} hv1.bj;"
        f" Set-VMReplicationAuthorizationEntry {on_host} hv2.bj -TrustGroup osr-2"
    }


def test_machines_that_keep_a_pairing_are_named_as_far_as_a_message_goes() -> None:
    assert pairing_in_use_failure("Gold", ()) is None
    few = pairing_in_use_failure("Gold", ("VM1", "VM2"))
    assert few is not None
    assert few.message == "The pairing Gold cannot be removed: it protects VM1, VM2."
    many = pairing_in_use_failure("Gold", tuple(f"VM{number}" for number in range(12)))
    assert many is not None
    assert many.message.endswith("VM9 and 2 more.")
