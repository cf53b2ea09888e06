"""Which address a replica gets out of a static pool (SPEC NW-8)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from coordinator.protection.networks.facts import Adapter, AddressUse, Network, Pool, Subnet


@dataclass(frozen=True)
class AddressPlan:
    """Whether an address is wanted, and out of which pool.

    Attributes:
        problem: Why none can be given although one is wanted; empty when there is none.
    """

    use: AddressUse
    pool: Pool | None = None
    problem: str = ""


def pool_of_subnet(network: Network, subnet: Subnet, pools: Iterable[Pool]) -> Pool | None:
    """The pool that addresses of a subnet come from; None when it has none.

    An isolated network has pools of its own; the others share those of their logical network's
    sites, which say by their subnet what they are for. Several: the first by name.
    """
    own = [pool for pool in pools if pool.vm_subnet_id and pool.vm_subnet_id == subnet.id]
    shared = [
        pool
        for pool in pools
        if not pool.vm_subnet_id
        and pool.logical_network == network.logical_network
        and pool.subnet in subnet.addresses
    ]
    return min(own or shared, key=lambda pool: (pool.name, pool.id), default=None)


def plan_address(
    adapter: Adapter, source_pool: Pool | None, network: Network, target_pool: Pool | None
) -> AddressPlan:
    """What becomes of the address of a replica's adapter.

    Args:
        adapter: Of the machine.
        source_pool: Pool of the subnet the machine's adapter is in.
        network: What the replica's adapter is connected to.
        target_pool: Pool of the subnet there.

    Source: SPEC NW-8. DHCP is left alone, but a virtualized network gives every address out of a
    pool, those of DHCP clients too.
    """
    if network.virtualized:
        if target_pool is None:
            return AddressPlan(
                AddressUse.NONE,
                problem=f"{network.name} uses network virtualization and its subnet has no static"
                " address pool: no address can be given to the replica",
            )
        return AddressPlan(AddressUse.INJECT if adapter.static else AddressUse.RESERVE, target_pool)
    if not adapter.static:
        return AddressPlan(AddressUse.NONE)
    if source_pool is None or target_pool is None:
        where = adapter.network if source_pool is None else network.name
        return AddressPlan(
            AddressUse.NONE,
            problem=f"the subnet in {where} has no static address pool: an address is only"
            " reserved when there is one on both servers",
        )
    return AddressPlan(AddressUse.INJECT, target_pool)


def choose_address(pool: Pool, wanted: str, taken: Collection[str]) -> str | None:
    """The wanted address if the pool has it and it is free, else the next free one.

    Args:
        pool: The pool.
        wanted: Address of the machine itself; may be no address of the pool, or empty.
        taken: What is given out already, of this pool or of others.

    Returns:
        An address of the pool's range that is not taken and is none of its gateways; None when the
        pool has none left, or its range is no range of IPv4 addresses.

    Source: SPEC NW-8; a test failover uses the same rule with the pool of its network.
    """
    first, last = _number(pool.first_address), _number(pool.last_address)
    if first is None or last is None:
        return None
    used = {_number(one) for one in (*taken, *pool.default_gateways)}
    same = _number(wanted)
    if same is not None and first <= same <= last and same not in used:
        return str(IPv4Address(same))
    free = next((number for number in range(first, last + 1) if number not in used), None)
    return None if free is None else str(IPv4Address(free))


def subnet_mask(subnet: str) -> str:
    """The mask of a subnet in CIDR notation; empty when it is none of IPv4."""
    try:
        return str(IPv4Network(subnet, strict=False).netmask)
    except ValueError:
        return ""


def _number(address: str) -> int | None:
    try:
        return int(IPv4Address(address))
    except ValueError:
        return None
