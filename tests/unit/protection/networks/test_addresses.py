"""Choosing addresses out of static pools."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.networks.addresses import choose_address, pool_of_subnet, subnet_mask
from coordinator.protection.networks.facts import Network, Pool, Subnet

POOL = Pool("p", "P", "10.0.0.0/24", "10.0.0.1", "10.0.0.5", default_gateways=("10.0.0.1",))


@pytest.mark.spec("NW-8")
@pytest.mark.parametrize(
    ("wanted", "taken", "chosen"),
    [
        ("10.0.0.4", (), "10.0.0.4"),
        ("10.0.0.4", ("10.0.0.4",), "10.0.0.2"),
        ("10.0.0.4", ("10.0.0.2", "10.0.0.4"), "10.0.0.3"),
        ("10.1.0.4", ("10.0.0.2",), "10.0.0.3"),
        ("10.0.0.1", (), "10.0.0.2"),
        ("", (), "10.0.0.2"),
        ("fe80::1", (), "10.0.0.2"),
        ("10.0.0.4", tuple(f"10.0.0.{n}" for n in range(2, 6)), None),
    ],
)
def test_the_same_address_if_it_is_free_else_the_next_free_one(
    wanted: str, taken: tuple[str, ...], chosen: str | None
) -> None:
    assert choose_address(POOL, wanted, taken) == chosen


def test_a_pool_of_no_ipv4_range_has_no_addresses() -> None:
    assert choose_address(Pool("p", "P", "fd00::/64", "fd00::1", "fd00::9"), "", ()) is None


numbers = st.integers(0, 40)


@pytest.mark.spec("NW-8")
@given(numbers, numbers, numbers, st.frozensets(numbers), st.frozensets(numbers, max_size=2))
def test_never_an_address_outside_the_pool_or_taken(
    first: int, last: int, wanted: int, taken: frozenset[int], gateways: frozenset[int]
) -> None:
    def text(number: int) -> str:
        return str(IPv4Address(0x0A000000 + number))

    pool = Pool(
        "p",
        "P",
        "10.0.0.0/24",
        text(first),
        text(last),
        default_gateways=tuple(text(number) for number in gateways),
    )
    used = {text(number) for number in taken | gateways}
    free = {text(number) for number in range(first, last + 1)} - used
    chosen = choose_address(pool, text(wanted), [text(number) for number in taken])
    assert (chosen is None) == (not free)
    assert chosen is None or chosen in free
    assert text(wanted) not in free or chosen == text(wanted)


@pytest.mark.spec("NW-8")
def test_an_isolated_subnet_has_its_own_pool_and_others_share_their_sites() -> None:
    own = Pool("own", "Own", "10.0.0.0/24", "10.0.0.2", "10.0.0.3", vm_subnet_id="s")
    shared = Pool("b", "B", "10.0.0.0/24", "10.0.0.4", "10.0.0.5", logical_network="L")
    other = Pool("a", "A", "10.9.0.0/24", "10.9.0.4", "10.9.0.5", logical_network="L")
    foreign = Pool("f", "F", "10.0.0.0/24", "10.0.0.4", "10.0.0.5", logical_network="M")
    subnet = Subnet("s", "S", ("10.0.0.0/24",))
    network = Network("n", "N", "L", subnets=(subnet,))
    assert pool_of_subnet(network, subnet, [shared, own, other, foreign]) == own
    assert pool_of_subnet(network, subnet, [foreign, other, shared]) == shared
    assert pool_of_subnet(network, subnet, [foreign, other]) is None


@pytest.mark.parametrize(
    ("subnet", "mask"),
    [("10.2.0.0/24", "255.255.255.0"), ("10.2.0.0/20", "255.255.240.0"), ("x", "")],
)
def test_masks(subnet: str, mask: str) -> None:
    assert subnet_mask(subnet) == mask
