"""Networks and addresses of the machines of a dry run, read out of the tables."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from coordinator.protection.models import ItemAdapter, ProtectedItem
from coordinator.protection.queries import replica_site
from coordinator.protection.rules import Network, Pool, ReplicaAdapter
from coordinator.protection.states import ActiveLocation
from coordinator.recovery.dry_run.facts import AdapterFacts, PoolFacts
from coordinator.recovery.dry_run.looks import Given
from coordinator.recovery.test_failover.choosing import Surroundings
from coordinator.recovery.test_failover.rules import place


@dataclass(frozen=True)
class Addresses:
    """Adapters of machines and the pools they have addresses of.

    Attributes:
        around: Of the machines.
        test_network_id: VMM's id of the network that is tested in, case folded; empty for none.
    """

    around: Surroundings
    test_network_id: str = ""

    def adapters(self, item: ProtectedItem) -> tuple[AdapterFacts, ...]:
        """What the machine's adapters would be connected to, and which addresses they would have.

        Nothing is said of the way back: the machine has its own networks and addresses there.
        """
        networks = self.around.networks(item).values()
        test = next((one for one in networks if one.id.casefold() == self.test_network_id), None)
        replicas = {each.device_id: each for each in self.around.adapters(item)}
        there = item.active_location == ActiveLocation.PRIMARY
        if not there and test is None:
            return ()
        return tuple(
            self._adapter(item, row, replicas[row.device_id], test)
            for row in self.around.rows[item.id]
        )

    def pools(self, items: Collection[ProtectedItem], given: Given) -> dict[str, PoolFacts]:
        """The static pools of the servers that machines go to, by VMM's id.

        Args:
            items: The machines.
            given: What was given out of them when the server was last looked at.
        """
        known: dict[str, Pool] = {}
        for item in items:
            known |= {pool.id: pool for pool in replica_site(item, self.around.sites).pools}
        return {
            pool.id: PoolFacts(name=pool.name, size=size_of(pool), given=given.get(pool.id))
            for pool in known.values()
        }

    def _adapter(
        self,
        item: ProtectedItem,
        row: ItemAdapter,
        replica: ReplicaAdapter,
        test: Network | None,
    ) -> AdapterFacts:
        site = replica_site(item, self.around.sites)
        spot = None if test is None else place(replica, test, site.pools, {})
        test_pool = None if spot is None else spot.pool
        return AdapterFacts(
            source_network=row.source_network,
            target_network=row.target_network,
            target_known=row.target_network_id in site.networks,
            connected=row.connected,
            problem=row.problem,
            lacks_address=row.static_address and not row.address,
            address=row.address,
            adapter_id=row.replica_adapter_id.lower(),
            pool_id=row.pool_id or ("" if replica.pool is None else replica.pool.id),
            test_pool_id="" if test_pool is None else test_pool.id,
        )


def size_of(pool: Pool) -> int:
    """How many addresses a pool has to give; 0 when its range is none of IPv4."""
    try:
        first, last = IPv4Address(pool.first_address), IPv4Address(pool.last_address)
        gateways = {IPv4Address(each) for each in pool.default_gateways}
    except AddressValueError:
        return 0
    return max(0, int(last) - int(first) + 1 - sum(first <= each <= last for each in gateways))
