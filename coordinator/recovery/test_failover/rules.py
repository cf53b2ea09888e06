"""Which networks a test can use, what it makes of them, and when it must not begin: pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from coordinator.failures import Failure
from coordinator.protection.rules import (
    Adapter,
    AddressUse,
    Network,
    Pool,
    ReplicaAdapter,
    Subnet,
    choose_address,
    choose_subnet,
    plan_address,
    pool_of_subnet,
)

VIRTUALIZED = "WindowsNetworkVirtualization"
VLAN = "VLANNetwork"
NO_ISOLATION = "NoIsolation"

# A replica in another state has no whole copy, is failed over, or is being compared.
TESTABLE = frozenset({"Replicating", "Suspended", "Error", "WaitingForStartResynchronize"})


@dataclass(frozen=True, kw_only=True)
class PoolDraft:
    """A pool of a network that is made for a test."""

    name: str
    first_address: str
    last_address: str
    default_gateways: tuple[str, ...] = ()
    dns_servers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SubnetDraft:
    """A subnet of it."""

    name: str
    subnet: str
    pools: tuple[PoolDraft, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NetworkDraft:
    """A network that is made for a test and removed after it.

    Attributes:
        subnets: With VLANs none: a free one of the logical network's sites is taken.
    """

    name: str
    logical_network_id: str
    isolation: str
    subnets: tuple[SubnetDraft, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where an adapter of a test virtual machine is put.

    Attributes:
        address: Out of the pool; empty: none is given.
        inject: The guest is told of it; else VMM hands it out.
    """

    network: Network
    subnet: Subnet
    pool: Pool | None = None
    address: str = ""
    inject: bool = False


def replica_failure(mode: str, state: str, test_vm: str) -> Failure | None:
    """Why no test can be made of a replica as its host shows it; None when one can.

    Args:
        mode: Hyper-V's name.
        state: Hyper-V's name.
        test_vm: Name of its test virtual machine; empty without one.

    Source: Start-VMFailover -AsTest.
    """
    if mode != "Replica" or state not in TESTABLE:
        return Failure(
            "ReplicationNotReady",
            f"The replica is {mode or 'in no mode'} and {state or 'in no state'}; it must be a "
            "replica with a complete copy that is neither failed over nor being compared.",
            (
                "The first copy is not complete, or a resynchronization runs.",
                "Somebody failed the replica over in Hyper-V Manager.",
            ),
            "Wait until the machine replicates again, then repeat the test failover.",
        )
    if test_vm:
        return Failure(
            "TestVirtualMachineExists",
            f"The replica has a test virtual machine already: {test_vm}.",
            ("Somebody began a test failover in Hyper-V Manager.",),
            "End that test failover on the host (Stop-VMFailover), then repeat this one.",
        )
    return None


def combination_failure(
    machine: str, adapters: Sequence[ReplicaAdapter], *, virtualized: bool
) -> Failure | None:
    """Why a replica cannot be tested in a virtualized network; None when it can.

    Args:
        machine: Its name.
        adapters: Of the replica.
        virtualized: The test network uses network virtualization.

    Source: ASR's two combinations that fail.
    """
    if not virtualized:
        return None
    for adapter in adapters:
        network = adapter.network
        if network is None or network.isolation == VIRTUALIZED:
            continue
        if network.isolation == NO_ISOLATION:
            why = f"{network.name} has no isolation: there are no subnets to build from"
        elif adapter.pool is None:
            why = f"{network.name} has DHCP and VLANs: there is no address pool"
        else:
            continue
        return Failure(
            "TestNetworkNotPossible",
            f"{machine} cannot be tested in a network with network virtualization: {why}.",
            (f"The replica of {machine} is connected to {network.name}.",),
            "Choose a test network without network virtualization, or test without a network.",
        )
    return None


def production_failure(machine: str, network: str, state: str) -> Failure | None:
    """Why a production network cannot be the test's; None when the machine itself is off.

    Args:
        machine: Its name.
        network: Name of the network.
        state: VMState of the machine where it runs; empty when nobody knows.
    """
    if state == "Off":
        return None
    known = f"it is {state}" if state else "its state is not known"
    return Failure(
        "TestNetworkIsProduction",
        f"{network} is a production network, and {machine} is not off where it runs ({known}): "
        "both would have one identity in it.",
        (
            f"A network mapping uses {network}, or the replica is connected to it.",
            (
                "In a production network a test machine answers with the name, the addresses and "
                "the accounts of the machine itself."
            ),
        ),
        "Choose a network that is isolated from production. If the test must be in this one, shut "
        f"{machine} down first; it stays down for the test, and what the test writes is lost.",
    )


def isolation_of(
    logical_network: str,
    *,
    virtualization: bool,
    isolated_sites: bool,
    networks: Collection[Network],
) -> str | Failure:
    """How a network that is made on a logical network is kept apart.

    Args:
        logical_network: Its name.
        virtualization: It allows network virtualization.
        isolated_sites: VLANs of its sites are isolated from each other.
        networks: VM networks of its server.

    Returns:
        VMM's isolation type; a failure when nothing would keep it apart.
    """
    if virtualization:
        return VIRTUALIZED
    on_it = [each for each in networks if each.logical_network == logical_network]
    if isolated_sites or any(each.isolation == VLAN for each in on_it):
        return VLAN
    return Failure(
        "TestNetworkNotIsolated",
        f"No network can be made for a test on {logical_network}: it isolates nothing.",
        (
            (
                "It uses neither network virtualization nor isolated VLANs, so that every VM "
                "network on it is one and the same network."
            ),
        ),
        "Choose a logical network with network virtualization or isolated VLANs, an existing VM "
        "network, or no network.",
    )


def draft_network(
    name: str,
    logical_network_id: str,
    isolation: str,
    adapters: Sequence[ReplicaAdapter],
    pools: Sequence[Pool],
) -> NetworkDraft | Failure:
    """What is made on a logical network for a test.

    A virtualized network gets copies of the subnets and pools of the replicas' networks; names are
    the network's own, for a pool tells the subnet it is of by name only.

    Args:
        name: Of the network.
        logical_network_id: VMM's.
        isolation: From `isolation_of`.
        adapters: Of all replicas that are tested in it.
        pools: Of their server.
    """
    if isolation != VIRTUALIZED:
        return NetworkDraft(name=name, logical_network_id=logical_network_id, isolation=isolation)
    found: dict[str, Pool | None] = {}
    for network in {each.network.id: each.network for each in adapters if each.network}.values():
        for subnet in network.subnets:
            pool = pool_of_subnet(network, subnet, pools)
            for addresses in subnet.addresses[:1]:
                found.setdefault(addresses, pool)
    if not found:
        return _nothing_to_copy(name)
    overlap = _overlap(list(found))
    if overlap:
        return _overlapping(*overlap)
    drafts = tuple(
        SubnetDraft(
            name=f"{name} {number}",
            subnet=addresses,
            pools=() if pool is None else (_pool_draft(f"{name} {number}", pool),),
        )
        for number, (addresses, pool) in enumerate(found.items(), start=1)
    )
    return NetworkDraft(
        name=name, logical_network_id=logical_network_id, isolation=isolation, subnets=drafts
    )


def place(
    adapter: ReplicaAdapter,
    network: Network,
    pools: Sequence[Pool],
    taken: Mapping[str, Collection[str]],
) -> Place | None:
    """Where an adapter is put in the test network; None when the network has no subnet.

    It is the subnet with the addresses of the replica's own, else the one of the same name, else
    the first. The address is the one a failover would give if the pool has it free, else the next.

    Args:
        adapter: Of the replica.
        network: The test network.
        pools: Of its server.
        taken: By pool what is given out already.

    Source: SPEC NW-4, NW-8.
    """
    own = adapter.subnet
    same = next(
        (each for each in network.subnets if own and set(each.addresses) & set(own.addresses)), None
    )
    subnet = same or choose_subnet(network, own.name if own else "")
    if subnet is None:
        return None
    pool = pool_of_subnet(network, subnet, pools)
    plan = plan_address(
        Adapter(adapter.device_id, static=adapter.static, network=network.name), pool, network, pool
    )
    if plan.use is AddressUse.NONE or plan.pool is None:
        return Place(network, subnet)
    address = choose_address(plan.pool, adapter.address, taken.get(plan.pool.id, ())) or ""
    inject = plan.use is AddressUse.INJECT
    return Place(network, subnet, plan.pool, address, inject=inject)


def _pool_draft(name: str, pool: Pool) -> PoolDraft:
    return PoolDraft(
        name=name,
        first_address=pool.first_address,
        last_address=pool.last_address,
        default_gateways=pool.default_gateways,
        dns_servers=pool.dns_servers,
    )


def _overlap(subnets: Sequence[str]) -> tuple[str, str] | None:
    known: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for text in subnets:
        try:
            subnet = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        for other in known:
            if subnet.version == other.version and subnet.overlaps(other):
                return str(other), text
        known.append(subnet)
    return None


def _nothing_to_copy(name: str) -> Failure:
    return Failure(
        "TestNetworkHasNothingToCopy",
        f"The network {name} cannot be made: no replica that is tested is connected to a network "
        "whose subnets could be copied.",
        ("No network is mapped, or the machines' adapters are connected to nothing.",),
        "Map the machines' networks first, or test without a network.",
    )


def _overlapping(one: str, other: str) -> Failure:
    return Failure(
        "TestSubnetsOverlap",
        f"One network cannot be made for all that is tested: the subnets {one} and {other} of "
        "their networks overlap.",
        ("Machines of several virtualized networks are tested together.",),
        "Test the machines of each network apart, or choose an existing network.",
    )
