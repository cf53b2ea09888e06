"""What the vault believes against what the server says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.discovery.consistency import (
    BelievedCloud,
    BelievedCopy,
    Comparison,
    SeenMachine,
    compare,
)
from coordinator.protection.discovery.records import task_details

pytestmark = pytest.mark.spec("DI-4")

COPY = BelievedCopy(
    item="GoldVM1",
    vm_id="id-1",
    cloud_name="GoldCloud1",
    host="hv1",
    mode="Primary",
    cloud=("cloud-1", "GoldCloud1"),
    partners=frozenset({"hv1.beijing"}),
)
SEEN = SeenMachine(
    name="GoldVM1",
    host="hv1",
    cloud_id="cloud-1",
    mode="Primary",
    state="Replicating",
    partner="hv1.beijing",
)
CLOUD = BelievedCloud(
    name="GoldCloud1",
    pairing="Gold",
    present=True,
    configured=frozenset({"hv1", "hv2"}),
    hosts=frozenset({"hv1", "hv2"}),
)


def comparison(copy: BelievedCopy = COPY, *seen: SeenMachine) -> Comparison:
    return Comparison(copies=(copy,), seen={"id-1": seen}, protected=frozenset({"id-1"}))


def test_what_is_as_believed_is_not_told_of() -> None:
    assert compare(replace(comparison(COPY, SEEN), clouds=(CLOUD,))) == ()


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        ((), "VirtualMachineMissing"),
        ((replace(SEEN, host="hv2"),), "HostDiffers"),
        ((replace(SEEN, cloud_id=""),), "CloudDiffers"),
        ((replace(SEEN, mode="", partner=""),), "ReplicationMissing"),
        ((replace(SEEN, mode="Replica"),), "ReplicationModeDiffers"),
        ((replace(SEEN, partner="hv9.beijing"),), "ReplicationPartnerDiffers"),
    ],
)
def test_each_difference_of_a_machine_says_what_both_say(
    seen: tuple[SeenMachine, ...], code: str
) -> None:
    [found] = compare(comparison(COPY, *seen))
    assert (found.vm_name, found.cloud_name, found.code) == ("GoldVM1", "GoldCloud1", code)
    assert found.in_vault != found.on_premises


def test_on_one_server_the_copy_that_is_meant_is_compared() -> None:
    replica = replace(SEEN, host="hv3", mode="Replica", cloud_id="")
    passive = replace(COPY, host="hv3", mode="Replica", cloud=None, partners=frozenset())
    both = Comparison(
        copies=(COPY, passive), seen={"id-1": (SEEN, replica)}, protected=frozenset({"id-1"})
    )
    assert compare(both) == ()
    moved = replace(both, seen={"id-1": (replace(SEEN, host="hv2"), replica)})
    assert [found.code for found in compare(moved)] == ["HostDiffers"]


def test_nothing_is_said_about_replication_on_a_host_that_could_not_be_read() -> None:
    unread = replace(comparison(COPY, replace(SEEN, mode="")), unread_hosts=frozenset({"hv1"}))
    assert compare(unread) == ()


def test_a_machine_that_is_being_set_up_is_not_expected_to_replicate() -> None:
    assert compare(comparison(replace(COPY, mode=""), replace(SEEN, mode=""))) == ()


def test_a_replication_the_vault_does_not_know_is_told_of() -> None:
    found = compare(Comparison(copies=(), seen={"id-9": (SEEN, replace(SEEN, mode=""))}))
    assert [each.code for each in found] == ["ReplicationUnknown"]


@pytest.mark.parametrize(
    ("cloud", "codes"),
    [
        (replace(CLOUD, present=False), ["CloudMissing"]),
        (replace(CLOUD, hosts=frozenset({"hv1"})), ["HostMissing"]),
        (replace(CLOUD, configured=frozenset({"hv1"})), ["HostNotConfigured"]),
    ],
)
def test_clouds_and_hosts_of_a_pairing_are_compared(cloud: BelievedCloud, codes: list[str]) -> None:
    assert [each.code for each in compare(Comparison(copies=(), clouds=(cloud,)))] == codes


def test_differences_of_a_machine_stand_together_in_asrs_shape() -> None:
    found = compare(comparison(COPY, replace(SEEN, host="hv2", cloud_id="")))
    details = task_details(found)
    assert details["instanceType"] == "ConsistencyCheckTaskDetails"
    assert details["vmDetails"] == [
        {
            "vmName": "GoldVM1",
            "cloudName": "GoldCloud1",
            "details": [
                "In the vault: on hv1. On premises: on hv2.",
                "In the vault: in the cloud GoldCloud1. On premises: in no cloud.",
            ],
            "errorIds": ["HostDiffers", "CloudDiffers"],
        }
    ]


machines = st.builds(
    SeenMachine,
    name=st.just("GoldVM1"),
    host=st.sampled_from(["hv1", "hv2"]),
    cloud_id=st.sampled_from(["", "cloud-1"]),
    mode=st.sampled_from(["", "Primary", "Replica"]),
    partner=st.sampled_from(["", "hv1.beijing", "hv2.beijing"]),
)


@given(st.lists(machines, max_size=2))
def test_only_a_machine_that_is_wholly_as_believed_passes(seen: list[SeenMachine]) -> None:
    found = compare(comparison(COPY, *seen))
    fits = {(m.host, m.cloud_id, m.mode) for m in seen} & {("hv1", "cloud-1", "Primary")}
    assert bool(fits) or bool(found)
