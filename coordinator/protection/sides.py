"""The two sides of a protected item: its provider, host and certificate at each site."""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.fabrics.models import Fabric
from coordinator.failures import refuse
from coordinator.protection.inventory import connection_points, provider_of
from coordinator.protection.models import PairedHost, Pairing, ProtectedItem
from coordinator.protection.states import ActiveLocation


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
        raise refuse(
            "HostNotPaired",
            f"{host or 'The host'} is not configured for replication by {pairing.name}.",
            causes=["The host was added to the cloud after the clouds were paired."],
            action="Associate the policy with the clouds again: that configures every host.",
            status=409,
        )
    return ItemSide(
        provider_id=str(provider_of(fabric).id),
        host=paired.host.name,
        connection_point=paired.connection_point
        or connection_points([paired.host])[paired.host_id],
        certificate_thumbprint=paired.certificate_thumbprint,
    )
