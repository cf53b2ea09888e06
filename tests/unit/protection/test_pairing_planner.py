from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.jobs.graph import validate_graph
from coordinator.jobs.steps import FailureRule, Graph, Output
from coordinator.protection.pairing.authorizations import PairedNames, wanted_authorizations
from coordinator.protection.pairing.host_steps import Listening, Node, Receiver
from coordinator.protection.pairing.planner import PairingSnapshot, plan_pairing
from coordinator.protection.policies.rules import Authentication
from coordinator.protection.steps import records

SHANGHAI, BEIJING = str(UUID(int=1)), str(UUID(int=2))
ACTIONS = records(Path("/nowhere"))


def host(number: int, name: str) -> Receiver:
    location, provider = ("Primary", SHANGHAI) if name.endswith("sh") else ("Recovery", BEIJING)
    return Receiver(provider_id=provider, location=location, name=name, nodes=(Node(number, name),))


def snapshot(
    *receivers: Receiver, kind: Authentication = Authentication.CERTIFICATE
) -> PairingSnapshot:
    names = PairedNames(
        "osr-1",
        frozenset(each.name for each in receivers if each.location == "Primary"),
        frozenset(each.name for each in receivers if each.location == "Recovery"),
    )
    wanted = wanted_authorizations([names], [each.name for each in receivers])
    return PairingSnapshot(
        Listening(kind, 8084),
        tuple(replace(each, authorizations=wanted[each.name]) for each in receivers),
    )


THREE = (host(1, "hv1.sh"), host(2, "hv2.sh"), host(3, "hv1.bj"))
SNAPSHOT = snapshot(*THREE)


def step(graph: Graph, key: str) -> dict[str, object]:
    [found] = [step for step in graph.steps if step.key == key]
    return dict(found.inputs)


@pytest.mark.spec("PA-3", "PO-3")
def test_the_graph_of_two_clouds_is_the_recorded_job_with_a_certificate_for_each_host() -> None:
    graph = plan_pairing(SNAPSHOT)
    validate_graph(graph, actions=ACTIONS)
    assert [(task.name, task.friendly_name) for task in graph.tasks] == [
        ("CloudPairingPrerequisitesCheck", "Check protection prerequisites"),
        ("CloudPairingPrepareSite", "Prepare the server"),
        ("CloudPairingPrepareCloud", "Prepare for configuring protection"),
        ("CloudPairingPairClouds", "Configure the protection settings"),
    ]
    assert [(s.key, s.action, s.provider, s.after) for s in graph.steps] == [
        ("read/hv1.sh", "read_host_replication", SHANGHAI, ()),
        ("read/hv2.sh", "read_host_replication", SHANGHAI, ()),
        ("read/hv1.bj", "read_host_replication", BEIJING, ()),
        (
            "check",
            "protection.check_hosts",
            None,
            ("read/hv1.sh", "read/hv2.sh", "read/hv1.bj"),
        ),
        *[
            step
            for name, provider in (("hv1.sh", SHANGHAI), ("hv2.sh", SHANGHAI), ("hv1.bj", BEIJING))
            for step in (
                (f"request/{name}", "prepare_host_certificate", provider, ("check",)),
                (f"issue/{name}", "protection.issue_certificate", None, (f"request/{name}",)),
                (f"install/{name}", "install_host_certificate", provider, (f"issue/{name}",)),
            )
        ],
        *[
            (
                f"configure/{name}",
                "configure_replication_server",
                provider,
                ("check", f"install/{name}"),
            )
            for name, provider in (("hv1.sh", SHANGHAI), ("hv2.sh", SHANGHAI), ("hv1.bj", BEIJING))
        ],
        (
            "pair/complete",
            "protection.pairing_completed",
            None,
            ("configure/hv1.sh", "configure/hv2.sh", "configure/hv1.bj"),
        ),
    ]


@pytest.mark.spec("PA-3")
def test_each_host_lets_in_every_host_of_the_other_cloud() -> None:
    graph = plan_pairing(SNAPSHOT)
    place = Output("check", "hv1.bj")
    assert step(graph, "configure/hv1.bj") == {
        "host": "hv1.bj",
        "nodes": [],
        "authentication_type": "AUTHENTICATION_TYPE_CERTIFICATE",
        "port": 8084,
        "certificate_thumbprint": Output("install/hv1.bj", "thumbprint"),
        "default_storage_location": place,
        "authorizations": [
            {
                "allowed_primary_server": name,
                "replica_storage_location": place,
                "trust_group": "osr-1",
            }
            for name in ("hv1.sh", "hv2.sh")
        ],
    }
    back = step(graph, "configure/hv1.sh")["authorizations"]
    assert isinstance(back, list)
    assert [entry["allowed_primary_server"] for entry in back] == ["hv1.bj"]


def test_with_kerberos_no_certificate_is_made_and_the_task_says_why() -> None:
    graph = plan_pairing(snapshot(*THREE, kind=Authentication.KERBEROS))
    validate_graph(graph, actions=ACTIONS)
    assert not [s for s in graph.steps if s.task == "CloudPairingPrepareSite"]
    assert "Kerberos" in graph.tasks[1].skipped_reason
    assert "certificate_thumbprint" not in step(graph, "configure/hv1.sh")


@pytest.mark.spec("PO-3")
def test_a_host_with_a_certificate_keeps_it() -> None:
    kept = replace(
        host(1, "hv1.sh"), certificate_thumbprint="AB12", certificate_not_after="2027-01-01"
    )
    graph = plan_pairing(snapshot(kept, host(3, "hv1.bj")))
    validate_graph(graph, actions=ACTIONS)
    assert not [s for s in graph.steps if s.key == "request/hv1.sh"]
    assert step(graph, "configure/hv1.sh")["certificate_thumbprint"] == "AB12"
    hosts = step(graph, "pair/complete")["hosts"]
    assert isinstance(hosts, list)
    assert hosts[0] == {
        "host_id": 1,
        "location": "Primary",
        "connection_point": "hv1.sh",
        "certificate_thumbprint": "AB12",
        "certificate_not_after": "2027-01-01",
        "storage_location": Output("check", "hv1.sh"),
    }


def test_a_cluster_is_configured_once_and_has_one_certificate_with_all_its_names() -> None:
    nodes = (Node(1, "node1.sh"), Node(2, "node2.sh"))
    cluster = replace(host(0, "broker.sh"), nodes=nodes)
    graph = plan_pairing(snapshot(cluster, host(3, "hv1.bj")))
    validate_graph(graph, actions=ACTIONS)
    entries = step(graph, "configure/hv1.bj")["authorizations"]
    assert isinstance(entries, list)
    assert [entry["allowed_primary_server"] for entry in entries] == ["broker.sh"]
    names = ["broker.sh", "node1.sh", "node2.sh"]
    assert step(graph, "request/broker.sh")["dns_names"] == names
    assert step(graph, "issue/broker.sh")["host_ids"] == [1, 2]
    installs = {s.key: s for s in graph.steps if s.action == "install_host_certificate"}
    assert [(k, s.inputs["key_of"], s.inputs["keep_key"]) for k, s in installs.items()] == [
        ("install/node1.sh", "broker.sh", True),
        ("install/node2.sh", "broker.sh", False),
        ("install/hv1.bj", "hv1.bj", False),
    ]
    configured = [s for s in graph.steps if s.action == "configure_replication_server"]
    assert [(s.inputs["host"], s.inputs["nodes"]) for s in configured] == [
        ("broker.sh", ["node1.sh", "node2.sh"]),
        ("hv1.bj", []),
    ]
    assert "install/node2.sh" in configured[0].after


@pytest.mark.spec("PR-2")
def test_missing_updates_are_told_and_stop_nothing() -> None:
    cluster = replace(host(1, "broker.sh"), wanted_updates=("KB2961977",))
    graph = plan_pairing(snapshot(cluster, host(3, "hv1.bj")))
    validate_graph(graph, actions=ACTIONS)
    [told] = [s for s in graph.steps if s.action == "protection.check_updates"]
    assert told.on_failure is FailureRule.WARN
    assert step(graph, "read/broker.sh")["wanted_updates"] == ["KB2961977"]
    assert not any("updates" in s.after for s in graph.steps)


@given(st.integers(1, 12), st.integers(1, 12), st.booleans())
def test_nothing_is_changed_on_any_host_before_all_were_read(
    primaries: int, recoveries: int, certificate: bool
) -> None:
    kind = Authentication.CERTIFICATE if certificate else Authentication.KERBEROS
    graph = plan_pairing(
        snapshot(
            *(host(n, f"hv{n}.sh") for n in range(primaries)),
            *(host(n, f"hv{n}.bj") for n in range(recoveries)),
            kind=kind,
        )
    )
    validate_graph(graph, actions=ACTIONS)
    steps = {s.key: s for s in graph.steps}

    def before(key: str) -> set[str]:
        return {key}.union(*(before(earlier) for earlier in steps[key].after))

    reads = {key for key in steps if key.startswith("read/")}
    assert len(reads) == primaries + recoveries
    for key, one in steps.items():
        if one.provider is not None and key not in reads:
            assert "check" in before(key)
    assert reads < before("check")
