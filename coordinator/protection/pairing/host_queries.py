"""The hosts of a pairing, as people look at them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Host
from coordinator.protection.models import PairedHost, Pairing
from coordinator.protection.pairing.coverage import (
    cloud_at,
    generations_beside,
    hosts_covered,
    windows_of,
)
from coordinator.protection.pairing.generations import covering
from coordinator.protection.pairing.host_certificates import superseded_on
from coordinator.protection.pairing.receivers import point_of
from coordinator.protection.pairing.renewal_planner import is_due
from coordinator.protection.policies.rules import InstanceType
from coordinator.protection.states import ActiveLocation
from coordinator.vaults.services import HOST_CERTIFICATE_LIFETIME


class HostState(StrEnum):
    """How a host stands."""

    CONFIGURED = "Configured"
    # In the cloud, and not configured yet.
    NOT_CONFIGURED = "NotConfigured"
    # In the cloud, and of a generation of Windows that no policy of the clouds names.
    OTHER_GENERATION = "OtherGeneration"
    # Configured, and no longer in the cloud, or upgraded to another generation.
    LEFT = "Left"
    RENEWAL_DUE = "CertificateRenewalDue"
    EXPIRED = "CertificateExpired"


@dataclass(frozen=True, kw_only=True)
class PairedHostView:
    """A host of one of the clouds.

    Attributes:
        location: "Primary" or "Recovery".
        connection_point: Name that others replicate to; empty before it is configured.
        certificate_not_after: None without a certificate.
        superseded_certificates: How many are still to be removed.
        configured_at: None before it is.
    """

    name: str
    location: str
    state: HostState
    connection_point: str = ""
    certificate_thumbprint: str = ""
    certificate_not_after: datetime | None = None
    superseded_certificates: int = 0
    storage_location: str = ""
    configured_at: datetime | None = None


def hosts_of_pairing(pairing: Pairing, now: datetime) -> tuple[PairedHostView, ...]:
    """Hosts that the pairing configured, and those of its clouds that it did not, by side and name.

    Hosts of a generation for which the clouds have another pairing are left out.

    Args:
        pairing: With its clouds.
        now: For what is due.
    """
    rows = {
        row.host_id: row
        for row in PairedHost.objects.filter(pairing=pairing).select_related("host")
    }
    superseded = superseded_on(rows)
    found: list[PairedHostView] = []
    present: set[int] = set()
    for location in ActiveLocation:
        for host in hosts_covered(pairing, location):
            present.add(host.pk)
            row = rows.get(host.pk)
            if row is None:
                found.append(_unconfigured(host, location))
            else:
                found.append(_view(row, _state(row, now), len(superseded.get(host.pk, ()))))
        found += _of_no_policy(pairing, location, rows)
    for host_id, row in rows.items():
        if host_id not in present:
            found.append(_view(row, HostState.LEFT, len(superseded.get(host_id, ()))))
    return tuple(sorted(found, key=lambda host: (host.location, host.name)))


def _state(row: PairedHost, now: datetime) -> HostState:
    not_after = row.certificate_not_after
    if not row.certificate_thumbprint or not_after is None:
        return HostState.CONFIGURED
    if not_after <= now:
        return HostState.EXPIRED
    if is_due(not_after, HOST_CERTIFICATE_LIFETIME, now):
        return HostState.RENEWAL_DUE
    return HostState.CONFIGURED


def _of_no_policy(
    pairing: Pairing, location: ActiveLocation, configured: Collection[int]
) -> list[PairedHostView]:
    """Hosts of a generation that neither this pairing nor another one of the clouds is for."""
    hosts = fabrics.hosts_of_cloud(cloud_at(pairing, location))
    paired = [InstanceType(pairing.instance_type), *generations_beside(pairing)]
    names = {each.fqdn for each in windows_of(hosts) if covering(each, paired) is None}
    return [
        PairedHostView(name=host.name, location=location, state=HostState.OTHER_GENERATION)
        for host in hosts
        if host.name in names and host.pk not in configured
    ]


def _unconfigured(host: Host, location: ActiveLocation) -> PairedHostView:
    return PairedHostView(name=host.name, location=location, state=HostState.NOT_CONFIGURED)


def _view(row: PairedHost, state: HostState, superseded: int) -> PairedHostView:
    return PairedHostView(
        name=row.host.name,
        location=row.location,
        state=state,
        connection_point=point_of(row),
        certificate_thumbprint=row.certificate_thumbprint,
        certificate_not_after=row.certificate_not_after,
        superseded_certificates=superseded,
        storage_location=row.storage_location,
        configured_at=row.configured_at,
    )
