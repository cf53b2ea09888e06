"""Reading what others need of protection; what resource ids name is read by the module beside."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q

from coordinator.protection.capacity.queries import (
    LimitStanding,
    bandwidth_limits_of,
    find_bandwidth_limit,
    limit_standing,
)
from coordinator.protection.counts import (
    RPO_LIMITS_SECONDS,
    RpoCount,
    items_by_state,
    oldest_reports,
    rpo_counts,
)
from coordinator.protection.health_queries import AilingItem, ailing_items, item_healths
from coordinator.protection.models import ProtectedItem
from coordinator.protection.networks.failover import failover_networks, failover_networks_of
from coordinator.protection.networks.queries import (
    FabricNetwork,
    adapters_of_items,
    availability,
    find_logical_network,
    find_network,
    find_network_mapping,
    list_logical_networks,
    list_networks,
    mappings_of,
    offered_targets,
)
from coordinator.protection.networks.testing import (
    KnownSites,
    held_out,
    production_networks,
    replica_adapters,
    replica_site,
    told_adapters,
)
from coordinator.protection.offline.facts import copy_facts
from coordinator.protection.offline.watching import Place, first_copies_to_watch
from coordinator.protection.pairing.host_queries import PairedHostView, hosts_of_pairing
from coordinator.protection.pairing.prerequisite_facts import prerequisite_failures
from coordinator.protection.replication.evaluation import picture_of
from coordinator.protection.replication.history import rpo_course
from coordinator.protection.resource_queries import (
    CloudRole,
    Readiness,
    cloud_roles,
    find_item,
    find_pairing,
    find_policy,
    items_of,
    items_of_machines,
    pairings_of,
    points_of,
    policies_of,
    protected_item_counts,
    read_sides,
    readiness_of,
    running_jobs,
    vault_contents,
)
from coordinator.protection.roles.queries import RoleOfCopy, roles_of
from coordinator.protection.sides import ItemSide, side_of_item, sides_of_items
from coordinator.protection.storage.places import (
    locations_of,
    place_at,
    places_by_classification,
)
from coordinator.protection.storage.queries import (
    classifications_of,
    find_classification,
    find_storage_mapping,
    storage_mappings_of,
)
from coordinator.protection.storage.rules import Location as StoragePlace

__all__ = [
    "RPO_LIMITS_SECONDS",
    "AilingItem",
    "CloudRole",
    "FabricNetwork",
    "ItemSide",
    "KnownSites",
    "LimitStanding",
    "PairedHostView",
    "Place",
    "Readiness",
    "RoleOfCopy",
    "RpoCount",
    "StoragePlace",
    "adapters_of_items",
    "ailing_items",
    "availability",
    "bandwidth_limits_of",
    "classifications_of",
    "cloud_roles",
    "copy_facts",
    "failover_networks",
    "failover_networks_of",
    "find_bandwidth_limit",
    "find_classification",
    "find_item",
    "find_logical_network",
    "find_network",
    "find_network_mapping",
    "find_pairing",
    "find_policy",
    "find_storage_mapping",
    "first_copies_to_watch",
    "held_out",
    "hosts_of_pairing",
    "item_healths",
    "items_by_state",
    "items_of",
    "items_of_machines",
    "limit_standing",
    "list_logical_networks",
    "list_networks",
    "locations_of",
    "machines_to_watch",
    "mappings_of",
    "offered_targets",
    "oldest_reports",
    "pairings_of",
    "picture_of",
    "place_at",
    "places_by_classification",
    "points_of",
    "policies_of",
    "prerequisite_failures",
    "production_networks",
    "protected_item_counts",
    "read_sides",
    "readiness_of",
    "replica_adapters",
    "replica_site",
    "roles_of",
    "rpo_counts",
    "rpo_course",
    "running_jobs",
    "side_of_item",
    "sides_of_items",
    "storage_mappings_of",
    "told_adapters",
    "vault_contents",
]


def machines_to_watch(fabric_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Which machines' replication each fabric's provider reports about.

    Returns:
        By fabric Hyper-V ids, sorted; every fabric asked for is there.
    """
    watched: dict[UUID, set[str]] = {fabric_id: set() for fabric_id in fabric_ids}
    items = ProtectedItem.objects.filter(
        Q(pairing__primary_fabric__in=watched) | Q(pairing__recovery_fabric__in=watched)
    )
    for primary, recovery, vm_id in items.values_list(
        "pairing__primary_fabric_id", "pairing__recovery_fabric_id", "vm_id"
    ):
        for fabric_id in {primary, recovery} & watched.keys():
            watched[fabric_id].add(vm_id)
    return {fabric_id: sorted(vm_ids) for fabric_id, vm_ids in watched.items()}
