"""Protected items as the planners of the failover family see them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from coordinator.fabrics.queries import provider_for_fabric, was_heard_of
from coordinator.failures import RefusedError
from coordinator.protection.models import ProtectedItem
from coordinator.protection.queries import (
    ItemSide,
    failover_networks,
    failover_networks_of,
    side_of_item,
    sides_of_items,
)
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
# Where an item that was read with others has what was read with it.
_TOGETHER = "read_together"


@dataclass(frozen=True)
class Together:
    """What many items' snapshots are made of, read at once.

    Attributes:
        sides: By item and side; a refusal is raised when the side is asked for.
        networks: By item; a refusal is raised when they are asked for.
        connected: By fabric.
    """

    sides: Mapping[tuple[UUID, ActiveLocation], ItemSide | RefusedError]
    networks: Mapping[UUID, FailoverNetworks] | RefusedError
    connected: Mapping[UUID, bool]


def fresh_item(item_id: UUID) -> ProtectedItem:
    """The item as it is in the database, with all that a snapshot reads.

    Raises:
        ProtectedItem.DoesNotExist: It is gone.
    """
    return ProtectedItem.objects.select_related(*PARTS).get(id=item_id)


def items_together(
    item_ids: Collection[UUID | str], now: datetime, *, with_networks: bool = False
) -> dict[UUID, ProtectedItem]:
    """Many items as they are in the database, by id; `snapshot` of them asks nothing more.

    The number of queries grows with the pairings of the items, not with their number. Whether a
    job works on an item is not looked at: whoever begins one for it takes its lock.

    Args:
        item_ids: The items; those that are gone have no entry.
        now: For telling which providers are connected.
        with_networks: Also what their failovers have to do about networks.
    """
    rows = ProtectedItem.objects.select_related(*PARTS).filter(id__in=item_ids)
    items = {item.id: item for item in rows}
    fabrics = {
        fabric_id
        for item in items.values()
        for fabric_id in (item.pairing.primary_fabric_id, item.pairing.recovery_fabric_id)
    }
    together = Together(
        sides=sides_of_items(items.values()),
        networks=_networks_of(items.values()) if with_networks else {},
        connected={fabric_id: _is_connected(fabric_id, now) for fabric_id in fabrics},
    )
    for item in items.values():
        setattr(item, _TOGETHER, together)
    return items


def read_together(item: ProtectedItem) -> Together | None:
    """What was read with the item; None when it was read alone."""
    found: Together | None = getattr(item, _TOGETHER, None)
    return found


def snapshot(item: ProtectedItem, now: datetime, *, with_networks: bool = False) -> MachineSnapshot:
    """A machine and its two sides.

    Args:
        item: From `fresh_item` or `items_together`.
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
        role_epoch=item.role_epoch,
        networks=_networks(item) if with_networks else FailoverNetworks(),
    )


def _side(item: ProtectedItem, location: ActiveLocation, now: datetime) -> Side:
    side = _item_side(item, location)
    return Side(
        provider_id=side.provider_id,
        host=side.host,
        connection_point=side.connection_point,
        certificate_thumbprint=side.certificate_thumbprint,
        connected=_connected(item, location, now),
    )


def _item_side(item: ProtectedItem, location: ActiveLocation) -> ItemSide:
    together = read_together(item)
    side = side_of_item(item, location) if together is None else together.sides[item.id, location]
    if isinstance(side, RefusedError):
        raise side
    return side


def _networks(item: ProtectedItem) -> FailoverNetworks:
    together = read_together(item)
    if together is None:
        return failover_networks(item)
    if isinstance(together.networks, RefusedError):
        raise together.networks
    return together.networks[item.id]


def _networks_of(
    items: Collection[ProtectedItem],
) -> Mapping[UUID, FailoverNetworks] | RefusedError:
    try:
        return failover_networks_of(items)
    except RefusedError as error:
        return error


def _connected(item: ProtectedItem, location: ActiveLocation, now: datetime) -> bool:
    pairing = item.pairing
    primary = location is ActiveLocation.PRIMARY
    fabric_id = pairing.primary_fabric_id if primary else pairing.recovery_fabric_id
    together = read_together(item)
    return _is_connected(fabric_id, now) if together is None else together.connected[fabric_id]


def _is_connected(fabric_id: UUID, now: datetime) -> bool:
    provider = provider_for_fabric(fabric_id)
    lease_seconds = settings.CONFIGURATION.lease_seconds
    return provider is not None and was_heard_of(provider, now, lease_seconds)
