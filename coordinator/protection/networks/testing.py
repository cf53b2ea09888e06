"""What a test failover has to know of networks: the replica's own, and those of production."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast
from uuid import UUID

from django.db.models import Q

from coordinator.protection.models import ItemAdapter, NetworkMapping, ProtectedItem
from coordinator.protection.networks.addresses import pool_of_subnet
from coordinator.protection.networks.facts import Adapter, TargetSite
from coordinator.protection.networks.known import KnownSites
from coordinator.protection.networks.records import given_out, told
from coordinator.protection.networks.reservations import hold_pools
from coordinator.protection.networks.rules import choose_subnet
from coordinator.protection.networks.tested import ReplicaAdapter
from coordinator.protection.states import ActiveLocation

__all__ = [
    "KnownSites",
    "held_out",
    "production_networks",
    "replica_adapters",
    "replica_site",
    "told_adapters",
]


def replica_site(item: ProtectedItem, known: KnownSites) -> TargetSite:
    """Networks and pools of the side that a machine does not run on."""
    pairing = item.pairing
    recovery = item.active_location == ActiveLocation.PRIMARY
    return known.of(pairing.recovery_cloud if recovery else pairing.primary_cloud)


def replica_adapters(
    item: ProtectedItem, rows: Iterable[ItemAdapter], site: TargetSite
) -> tuple[ReplicaAdapter, ...]:
    """The adapters of a machine on the side it does not run on, as a failover would have them.

    Args:
        item: The machine.
        rows: Of its adapters, by slot.
        site: From `replica_site`.
    """
    recovery = item.active_location == ActiveLocation.PRIMARY
    return tuple(_adapter(row, site, recovery=recovery) for row in rows)


def production_networks(fabric_id: UUID) -> frozenset[str]:
    """VM networks of a server that a mapping leads to or from: production uses them."""
    rows = NetworkMapping.objects.filter(
        Q(source_fabric=fabric_id) | Q(target_fabric=fabric_id)
    ).values_list("source_fabric_id", "source_network_id", "target_fabric_id", "target_network_id")
    found: set[str] = set()
    for source_fabric, source, target_fabric, target in rows:
        found |= {source} if source_fabric == fabric_id else set()
        found |= {target} if target_fabric == fabric_id else set()
    return frozenset(found)


def told_adapters(adapters: object) -> list[Adapter]:
    """Adapters as a provider told of them, by slot."""
    return sorted(told(adapters), key=lambda adapter: (adapter.slot, adapter.device_id))


def held_out(pools: object) -> Mapping[str, Sequence[str]]:
    """What VMM has given out of pools, as a provider told; nobody else chooses meanwhile.

    To be called in the transaction that notes what is chosen.
    """
    given = given_out(pools)
    hold_pools(given)
    return cast("Mapping[str, Sequence[str]]", given)


def _adapter(row: ItemAdapter, site: TargetSite, *, recovery: bool) -> ReplicaAdapter:
    network_id = row.target_network_id if recovery else row.source_network_id
    subnet_name = row.target_subnet if recovery else row.source_subnet
    address = (row.address if recovery else "") or row.source_address
    network = site.networks.get(network_id)
    subnet = None if network is None else choose_subnet(network, subnet_name)
    pool = None
    if network is not None and subnet is not None:
        pool = pool_of_subnet(network, subnet, site.pools)
    return ReplicaAdapter(
        device_id=row.device_id,
        slot=row.slot,
        mac_address=row.mac_address,
        network=network,
        subnet=subnet,
        pool=pool,
        static=row.static_address,
        address=address,
    )
