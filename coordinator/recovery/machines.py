"""Protected items as the planners of the failover family see them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.conf import settings

from coordinator.fabrics.queries import is_connected, provider_for_fabric
from coordinator.protection.models import ProtectedItem
from coordinator.protection.queries import failover_networks, side_of_item
from coordinator.protection.rules import Authentication, FailoverNetworks
from coordinator.protection.states import ActiveLocation
from coordinator.recovery.snapshot import MachineSnapshot, Side

PARTS = (
    "pairing__policy",
    "pairing__primary_fabric",
    "pairing__recovery_fabric",
    "pairing__primary_cloud",
    "pairing__recovery_cloud",
)


def fresh_item(item_id: UUID) -> ProtectedItem:
    """The item as it is in the database, with all that a snapshot reads.

    Raises:
        ProtectedItem.DoesNotExist: It is gone.
    """
    return ProtectedItem.objects.select_related(*PARTS).get(id=item_id)


def snapshot(item: ProtectedItem, now: datetime, *, with_networks: bool = False) -> MachineSnapshot:
    """A machine and its two sides.

    Args:
        item: From `fresh_item`.
        now: For telling which providers are connected.
        with_networks: Also what its failover has to do about networks.

    Raises:
        RefusedError: HostNotPaired or ProviderNotRegistered, status 409.
    """
    active = ActiveLocation(item.active_location)
    return MachineSnapshot(
        vm_id=item.vm_id,
        active=_side(item, active, now),
        passive=_side(item, active.other, now),
        authentication_type=Authentication(item.pairing.policy.authentication_type),
        replication_port=item.pairing.policy.replication_port,
        networks=failover_networks(item) if with_networks else FailoverNetworks(),
    )


def _side(item: ProtectedItem, location: ActiveLocation, now: datetime) -> Side:
    side = side_of_item(item, location)
    return Side(
        provider_id=side.provider_id,
        host=side.host,
        connection_point=side.connection_point,
        certificate_thumbprint=side.certificate_thumbprint,
        connected=_connected(item, location, now),
    )


def _connected(item: ProtectedItem, location: ActiveLocation, now: datetime) -> bool:
    pairing = item.pairing
    primary = location is ActiveLocation.PRIMARY
    provider = provider_for_fabric(
        pairing.primary_fabric_id if primary else pairing.recovery_fabric_id
    )
    lease_seconds = settings.CONFIGURATION.lease_seconds
    return provider is not None and is_connected(provider, now, lease_seconds)
