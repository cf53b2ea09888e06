"""Hosts of pairings as what receives replication: from the tables to what planners look at."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from coordinator.fabrics.models import Fabric, Host
from coordinator.protection.inventory import connection_points, host_message, provider_of
from coordinator.protection.models import PairedHost, Pairing
from coordinator.protection.pairing.authorizations import (
    PairedNames,
    wanted_authorizations,
)
from coordinator.protection.pairing.host_steps import Node, Receiver
from coordinator.protection.pairing.keys import trust_group_of
from coordinator.protection.pairing.prerequisites import wanted_updates
from coordinator.protection.pairing.shared_storage import shared_storage_of
from coordinator.protection.states import ActiveLocation

# A certificate with less left than this is replaced rather than used again.
CERTIFICATE_REUSE = timedelta(days=60)


def receivers_of(
    hosts: Iterable[Host],
    location: ActiveLocation,
    provider_id: str,
    points: Mapping[int, str] | None = None,
) -> list[Receiver]:
    """The receivers of one side, by name; a cluster once, with all its nodes.

    Args:
        hosts: Of one fabric.
        location: Their side.
        provider_id: Who reaches them.
        points: By host id its connection point, where it is known already.

    Raises:
        RefusedError: ReplicaBrokerMissing.
    """
    known = {host.pk: host for host in hosts}
    points = connection_points(known.values()) if points is None else points
    members: dict[str, dict[int, Host]] = {}
    for host in known.values():
        members.setdefault(points[host.pk], {})[host.pk] = host
    return [
        _receiver(name, list(own.values()), location, provider_id)
        for name, own in sorted(members.items())
    ]


def _receiver(name: str, hosts: list[Host], location: ActiveLocation, provider_id: str) -> Receiver:
    nodes = sorted(_nodes(hosts), key=lambda host: host.name)
    clustered = any(host.cluster_fqdn for host in hosts)
    return Receiver(
        provider_id=provider_id,
        location=location,
        name=name,
        nodes=tuple(Node(host.pk, host.name) for host in nodes),
        wanted_updates=wanted_updates(
            clustered=clustered,
            versions=[host_message(host).operating_system_version for host in hosts],
        ),
        shared_storage=shared_storage_of(hosts[0].fabric_id, [node.name for node in nodes])
        if clustered
        else "",
    )


def paired_receivers(rows: Iterable[PairedHost]) -> list[Receiver]:
    """Receivers as they were configured, whatever became of their hosts since.

    Raises:
        RefusedError: ProviderNotRegistered.
    """
    by_side: dict[tuple[UUID, str], list[PairedHost]] = {}
    for row in rows:
        by_side.setdefault((row.host.fabric_id, row.location), []).append(row)
    found: list[Receiver] = []
    for (_, location), own in by_side.items():
        provider = provider_of(own[0].host.fabric)
        names: dict[str, list[PairedHost]] = {}
        for row in own:
            names.setdefault(point_of(row), []).append(row)
        found += [
            Receiver(
                provider_id=str(provider.id),
                location=location,
                name=name,
                nodes=tuple(Node(row.host_id, row.host.name) for row in members),
                certificate_thumbprint=members[0].certificate_thumbprint,
                certificate_not_after=_iso(members[0].certificate_not_after),
            )
            for name, members in sorted(names.items())
        ]
    return found


def point_of(row: PairedHost) -> str:
    """The name that others replicate to a configured host by."""
    return row.connection_point or row.host.name


def with_certificates(
    receivers: Iterable[Receiver], now: datetime, but_of: Pairing | None = None
) -> list[Receiver]:
    """The receivers, each with the certificate it goes on using, if there is one.

    Args:
        receivers: From the inventory.
        now: The time.
        but_of: What this pairing gave is not used again: who asks for a pairing once more wants it
            mended, and a certificate may be gone from its host.
    """
    known = list(receivers)
    ids = [node.host_id for receiver in known for node in receiver.nodes]
    rows = (
        PairedHost.objects.filter(host__in=ids, certificate_not_after__gt=now + CERTIFICATE_REUSE)
        .exclude(certificate_thumbprint="")
        .order_by("configured_at")
    )
    if but_of is not None:
        rows = rows.exclude(pairing=but_of)
    certificates = {
        row.host_id: (row.certificate_thumbprint, _iso(row.certificate_not_after)) for row in rows
    }
    found = []
    for receiver in known:
        used = {certificates.get(node.host_id, ("", "")) for node in receiver.nodes}
        # All nodes of a cluster have the same one; a node that was added since has none.
        thumbprint, not_after = used.pop() if len(used) == 1 else ("", "")
        found.append(
            replace(receiver, certificate_thumbprint=thumbprint, certificate_not_after=not_after)
        )
    return found


def with_authorizations(
    receivers: Iterable[Receiver], names: Sequence[PairedNames]
) -> list[Receiver]:
    """The receivers, each with all entries it should have."""
    known = list(receivers)
    wanted = wanted_authorizations(names, [receiver.name for receiver in known])
    return [replace(receiver, authorizations=wanted[receiver.name]) for receiver in known]


def names_of_pairings(
    vault_id: UUID,
    *,
    joining: Mapping[UUID, Sequence[Receiver]] | None = None,
    leaving: Collection[int] = (),
    without: Collection[UUID] = (),
) -> list[PairedNames]:
    """Connection points of every pairing of a vault, the oldest pairing first.

    Args:
        vault_id: The vault.
        joining: By pairing, receivers that are about to be configured.
        leaving: PairedHost rows that no longer count.
        without: Pairings that no longer count.
    """
    joining = joining or {}
    rows = PairedHost.objects.filter(pairing__vault_id=vault_id).exclude(pk__in=list(leaving))
    points: dict[tuple[UUID, str], set[str]] = {}
    for row in rows.select_related("host"):
        points.setdefault((row.pairing_id, row.location), set()).add(point_of(row))
    for pairing_id, receivers in joining.items():
        for receiver in receivers:
            points.setdefault((pairing_id, receiver.location), set()).add(receiver.name)
    return [
        PairedNames(
            trust_group_of(pairing),
            frozenset(points.get((pairing.id, ActiveLocation.PRIMARY), ())),
            frozenset(points.get((pairing.id, ActiveLocation.RECOVERY), ())),
        )
        for pairing in Pairing.objects.filter(vault_id=vault_id)
        .exclude(id__in=list(without))
        .order_by("created_at", "id")
    ]


def fabric_at(pairing: Pairing, location: str) -> Fabric:
    """The server of one side."""
    if location == ActiveLocation.PRIMARY:
        return pairing.primary_fabric
    return pairing.recovery_fabric


def _nodes(hosts: Iterable[Host]) -> list[Host]:
    """The hosts, and with a node of a cluster all its nodes: settings reach every one of them."""
    found = {host.pk: host for host in hosts}
    for host in list(found.values()):
        if host.cluster_fqdn:
            found |= {
                node.pk: node
                for node in Host.objects.filter(
                    fabric_id=host.fabric_id, cluster_fqdn__iexact=host.cluster_fqdn, gone_at=None
                )
            }
    return list(found.values())


def _iso(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()
