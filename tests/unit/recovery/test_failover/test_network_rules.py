"""Networks of tests: which combinations fail, what is made, who is put where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.failures import Failure
from coordinator.protection.rules import Network, Pool, ReplicaAdapter, Subnet
from coordinator.recovery.test_failover.rules import (
    NO_ISOLATION,
    VIRTUALIZED,
    VLAN,
    NetworkDraft,
    combination_failure,
    draft_network,
    isolation_of,
    place,
    production_failure,
    replica_failure,
)

pytestmark = pytest.mark.spec("FO-1")


def subnet(key: str = "s", addresses: str = "10.0.0.0/24") -> Subnet:
    return Subnet(key, "Front", (addresses,))


def network(isolation: str, *subnets: Subnet, key: str = "n") -> Network:
    return Network(key, f"Network {key}", f"Logical {key}", isolation, subnets or (subnet(),))


def pool(addresses: str = "10.0.0.0/24", of: str = "", logical: str = "Logical n") -> Pool:
    prefix = addresses.rpartition(".")[0]
    return Pool(
        id=f"pool {addresses} {of}",
        name="Pool",
        subnet=addresses,
        first_address=f"{prefix}.10",
        last_address=f"{prefix}.12",
        vm_subnet_id=of,
        logical_network=logical,
        default_gateways=(f"{prefix}.1",),
    )


def adapter(
    on: Network | None, *, static: bool = True, with_pool: bool = True, address: str = "10.0.0.11"
) -> ReplicaAdapter:
    own = on.subnets[0] if on else None
    return ReplicaAdapter(
        device_id="d",
        network=on,
        subnet=own,
        pool=pool() if with_pool and on else None,
        static=static,
        address=address,
    )


@pytest.mark.parametrize(
    ("isolation", "with_pool", "virtualized", "fails"),
    [
        (NO_ISOLATION, True, True, True),
        (NO_ISOLATION, False, True, True),
        (VLAN, False, True, True),
        (VLAN, True, True, False),
        (VIRTUALIZED, True, True, False),
        (VIRTUALIZED, False, True, False),
        (NO_ISOLATION, True, False, False),
        (VLAN, False, False, False),
    ],
)
def test_two_combinations_with_network_virtualization_fail(
    isolation: str, *, with_pool: bool, virtualized: bool, fails: bool
) -> None:
    failure = combination_failure(
        "VM1", [adapter(network(isolation), with_pool=with_pool)], virtualized=virtualized
    )
    assert (failure is not None) is fails
    if failure is not None:
        assert "Network n" in failure.message
        assert failure.recommended_action


def test_a_replica_that_is_connected_to_nothing_fails_nowhere() -> None:
    assert combination_failure("VM1", [adapter(None)], virtualized=True) is None


@pytest.mark.parametrize(
    ("state", "refused"), [("Running", True), ("Paused", True), ("", True), ("Off", False)]
)
def test_productions_network_needs_the_machine_off(state: str, *, refused: bool) -> None:
    failure = production_failure("VM1", "Production", state)
    assert (failure is not None) is refused
    if failure is not None:
        assert failure.possible_causes


@pytest.mark.parametrize(
    ("mode", "state", "test_vm", "code"),
    [
        ("Replica", "Replicating", "", None),
        ("Replica", "Suspended", "", None),
        ("Replica", "Error", "", None),
        ("Replica", "Resynchronizing", "", "ReplicationNotReady"),
        ("Replica", "WaitingForInitialReplication", "", "ReplicationNotReady"),
        ("Replica", "FailedOverWaitingCompletion", "", "ReplicationNotReady"),
        ("Primary", "Replicating", "", "ReplicationNotReady"),
        ("None", "Disabled", "", "ReplicationNotReady"),
        ("Replica", "Replicating", "VM1 - Test", "TestVirtualMachineExists"),
    ],
)
def test_only_a_whole_replica_without_a_test_machine_is_tested(
    mode: str, state: str, test_vm: str, code: str | None
) -> None:
    failure = replica_failure(mode, state, test_vm)
    assert (None if failure is None else failure.code) == code


@pytest.mark.parametrize(
    ("virtualization", "isolated", "others", "expected"),
    [
        (True, False, (), VIRTUALIZED),
        (True, True, (VLAN,), VIRTUALIZED),
        (False, True, (), VLAN),
        (False, False, (VLAN,), VLAN),
    ],
)
def test_a_made_network_is_kept_apart_as_its_logical_network_allows(
    virtualization: bool,
    isolated: bool,
    others: tuple[str, ...],
    expected: str,
) -> None:
    known = [network(each) for each in others]
    found = isolation_of(
        "Logical n", virtualization=virtualization, isolated_sites=isolated, networks=known
    )
    assert found == expected


def test_on_a_logical_network_that_isolates_nothing_none_is_made() -> None:
    known = [network(NO_ISOLATION), network(VLAN, key="other")]
    found = isolation_of("Logical n", virtualization=False, isolated_sites=False, networks=known)
    assert isinstance(found, Failure)
    assert found.code == "TestNetworkNotIsolated"


def test_a_virtualized_network_gets_every_subnet_and_pool_of_the_replicas_networks() -> None:
    tenant = network(VIRTUALIZED, subnet("a", "10.0.0.0/24"), subnet("b", "10.1.0.0/24"))
    own = [pool("10.0.0.0/24", "a"), pool("10.9.0.0/24", "z")]
    draft = draft_network("Test", "ln", VIRTUALIZED, [adapter(tenant)] * 3, own)
    assert isinstance(draft, NetworkDraft)
    assert [each.subnet for each in draft.subnets] == ["10.0.0.0/24", "10.1.0.0/24"]
    first, second = draft.subnets
    assert [each.first_address for each in first.pools] == ["10.0.0.10"]
    assert second.pools == ()
    names = [each.name for each in draft.subnets]
    assert len(set(names)) == 2
    assert all(name.startswith("Test ") for name in names)


def test_a_network_by_vlan_takes_what_its_site_has_free() -> None:
    draft = draft_network("Test", "ln", VLAN, [adapter(network(NO_ISOLATION))], [])
    assert isinstance(draft, NetworkDraft)
    assert draft.subnets == ()


def test_overlapping_subnets_and_nothing_to_copy_are_refused() -> None:
    one = network(VIRTUALIZED, subnet("a", "10.0.0.0/16"), key="one")
    two = network(VIRTUALIZED, subnet("b", "10.0.5.0/24"), key="two")
    overlapping = draft_network("Test", "ln", VIRTUALIZED, [adapter(one), adapter(two)], [])
    assert isinstance(overlapping, Failure)
    assert overlapping.code == "TestSubnetsOverlap"
    nothing = draft_network("Test", "ln", VIRTUALIZED, [adapter(None)], [])
    assert isinstance(nothing, Failure)
    assert nothing.code == "TestNetworkHasNothingToCopy"


def test_the_subnet_is_the_one_of_the_same_addresses_then_of_the_same_name_then_the_first() -> None:
    own = adapter(network(VIRTUALIZED, subnet("x", "10.5.0.0/24")))
    same = Subnet("same", "Other", ("10.5.0.0/24",))
    named = Subnet("named", "front", ("10.6.0.0/24",))
    first = Subnet("first", "Back", ("10.7.0.0/24",))
    for subnets, expected in (
        ((first, named, same), "same"),
        ((first, named), "named"),
        ((first,), "first"),
    ):
        found = place(own, network(NO_ISOLATION, *subnets), [], {})
        assert found is not None
        assert found.subnet.id == expected
    assert place(own, Network("n", "n", "l"), [], {}) is None


@pytest.mark.spec("NW-8")
def test_the_address_is_the_failovers_if_free_else_the_next_and_dhcp_is_left_alone() -> None:
    test = network(NO_ISOLATION)
    own = adapter(network(NO_ISOLATION))
    taken = {pool().id: ["10.0.0.11"]}
    same = place(own, test, [pool()], {})
    other = place(own, test, [pool()], taken)
    dhcp = place(adapter(network(NO_ISOLATION), static=False), test, [pool()], {})
    assert same is not None
    assert (same.address, same.inject) == ("10.0.0.11", True)
    assert other is not None
    assert other.address == "10.0.0.10"
    assert dhcp is not None
    assert (dhcp.address, dhcp.pool) == ("", None)


@pytest.mark.spec("NW-8")
@given(st.sets(st.integers(min_value=10, max_value=12)))
def test_no_address_is_given_twice(given_out: set[int]) -> None:
    taken = {pool().id: [f"10.0.0.{each}" for each in given_out]}
    found = place(adapter(network(NO_ISOLATION)), network(NO_ISOLATION), [pool()], taken)
    assert found is not None
    assert found.address not in taken[pool().id]
    assert bool(found.address) is (len(given_out) < 3)
