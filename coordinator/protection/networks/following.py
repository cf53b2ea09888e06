"""Noticing in the inventory that a replica can be connected which could not be before."""

from __future__ import annotations

from datetime import datetime

from coordinator.fabrics.models import Cloud, Fabric, FabricObject
from coordinator.protection.models import ItemAdapter, ProtectedItem
from coordinator.protection.networks.attaching import mark_pending, would_change
from coordinator.protection.networks.known import KnownSites
from coordinator.protection.networks.pending import WITH_REPLICA
from coordinator.protection.states import ActiveLocation

# Of what a fabric holds, what decides where replicas are connected.
KINDS = ("vm_network", "static_address_pool")


def follow_networks(fabric: Fabric, now: datetime) -> None:
    """Marks the replicas of a server whose problem the changed inventory solves.

    A logical network was associated with the cloud, a pool was made, a network came back. Costs
    next to nothing when no such thing has changed since the inventory was last followed.
    """
    if not _networks_changed(fabric):
        return
    troubled = ItemAdapter.objects.filter(item__pairing__recovery_fabric=fabric).exclude(problem="")
    items = ProtectedItem.objects.filter(
        id__in=troubled.values("item_id"),
        state__in=WITH_REPLICA,
        active_location=ActiveLocation.PRIMARY,
    ).select_related("pairing__primary_cloud", "pairing__recovery_cloud")
    sites = KnownSites()
    mark_pending([item.id for item in items if would_change(item, sites)], now)


def _networks_changed(fabric: Fabric) -> bool:
    """As of the fabric's row as it was read, whatever was followed since."""
    since = {"fabric": fabric, "revision__gt": fabric.followed_revision}
    return (
        Cloud.objects.filter(**since).exists()
        or FabricObject.objects.filter(kind__in=KINDS, **since).exists()
    )
