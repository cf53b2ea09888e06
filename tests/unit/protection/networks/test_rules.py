"""The rules of network mapping: the seed's tables word for word, hypothesis for the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.networks.facts import (
    WINDOWS_NETWORK_VIRTUALIZATION,
    Adapter,
    AddressUse,
    CloudPair,
    Network,
    Pool,
    Subnet,
    TargetSite,
)
from coordinator.protection.networks.rules import (
    choose_subnet,
    destination,
    match_adapters,
    offer,
    offers,
    way_back,
    ways_back,
)

SHANGHAI_1 = Network("sh1", "VMNetwork1-Shanghai", "LogicalNetwork1-Shanghai")
BEIJING_1 = Network("bj1", "VMNetwork1-Beijing", "LogicalNetwork1-Beijing")
BEIJING_2 = Network("bj2", "VMNetwork2-Beijing", "LogicalNetwork2-Beijing")
# The seed's table of clouds prints the same networks for both recovery clouds, which does not give
# its own result: the second logical network is on the gold one only.
SILVER = CloudPair(
    "SilverCloud1",
    "SilverCloud2",
    used_networks=frozenset({"sh1"}),
    recovery_logical_networks=frozenset({"LogicalNetwork1-Beijing"}),
)
GOLD = CloudPair(
    "GoldCloud1",
    "GoldCloud2",
    used_networks=frozenset({"sh1"}),
    recovery_logical_networks=frozenset({"LogicalNetwork1-Beijing", "LogicalNetwork2-Beijing"}),
)
NO_PAIR = CloudPair("Lead", "Tin", recovery_logical_networks=frozenset({"LogicalNetwork1-Beijing"}))


@pytest.mark.spec("NW-2")
@pytest.mark.parametrize(
    ("target", "pair", "available"),
    [
        (BEIJING_1, SILVER, True),
        (BEIJING_1, GOLD, True),
        (BEIJING_2, SILVER, False),
        (BEIJING_2, GOLD, True),
    ],
)
def test_targets_are_available_as_the_seeds_table_says(
    target: Network, pair: CloudPair, available: bool
) -> None:
    found = offer(SHANGHAI_1, target, [SILVER, GOLD, NO_PAIR])
    assert {each.pair: each.available for each in found.pairs}[pair] is available
    assert found.offered


@pytest.mark.spec("NW-2")
def test_only_networks_that_a_pair_can_use_are_offered_and_only_pairs_that_use_the_source() -> None:
    lonely = Network("bj3", "Lonely", "LogicalNetwork3-Beijing")
    found = offers(SHANGHAI_1, [BEIJING_2, lonely, BEIJING_1], [SILVER, GOLD, NO_PAIR])
    assert [each.network.name for each in found] == ["VMNetwork1-Beijing", "VMNetwork2-Beijing"]
    assert {each.pair.primary_cloud for each in found[0].pairs} == {"SilverCloud1", "GoldCloud1"}
    assert not offers(SHANGHAI_1, [BEIJING_1], [])


@pytest.mark.spec("NW-2")
def test_a_cloud_uses_a_network_whose_logical_network_it_has() -> None:
    pair = CloudPair(
        "A",
        "B",
        primary_logical_networks=frozenset({SHANGHAI_1.logical_network}),
        recovery_logical_networks=frozenset({BEIJING_1.logical_network}),
    )
    assert offer(SHANGHAI_1, BEIJING_1, [pair]).offered


@pytest.mark.spec("NW-2", "SS-1")
def test_a_network_is_not_offered_as_its_own_target() -> None:
    pair = CloudPair(
        "A",
        "B",
        used_networks=frozenset({"sh1"}),
        recovery_logical_networks=frozenset({SHANGHAI_1.logical_network}),
    )
    assert not offers(SHANGHAI_1, [SHANGHAI_1], [pair])


FRONT, BACK = Subnet("f", "Frontend", ("10.2.0.0/24",)), Subnet("b", "Backend", ("10.2.1.0/24",))


@pytest.mark.spec("NW-4")
@pytest.mark.parametrize(
    ("source", "chosen"),
    [("Backend", BACK), ("BACKEND", BACK), ("Frontend", FRONT), ("Other", FRONT), ("", FRONT)],
)
def test_the_subnet_of_the_same_name_is_chosen_else_the_first(source: str, chosen: Subnet) -> None:
    network = Network("n", "N", "L", subnets=(FRONT, BACK))
    assert choose_subnet(network, source) == chosen


@pytest.mark.spec("NW-4")
def test_a_network_without_subnets_has_none_to_choose() -> None:
    assert choose_subnet(Network("n", "N", "L"), "Backend") is None


def site(*networks: Network, logical: frozenset[str] | None = None) -> TargetSite:
    names = frozenset(network.logical_network for network in networks)
    return TargetSite(
        "GoldCloud2",
        names if logical is None else logical,
        {network.id: network for network in networks},
        POOLS,
    )


POOLS = (
    Pool("p1", "Frontend pool", "10.2.0.0/24", "10.2.0.10", "10.2.0.20", logical_network="LB"),
    Pool("s1", "Source pool", "10.1.0.0/24", "10.1.0.10", "10.1.0.20", logical_network="LS"),
    Pool("w1", "Own pool", "192.168.0.0/24", "192.168.0.4", "192.168.0.9", vm_subnet_id="w"),
)
SOURCE = Network("src", "Source", "LS", subnets=(Subnet("s", "Frontend", ("10.1.0.0/24",)),))
TARGET = Network("dst", "Target", "LB", subnets=(FRONT, BACK))
VIRTUAL = Network(
    "wnv",
    "Virtual",
    "LB",
    WINDOWS_NETWORK_VIRTUALIZATION,
    (Subnet("w", "Frontend", ("192.168.0.0/24",)),),
)
BARE_VIRTUAL = Network("bare", "Bare", "LB", WINDOWS_NETWORK_VIRTUALIZATION, (BACK,))


def nic(subnet: str = "Frontend", *, static: bool = True, network: str = "src") -> Adapter:
    return Adapter(
        "d1",
        network_id=network,
        network="Source" if network else "",
        subnet=subnet,
        static=static,
        addresses=("10.1.0.11",),
    )


@pytest.mark.spec("NW-3", "NW-4")
def test_a_mapped_adapter_goes_to_the_mapped_network_and_says_why() -> None:
    found = destination(nic(), "dst", site(SOURCE), site(TARGET))
    assert (found.network, found.subnet) == (TARGET, FRONT)
    assert found.reason == "Source is mapped to Target; the subnet Frontend has the same name"


@pytest.mark.spec("NW-5")
def test_without_a_mapping_an_adapter_is_connected_to_nothing_and_the_reason_says_so() -> None:
    found = destination(nic(), "", site(SOURCE), site(TARGET))
    assert found.network is None
    assert found.reason == "no mapping of Source: connected to nothing"
    assert not found.problem


@pytest.mark.spec("NW-5")
@pytest.mark.parametrize(
    ("mapped_to", "target", "words"),
    [
        ("gone", site(TARGET), "no longer there"),
        ("dst", site(TARGET, logical=frozenset()), "not available in GoldCloud2"),
        ("empty", site(Network("empty", "Empty", "LB")), "has no subnet"),
    ],
)
def test_a_target_that_cannot_be_used_connects_nothing_and_is_a_problem(
    mapped_to: str, target: TargetSite, words: str
) -> None:
    found = destination(nic(), mapped_to, site(SOURCE), target)
    assert found.network is None
    assert words in found.problem


@pytest.mark.spec("NW-5")
def test_an_adapter_without_a_network_has_a_replica_without_one() -> None:
    found = destination(nic(network=""), "dst", site(SOURCE), site(TARGET))
    assert found.network is None
    assert found.reason == "the machine's adapter is connected to nothing"


@pytest.mark.spec("NW-8")
@pytest.mark.parametrize(
    ("mapped_to", "subnet", "static", "use", "pool"),
    [
        ("dst", "Frontend", True, AddressUse.INJECT, "p1"),
        ("dst", "Frontend", False, AddressUse.NONE, None),
        ("wnv", "Frontend", True, AddressUse.INJECT, "w1"),
        ("wnv", "Frontend", False, AddressUse.RESERVE, "w1"),
    ],
)
def test_addresses_are_reserved_where_the_table_says(
    mapped_to: str, subnet: str, static: bool, use: AddressUse, pool: str | None
) -> None:
    found = destination(
        nic(subnet, static=static), mapped_to, site(SOURCE), site(TARGET, VIRTUAL, BARE_VIRTUAL)
    )
    assert (found.use, found.pool.id if found.pool else None) == (use, pool)
    assert not found.problem


@pytest.mark.spec("NW-8")
@pytest.mark.parametrize(
    ("mapped_to", "source_subnet", "static", "words"),
    [
        # No pool at the target; none at the source; a virtualized network always needs one.
        ("dst2", "Frontend", True, "only reserved when there is one on both servers"),
        ("dst", "Unknown", True, "only reserved when there is one on both servers"),
        ("bare", "Frontend", False, "uses network virtualization"),
    ],
)
def test_an_address_that_cannot_be_given_is_a_problem_but_the_adapter_is_connected(
    mapped_to: str, source_subnet: str, static: bool, words: str
) -> None:
    poolless = Network("dst2", "Poolless", "LB", subnets=(BACK,))
    target = site(TARGET, poolless, BARE_VIRTUAL)
    found = destination(nic(source_subnet, static=static), mapped_to, site(SOURCE), target)
    assert found.network is not None
    assert found.use is AddressUse.NONE
    assert words in found.problem


names = st.sampled_from(["A", "B", "C"])
networks = st.builds(
    Network,
    id=st.sampled_from(["n1", "n2", "n3", "n4"]),
    name=names,
    logical_network=names,
    isolation=st.sampled_from(["NoIsolation", "VLANNetwork", WINDOWS_NETWORK_VIRTUALIZATION]),
    subnets=st.lists(
        st.builds(Subnet, id=names, name=names, addresses=st.just(("10.0.0.0/24",))), max_size=3
    ).map(tuple),
)
adapters = st.builds(
    Adapter,
    device_id=names,
    network_id=st.sampled_from(["", "n1", "n2"]),
    network=names,
    subnet=names,
    static=st.booleans(),
)
sites = st.builds(
    lambda found, logical: TargetSite("C", logical, {n.id: n for n in found}, POOLS),
    st.lists(networks, max_size=4),
    st.frozensets(names),
)


@pytest.mark.spec("NW-2", "NW-5")
@given(adapters, st.sampled_from(["", "n1", "n3", "n4", "n5"]), sites, sites)
def test_no_result_ever_names_a_network_the_recovery_cloud_does_not_have(
    adapter: Adapter, mapped_to: str, source: TargetSite, target: TargetSite
) -> None:
    found = destination(adapter, mapped_to, source, target)
    assert found.reason
    if found.network is None:
        assert found.subnet is None
        assert found.use is AddressUse.NONE
        return
    assert found.network.logical_network in target.logical_networks
    assert target.networks[mapped_to] == found.network
    assert found.subnet in found.network.subnets


@pytest.mark.spec("NW-3")
def test_adapters_are_matched_by_id_then_by_address_then_by_place() -> None:
    machine = [
        Adapter("a", slot=0, mac_address="00:15:5D:00:00:01"),
        Adapter("b", slot=1, mac_address="00:15:5D:00:00:02"),
        Adapter("c", slot=2, mac_address="00:15:5D:00:00:03"),
        Adapter("d", slot=7),
    ]
    replica = [
        Adapter("x", "x", slot=2),
        Adapter("y", "y", slot=9, mac_address="00155d000002"),
        Adapter("A", "z", slot=5),
    ]
    found = match_adapters(machine, replica)
    assert {key: each.id for key, each in found.items()} == {"a": "z", "b": "y", "c": "x"}


@given(
    st.lists(adapters, unique_by=lambda each: each.device_id, max_size=3),
    st.lists(adapters, max_size=4),
)
def test_no_adapter_is_matched_twice(machine: list[Adapter], replica: list[Adapter]) -> None:
    numbered = [
        Adapter(each.device_id, id=str(number), slot=each.slot)
        for number, each in enumerate(replica)
    ]
    found = match_adapters(machine, numbered)
    assert len({each.id for each in found.values()}) == len(found)


LEADS = ways_back([("sh1", "bj1")], {})


@pytest.mark.spec("NW-7")
@pytest.mark.parametrize(
    ("now", "leads_to", "back", "unchanged"),
    [
        # The seed's table: VM2 as it was; disconnected; moved to an unmapped network; the mapping
        # of VMNetwork1-Beijing changed.
        ("bj1", LEADS, "sh1", True),
        ("", LEADS, "", False),
        ("bj2", LEADS, "", False),
        ("bj1", ways_back([], {"bj1": "sh2"}), "sh2", False),
        # Beyond it: moved to a network that is mapped; the mapping deleted (NW-9).
        ("bj2", ways_back([("sh1", "bj1"), ("sh2", "bj2")], {}), "sh2", False),
        ("bj1", {}, "sh1", True),
    ],
)
def test_the_original_goes_back_as_the_seeds_table_says(
    now: str, leads_to: dict[str, list[str]], back: str, unchanged: bool
) -> None:
    found = way_back("sh1", "bj1", now, leads_to)
    assert (found.network_id, found.unchanged) == (back, unchanged)
    assert found.reason


@pytest.mark.spec("NW-7")
def test_an_adapter_that_no_mapping_connected_is_left_alone() -> None:
    assert way_back("sh1", "", "bj2", {}).network_id == "sh1"
    assert way_back("sh1", "", "bj1", LEADS).network_id == "sh1"
    assert way_back("sh3", "", "bj1", LEADS).network_id == "sh1"
    assert way_back("", "", "", LEADS).unchanged


@pytest.mark.spec("NW-7")
def test_of_several_ways_back_the_originals_own_network_comes_first() -> None:
    leads_to = ways_back([("sh2", "bj1"), ("sh1", "bj1")], {})
    assert way_back("sh2", "bj1", "bj1", leads_to).network_id == "sh2"
    assert way_back("sh9", "bj1", "bj1", leads_to).network_id == "sh1"
    own = ways_back([("sh1", "bj1")], {"bj1": "sh5"})
    assert own == {"bj1": ["sh5"]}
