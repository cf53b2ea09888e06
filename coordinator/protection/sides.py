"""The two sides of a protected item: its provider, host and certificate at each site."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from uuid import UUID

from coordinator.fabrics.models import Fabric
from coordinator.failures import RefusedError, refuse
from coordinator.protection.inventory import connection_points, provider_of
from coordinator.protection.models import PairedHost, Pairing, ProtectedItem
from coordinator.protection.states import ActiveLocation

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ItemSide:
    """Where a machine or its replica is, and how others reach it for replication.

    Attributes:
        host: FQDN of the Hyper-V host.
        connection_point: The host's name, or its cluster's broker.
        certificate_thumbprint: Of the host; empty with Kerberos.
    """

    provider_id: str
    host: str
    connection_point: str
    certificate_thumbprint: str


def fabric_of_side(pairing: Pairing, location: ActiveLocation) -> Fabric:
    if location is ActiveLocation.PRIMARY:
        return pairing.primary_fabric
    return pairing.recovery_fabric


def host_of_side(item: ProtectedItem, location: ActiveLocation) -> str:
    """FQDN of the host on that side, as last seen; empty before placement."""
    return item.primary_host if location is ActiveLocation.PRIMARY else item.recovery_host


def side_of_item(item: ProtectedItem, location: ActiveLocation) -> ItemSide:
    """One side of an item as its pairing configured it.

    Raises:
        RefusedError: HostNotPaired or ProviderNotRegistered, status 409.
    """
    return side_of_host(item.pairing, location, host_of_side(item, location))


def side_of_host(pairing: Pairing, location: ActiveLocation, host: str) -> ItemSide:
    """A host of a pairing.

    Raises:
        RefusedError: HostNotPaired (the pairing has not configured it) or ProviderNotRegistered,
            status 409.
    """
    fabric = fabric_of_side(pairing, location)
    paired = (
        PairedHost.objects.filter(pairing=pairing, host__fabric=fabric, host__name=host.lower())
        .select_related("host")
        .first()
    )
    if paired is None:
        raise _not_paired(pairing, host)
    return _side(
        paired,
        str(provider_of(fabric).id),
        paired.connection_point or connection_points([paired.host])[paired.host_id],
    )


def sides_of_items(
    items: Iterable[ProtectedItem],
) -> Mapping[tuple[UUID, ActiveLocation], ItemSide | RefusedError]:
    """Both sides of many items, in a number of queries that does not grow with them.

    Args:
        items: With their pairings and these' fabrics.

    Returns:
        By item and side what `side_of_item` gives, or would raise.
    """
    known = list(items)
    paired = {
        (row.pairing_id, row.host.fabric_id, row.host.name): row
        for row in PairedHost.objects.filter(
            pairing__in={item.pairing_id for item in known}
        ).select_related("host")
    }
    providers: dict[UUID, str | RefusedError] = {}
    points: dict[int, str | RefusedError] = {}

    def provider_id(fabric: Fabric) -> str:
        if fabric.id not in providers:
            providers[fabric.id] = _or_refusal(lambda: str(provider_of(fabric).id))
        return _given(providers[fabric.id])

    def point(row: PairedHost) -> str:
        if row.connection_point:
            return row.connection_point
        if row.host_id not in points:
            points[row.host_id] = _or_refusal(lambda: connection_points([row.host])[row.host_id])
        return _given(points[row.host_id])

    def side(item: ProtectedItem, location: ActiveLocation) -> ItemSide:
        fabric, host = fabric_of_side(item.pairing, location), host_of_side(item, location)
        row = paired.get((item.pairing_id, fabric.id, host.lower()))
        if row is None:
            raise _not_paired(item.pairing, host)
        return _side(row, provider_id(fabric), point(row))

    return {
        (item.id, location): _or_refusal(partial(side, item, location))
        for item in known
        for location in ActiveLocation
    }


def _side(paired: PairedHost, provider_id: str, connection_point: str) -> ItemSide:
    return ItemSide(
        provider_id=provider_id,
        host=paired.host.name,
        connection_point=connection_point,
        certificate_thumbprint=paired.certificate_thumbprint,
    )


def _or_refusal(ask: Callable[[], T]) -> T | RefusedError:
    try:
        return ask()
    except RefusedError as error:
        return error


def _given(answer: T | RefusedError) -> T:
    if isinstance(answer, RefusedError):
        raise answer
    return answer


def _not_paired(pairing: Pairing, host: str) -> RefusedError:
    return refuse(
        "HostNotPaired",
        f"{host or 'The host'} is not configured for replication by {pairing.name}.",
        causes=["The host was added to the cloud after the clouds were paired."],
        action="Associate the policy with the clouds again: that configures every host.",
        status=409,
    )
