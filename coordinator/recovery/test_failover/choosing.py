"""What the networks of a test are, and what stands against them, as the inventory knows it."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from coordinator.fabrics.models import Fabric
from coordinator.failures import Failure, RefusedError, refuse
from coordinator.protection.models import ItemAdapter, ProtectedItem
from coordinator.protection.queries import (
    KnownSites,
    adapters_of_items,
    find_logical_network,
    production_networks,
    replica_adapters,
    replica_site,
)
from coordinator.protection.rules import Network, ReplicaAdapter, pool_of_subnet
from coordinator.protection.states import ActiveLocation
from coordinator.recovery.models import DrillNetwork
from coordinator.recovery.test_failover.options import DrillOptions, NetworkChoice
from coordinator.recovery.test_failover.rules import (
    VIRTUALIZED,
    NetworkDraft,
    combination_failure,
    draft_network,
    isolation_of,
)

NAME_LENGTH = 64
# A network that no test uses is removed by itself, but not while its job is being begun.
UNUSED_FOR = timedelta(minutes=10)


@dataclass
class Surroundings:
    """What the tests of several machines read once."""

    sites: KnownSites = field(default_factory=KnownSites)
    rows: Mapping[UUID, list[ItemAdapter]] = field(default_factory=dict)
    _production: dict[UUID, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, items: Iterable[ProtectedItem]) -> Surroundings:
        return cls(rows=adapters_of_items([item.id for item in items]))

    def adapters(self, item: ProtectedItem) -> tuple[ReplicaAdapter, ...]:
        """Of the replica, as a failover would have them."""
        rows = self.rows.get(item.id)
        if rows is None:
            rows = adapters_of_items([item.id])[item.id]
        return replica_adapters(item, rows, replica_site(item, self.sites))

    def networks(self, item: ProtectedItem) -> Mapping[str, Network]:
        """VM networks of the replica's server, by id."""
        return replica_site(item, self.sites).networks

    def pools_of_network(self, item: ProtectedItem, network_id: str) -> set[str]:
        """Ids of the pools of a VM network's subnets; empty when the server has no such network."""
        site = replica_site(item, self.sites)
        wanted = network_id.casefold()
        found = (
            pool_of_subnet(network, subnet, site.pools)
            for network in site.networks.values()
            if network.id.casefold() == wanted
            for subnet in network.subnets
        )
        return {pool.id for pool in found if pool is not None}

    def is_production(self, item: ProtectedItem, network: Network) -> bool:
        """Whether production uses a network: it is mapped, or the replica is connected to it."""
        fabric = replica_fabric(item)
        if fabric.id not in self._production:
            self._production[fabric.id] = production_networks(fabric.id)
        own = {each.network.id for each in self.adapters(item) if each.network is not None}
        return network.id in self._production[fabric.id] | own


@dataclass(frozen=True)
class SharedNetwork:
    """A network that is made once for all machines of a test.

    Attributes:
        row: Not yet in the database.
        draft: What is made.
    """

    row: DrillNetwork
    draft: NetworkDraft


def replica_fabric(item: ProtectedItem) -> Fabric:
    """The server of the side that a machine does not run on."""
    if item.active_location == ActiveLocation.PRIMARY:
        return item.pairing.recovery_fabric
    return item.pairing.primary_fabric


def existing_network(
    item: ProtectedItem, options: DrillOptions, around: Surroundings
) -> tuple[Network, tuple[str, ...]]:
    """The VM network that was chosen for a test, and the pools of its subnets.

    Raises:
        RefusedError: TestNetworkNotFound (400), TestNetworkWithoutSubnet, TestNetworkNotPossible
            (409).
    """
    site = replica_site(item, around.sites)
    wanted = options.network_id.casefold()
    network = next((each for each in site.networks.values() if each.id.casefold() == wanted), None)
    if network is None:
        raise _unknown("VM network", item, options.network_id)
    if not network.subnets:
        raise refuse(
            "TestNetworkWithoutSubnet",
            f"The VM network {network.name} has no subnet to connect a machine to.",
            causes=["Its subnets were removed in VMM, or none was ever made."],
            action="Choose another network, or add a subnet to it in VMM.",
            status=409,
        )
    _refuse_on(
        combination_failure(
            item.friendly_name, around.adapters(item), virtualized=network.virtualized
        )
    )
    pools = (pool_of_subnet(network, subnet, site.pools) for subnet in network.subnets)
    return network, tuple(sorted({pool.id for pool in pools if pool is not None}))


def new_network(
    name: str,
    items: Collection[ProtectedItem],
    options: DrillOptions,
    around: Surroundings,
    now: datetime,
) -> SharedNetwork:
    """A network to be made on the logical network that was chosen, for the tests of machines.

    Args:
        name: Of the machine or the plan.
        items: Machines with their replicas on one server; at least one.
        options: How they are tested.
        around: What is known of networks.
        now: The time.

    Raises:
        RefusedError: TestNetworkNotFound (400); TestNetworkNotIsolated, TestNetworkNotPossible,
            TestNetworkHasNothingToCopy, TestSubnetsOverlap (409).
    """
    first = next(iter(items))
    fabric = replica_fabric(first)
    logical = find_logical_network(fabric.id, options.network_id)
    if logical is None:
        raise _unknown("logical network", first, options.network_id)
    site = replica_site(first, around.sites)
    isolation = isolation_of(
        logical.name,
        virtualization=bool(logical.details.get("network_virtualization")),
        isolated_sites=bool(logical.details.get("definitions_isolated")),
        networks=site.networks.values(),
    )
    if isinstance(isolation, Failure):
        raise RefusedError(isolation, status=409)
    for item in items:
        _refuse_on(
            combination_failure(
                item.friendly_name, around.adapters(item), virtualized=isolation == VIRTUALIZED
            )
        )
    row_id = uuid.uuid4()
    adapters = [adapter for item in items for adapter in around.adapters(item)]
    full_name = f"{name[:NAME_LENGTH]} - Test {row_id.hex[:8]}"
    draft = draft_network(full_name, logical.external_id, isolation, adapters, site.pools)
    if isinstance(draft, Failure):
        raise RefusedError(draft, status=409)
    row = DrillNetwork(
        id=row_id,
        vault_id=first.vault_id,
        fabric=fabric,
        name=full_name,
        description=f"Made by Open Site Recovery for a test failover ({row_id}).",
        isolation=isolation,
        created_at=now,
        removal_after=now + UNUSED_FOR,
    )
    return SharedNetwork(row, draft)


def check_choice(options: DrillOptions) -> None:
    """Refuses a choice that is none: a network is named if and only if one is used.

    Raises:
        RefusedError: TestNetworkMissing (400).
    """
    needs = options.network is not NetworkChoice.NONE
    if needs and not options.network_id:
        raise refuse(
            "TestNetworkMissing",
            f"The request names no network for the network type {options.network}.",
            causes=["networkId is missing."],
            action="Give networkId, or test without a network.",
            field="networkId",
        )


def _unknown(what: str, item: ProtectedItem, network_id: str) -> RefusedError:
    server = replica_fabric(item).friendly_name
    return refuse(
        "TestNetworkNotFound",
        f"{server} has no {what} {network_id}.",
        causes=[
            "The network is another server's: a test takes place where the replica is.",
            "It was removed in VMM, or the server has not been refreshed since it was made.",
        ],
        action=f"Choose a {what} of {server}.",
        field="networkId",
    )


def _refuse_on(failure: Failure | None) -> None:
    if failure is not None:
        raise RefusedError(failure, status=409)
