"""What a failover does about networks: addresses on the way there, connections on the way back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from coordinator.jobs.registry import RecordCall
from coordinator.protection.inventory import provider_of
from coordinator.protection.models import ItemAdapter, NetworkMapping, ProtectedItem
from coordinator.protection.networks.addresses import (
    choose_address,
    plan_address,
    pool_of_subnet,
    subnet_mask,
)
from coordinator.protection.networks.facts import (
    Adapter,
    AddressUse,
    Network,
    Pool,
    Subnet,
    TargetSite,
)
from coordinator.protection.networks.failover_planner import (
    CopyPlace,
    FailoverAddress,
    FailoverNetworks,
    WayBackPlan,
)
from coordinator.protection.networks.known import adapters_of, machine_on, site_of
from coordinator.protection.networks.records import given_out, told
from coordinator.protection.networks.reservations import hold_pools
from coordinator.protection.networks.rules import (
    WayBack,
    choose_subnet,
    match_adapters,
    way_back,
    ways_back,
)
from coordinator.protection.sides import fabric_of_side, host_of_side
from coordinator.protection.states import ActiveLocation
from coordinator.protection.transitions import lock_item


def failover_networks(item: ProtectedItem) -> FailoverNetworks:
    """What a failover of an item, away from where its machine runs, has to do about networks.

    Args:
        item: With its pairing, clouds and fabrics.

    Raises:
        RefusedError: ProviderNotRegistered.

    Source: SPEC NW-7, NW-8.
    """
    return failover_networks_of([item])[item.id]


def failover_networks_of(items: Iterable[ProtectedItem]) -> dict[UUID, FailoverNetworks]:
    """What the failovers of many items have to do about networks, by item.

    The number of queries grows with the pairings of the items, not with their number.

    Raises:
        RefusedError: ProviderNotRegistered.
    """
    known = list(items)
    rows: defaultdict[UUID, list[ItemAdapter]] = defaultdict(list)
    for row in ItemAdapter.objects.filter(item__in=known).order_by("slot", "device_id"):
        rows[row.item_id].append(row)
    shared = _Shared()
    return {item.id: _networks(item, rows[item.id], shared) for item in known}


@dataclass
class _Shared:
    """What machines have in common: providers by fabric, pools on the way back by pairing."""

    providers: dict[UUID, str] = field(default_factory=dict)
    pools: dict[UUID, tuple[str, ...]] = field(default_factory=dict)

    def place(self, item: ProtectedItem, location: ActiveLocation) -> CopyPlace:
        fabric = fabric_of_side(item.pairing, location)
        if fabric.id not in self.providers:
            self.providers[fabric.id] = str(provider_of(fabric).id)
        return CopyPlace(self.providers[fabric.id], item.vm_id, host_of_side(item, location))

    def pools_on_the_way(self, item: ProtectedItem) -> tuple[str, ...]:
        if item.pairing_id not in self.pools:
            self.pools[item.pairing_id] = _pools_on_the_way(item)
        return self.pools[item.pairing_id]


def _networks(
    item: ProtectedItem, rows: Sequence[ItemAdapter], shared: _Shared
) -> FailoverNetworks:
    active = ActiveLocation(item.active_location)
    if active is ActiveLocation.PRIMARY:
        addresses = tuple(_address(row) for row in rows if _has_address(row))
        return FailoverNetworks(shared.place(item, active.other) if addresses else None, addresses)
    if not rows:
        return FailoverNetworks()
    return FailoverNetworks(
        way_back=WayBackPlan(
            item_id=str(item.id),
            name=item.friendly_name,
            source=shared.place(item, active),
            target=shared.place(item, active.other),
            adapters=len(rows),
            pools=shared.pools_on_the_way(item),
        )
    )


def _has_address(row: ItemAdapter) -> bool:
    """Also one that has none now: what a failover before may have written is cleared."""
    return bool(row.target_network_id) and row.static_address


def _address(row: ItemAdapter) -> FailoverAddress:
    if not (row.injected and row.reserved and row.connected):
        return FailoverAddress(row.device_id)
    return FailoverAddress(
        row.device_id,
        row.address,
        row.subnet_mask,
        row.default_gateway,
        tuple(str(server) for server in row.dns_servers),
    )


def _leads_to(item: ProtectedItem) -> dict[str, list[str]]:
    primary, recovery = item.pairing.primary_fabric_id, item.pairing.recovery_fabric_id
    forward = NetworkMapping.objects.filter(source_fabric_id=primary, target_fabric_id=recovery)
    back = NetworkMapping.objects.filter(source_fabric_id=recovery, target_fabric_id=primary)
    columns = ("source_network_id", "target_network_id")
    if primary == recovery:
        # One server: a mapping leads both ways, and what a network is itself mapped to is the
        # way there, not back.
        return ways_back(forward.values_list(*columns), {})
    return ways_back(forward.values_list(*columns), dict(back.values_list(*columns)))


def _pools_on_the_way(item: ProtectedItem) -> tuple[str, ...]:
    """Pools of the primary networks that the machine might come back to."""
    site = site_of(item.pairing.primary_cloud)
    reached = {network_id for ids in _leads_to(item).values() for network_id in ids}
    pools = {
        pool.id
        for network_id in reached & site.networks.keys()
        for subnet in site.networks[network_id].subnets
        if (pool := pool_of_subnet(site.networks[network_id], subnet, site.pools)) is not None
    }
    return tuple(sorted(pools))


@dataclass(frozen=True)
class _Answer:
    """What the steps of one adapter are told."""

    device_id: str = ""
    adapter: str = ""
    network: str = ""
    subnet: str = ""
    leave: bool = False
    reserve_from: str = ""
    reserved: str = ""
    pool: Pool | None = None
    address: str = ""

    def as_result(self, number: int) -> dict[str, object]:
        pool = self.pool if self.address else None
        return {
            f"device_id_{number}": self.device_id,
            f"adapter_{number}": self.adapter,
            f"network_{number}": self.network,
            f"subnet_{number}": self.subnet,
            f"leave_{number}": self.leave,
            f"pool_{number}": self.reserve_from,
            f"reserved_{number}": self.reserved,
            f"address_{number}": self.address,
            f"subnet_mask_{number}": subnet_mask(pool.subnet) if pool else "",
            f"default_gateway_{number}": next(iter(pool.default_gateways), "") if pool else "",
            f"dns_servers_{number}": list(pool.dns_servers[:2]) if pool else [],
        }


def decide_way_back(call: RecordCall) -> Mapping[str, object]:
    """Decides for each adapter of the original what it is connected to, with which address.

    Where a provider could not tell, the inventory does. Source: SPEC NW-7.
    """
    item = lock_item(str(call.inputs["item_id"]))
    running = _seen(item, ActiveLocation.RECOVERY, call.inputs["running"])
    originals = _seen(item, ActiveLocation.PRIMARY, call.inputs["originals"])
    site = site_of(item.pairing.primary_cloud)
    leads_to = _leads_to(item)
    rows = list(ItemAdapter.objects.filter(item=item).order_by("slot", "device_id"))
    known = [Adapter(row.device_id, slot=row.slot, mac_address=row.mac_address) for row in rows]
    now, own = match_adapters(known, running), match_adapters(known, originals)
    given = given_out(call.inputs["pools"])
    hold_pools(given)
    result: dict[str, object] = {}
    for number, row in enumerate(rows):
        original = own.get(row.device_id)
        answer = _Answer(device_id=row.device_id)
        if original is not None:
            seen = now.get(row.device_id)
            back = way_back(
                original.network_id,
                row.target_network_id if row.connected else "",
                row.target_network_id if seen is None else seen.network_id,
                leads_to,
            )
            answer = _answer(original, seen, back, site, given)
            row.reason = f"at failback: {back.reason}"
            row.save(update_fields=["reason"])
        result |= answer.as_result(number)
    return result


def _answer(
    original: Adapter,
    running: Adapter | None,
    back: WayBack,
    site: TargetSite,
    given: Mapping[str, Sequence[str]],
) -> _Answer:
    if back.unchanged or back.network_id == original.network_id:
        return _own_place(original, site)
    network = site.networks.get(back.network_id)
    subnet = None if network is None else choose_subnet(network, running.subnet if running else "")
    available = network is not None and network.logical_network in site.logical_networks
    if network is None or subnet is None or not available:
        return _Answer(original.device_id, original.id)
    answer = _Answer(original.device_id, original.id, network.id, subnet.id)
    pool = pool_of_subnet(network, subnet, site.pools)
    plan = plan_address(original, _pool_of(original, site), network, pool)
    return _with_address(answer, original, plan.use, plan.pool, given)


def _with_address(
    answer: _Answer,
    original: Adapter,
    use: AddressUse,
    pool: Pool | None,
    given: Mapping[str, Sequence[str]],
) -> _Answer:
    if use is AddressUse.NONE or pool is None:
        return answer
    address = choose_address(pool, original.address, given.get(pool.id, ())) or ""
    return _Answer(
        answer.device_id,
        answer.adapter,
        answer.network,
        answer.subnet,
        reserve_from=pool.id,
        reserved=address,
        pool=pool,
        address=address if use is AddressUse.INJECT else "",
    )


def _own_place(original: Adapter, site: TargetSite) -> _Answer:
    """It stays; the guest, which may have another address by now, gets its own back."""
    pool = _pool_of(original, site) if original.static else None
    return _Answer(
        original.device_id,
        original.id,
        leave=True,
        pool=pool,
        address=original.address if pool is not None else "",
    )


def _place_of(adapter: Adapter, site: TargetSite) -> tuple[Network, Subnet] | None:
    network = site.networks.get(adapter.network_id)
    subnet = None if network is None else network.subnet_named(adapter.subnet)
    return None if network is None or subnet is None else (network, subnet)


def _pool_of(adapter: Adapter, site: TargetSite) -> Pool | None:
    place = _place_of(adapter, site)
    return None if place is None else pool_of_subnet(*place, site.pools)


def _seen(item: ProtectedItem, location: ActiveLocation, adapters: object) -> Sequence[Adapter]:
    if adapters is not None:
        return told(adapters)
    fabric = fabric_of_side(item.pairing, location)
    machine = machine_on(fabric.id, item.vm_id, host_of_side(item, location))
    return () if machine is None else adapters_of(machine)
