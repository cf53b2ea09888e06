from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.pairing.authorizations import (
    Authorization,
    PairedNames,
    groups_on,
    wanted_authorizations,
)

pytestmark = pytest.mark.spec("PA-3")


def names(group: str, primary: str, recovery: str) -> PairedNames:
    return PairedNames(group, frozenset(primary.split()), frozenset(recovery.split()))


def entries(pairings: list[PairedNames], receiver: str) -> dict[str, str]:
    return {
        entry.primary_server: entry.trust_group
        for entry in wanted_authorizations(pairings, [receiver])[receiver]
    }


def test_each_side_lets_in_the_other_in_the_pairings_group() -> None:
    one = names("g1", "a b", "x")
    assert entries([one], "x") == {"a": "g1", "b": "g1"}
    assert entries([one], "a") == {"x": "g1"}
    assert entries([one], "stranger") == {}


def test_pairings_without_a_common_primary_keep_their_own_groups() -> None:
    pairings = [names("g1", "a", "x"), names("g2", "b", "x")]
    assert entries(pairings, "x") == {"a": "g1", "b": "g2"}


def test_pairings_with_a_common_primary_share_the_oldest_ones_group() -> None:
    pairings = [names("g1", "a b", "x"), names("g2", "b c", "x")]
    assert entries(pairings, "x") == {"a": "g1", "b": "g1", "c": "g1"}
    assert entries(pairings[1:], "x") == {"b": "g2", "c": "g2"}


def test_a_younger_pairing_can_join_two_older_ones() -> None:
    pairings = [names("g1", "a", "x"), names("g2", "b", "x"), names("g3", "a b", "x")]
    assert set(entries(pairings, "x").values()) == {"g1"}


def test_a_host_that_is_source_of_one_and_target_of_another_lets_in_both() -> None:
    pairings = [names("g1", "a", "x"), names("g2", "y", "a")]
    assert entries(pairings, "a") == {"x": "g1", "y": "g2"}
    assert groups_on(pairings, "a") == ("g1", "g2")
    assert groups_on(pairings, "x") == ("g1",)


HOSTS = st.frozensets(st.sampled_from("abcdef"), min_size=1, max_size=4)
PAIRINGS = st.lists(st.tuples(HOSTS, HOSTS), max_size=5).map(
    lambda sides: [
        PairedNames(f"g{number}", primary, recovery - primary)
        for number, (primary, recovery) in enumerate(sides)
    ]
)


@given(PAIRINGS, st.sampled_from("abcdef"))
def test_every_primary_has_one_entry_and_a_cloud_is_in_one_group_whatever_is_shared(
    pairings: list[PairedNames], receiver: str
) -> None:
    found = wanted_authorizations(pairings, [receiver])[receiver]
    servers = [entry.primary_server for entry in found]
    assert len(servers) == len(set(servers))
    assert receiver not in servers
    group_of = {entry.primary_server: entry.trust_group for entry in found}
    for pairing in pairings:
        assert len({group_of[server] for server in pairing.senders_to(receiver)}) <= 1
    wanted = set().union(*(pairing.senders_to(receiver) for pairing in pairings))
    assert set(servers) == wanted


@given(PAIRINGS, st.sampled_from("abcdef"))
def test_the_groups_of_a_host_are_those_its_entries_can_carry(
    pairings: list[PairedNames], receiver: str
) -> None:
    carried = {entry.trust_group for entry in wanted_authorizations(pairings, [receiver])[receiver]}
    assert carried <= set(groups_on(pairings, receiver))


def test_entries_are_in_the_order_of_their_names() -> None:
    found = wanted_authorizations([names("g1", "c a b", "x")], ["x"])["x"]
    assert found == tuple(Authorization(name, "g1") for name in "abc")
