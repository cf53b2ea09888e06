"""What mappings did, as the vault believes it, against what the server says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.discovery.mapping_consistency import (
    BelievedAdapter,
    BelievedAddress,
    BelievedMapping,
    MappingComparison,
    SeenAdapter,
    compare_mappings,
)
from coordinator.protection.discovery.records import task_details

pytestmark = pytest.mark.spec("DI-4")

SEEN = SeenAdapter(network_id="bj1", network="Beijing1", subnet_id="front", subnet="Frontend")
ADAPTER = BelievedAdapter(
    item="GoldVM1",
    cloud_name="GoldCloud2",
    device="00:15:5D:00:00:01",
    network_id="bj1",
    network="Beijing1",
    subnet_id="front",
    subnet="Frontend",
    seen=SEEN,
)
ADDRESS = BelievedAddress(
    item="GoldVM1",
    cloud_name="GoldCloud2",
    adapter_id="NIC-1",
    pool_id="pool",
    pool="Pool of Beijing1",
    pool_present=True,
    address="10.2.1.10",
)
GIVEN = {"pool": {"10.2.1.10": "nic-1"}}
NETWORKS = BelievedMapping(kind="VM network", name="map", end="Beijing1", present=True)
STORAGE = BelievedMapping(kind="storage classification", name="gold", end="GOLD", present=True)


def codes(comparison: MappingComparison) -> list[str]:
    return [found.code for found in compare_mappings(comparison)]


def test_what_is_as_believed_is_not_told_of() -> None:
    comparison = MappingComparison(
        mappings=(NETWORKS, STORAGE), adapters=(ADAPTER,), addresses=(ADDRESS,), given=GIVEN
    )
    assert codes(comparison) == []


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (None, "NetworkAdapterMissing"),
        (SeenAdapter(network_id="", network=""), "NetworkDiffers"),
        (replace(SEEN, network_id="bj2", network="Beijing2"), "NetworkDiffers"),
        (replace(SEEN, subnet_id="back", subnet="Backend"), "SubnetDiffers"),
    ],
)
def test_an_adapter_that_is_not_connected_as_believed_is_told_of(
    seen: SeenAdapter | None, code: str
) -> None:
    [found] = compare_mappings(MappingComparison(adapters=(replace(ADAPTER, seen=seen),)))
    assert (found.vm_name, found.cloud_name, found.code) == ("GoldVM1", "GoldCloud2", code)
    assert "00:15:5D:00:00:01" in found.in_vault
    assert found.in_vault != found.on_premises


def test_a_subnet_vmm_does_not_tell_is_not_judged() -> None:
    untold = replace(ADAPTER, seen=replace(SEEN, subnet_id=""))
    assert codes(MappingComparison(adapters=(untold,))) == []


def test_an_address_vmm_no_longer_keeps_is_told_of() -> None:
    comparison = MappingComparison(addresses=(ADDRESS,), given={"pool": {}})
    assert codes(comparison) == ["AddressNotReserved"]
    other = replace(comparison, given={"pool": {"10.2.1.10": "nic-9"}})
    assert codes(other) == ["AddressHeldByOther"]
    gone = replace(comparison, addresses=(replace(ADDRESS, pool_present=False),), given=GIVEN)
    assert codes(gone) == ["AddressNotReserved"]


def test_addresses_of_a_pool_that_was_not_read_are_not_judged() -> None:
    assert codes(MappingComparison(addresses=(ADDRESS,))) == []


def test_a_mapping_whose_end_is_gone_is_told_of_by_its_name() -> None:
    gone = (replace(NETWORKS, present=False), replace(STORAGE, present=False))
    network, storage = compare_mappings(MappingComparison(mappings=gone))
    assert network.code == "MappedNetworkMissing"
    assert storage.code == "MappedClassificationMissing"
    assert "the mapping map uses the VM network Beijing1" in network.in_vault
    shown = task_details((network, storage))["vmDetails"]
    assert isinstance(shown, list)
    assert [each["errorIds"] for each in shown] == [
        ["MappedNetworkMissing", "MappedClassificationMissing"]
    ]


@given(
    st.dictionaries(st.sampled_from(["10.2.1.10", "10.2.1.11"]), st.sampled_from(["nic-1", "x"]))
)
def test_only_the_address_with_its_own_adapter_passes(given_out: dict[str, str]) -> None:
    found = codes(MappingComparison(addresses=(ADDRESS,), given={"pool": given_out}))
    assert (found == []) == (given_out.get("10.2.1.10") == "nic-1")
