"""Gathering both sides of a consistency check from the tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db.models import Q

from coordinator.fabrics.models import Cloud, Fabric, VirtualMachine
from coordinator.fabrics.queries import hosts_of_cloud
from coordinator.protection.discovery.consistency import (
    BelievedCloud,
    BelievedCopy,
    Comparison,
    SeenMachine,
)
from coordinator.protection.models import PairedHost, Pairing, ProtectedItem
from coordinator.protection.pairing.coverage import cloud_at, hosts_covered
from coordinator.protection.rules import WITH_REPLICA
from coordinator.protection.states import ActiveLocation, ProtectionState


def gather(fabric: Fabric, unread_hosts: Collection[str]) -> Comparison:
    """What the vault believes about a server, and what the server's last look showed."""
    items = (
        ProtectedItem.objects.filter(
            Q(pairing__primary_fabric=fabric) | Q(pairing__recovery_fabric=fabric)
        )
        .select_related("pairing__primary_cloud", "pairing__recovery_cloud")
        .prefetch_related("pairing__hosts__host")
        .order_by("friendly_name", "id")
    )
    copies: list[BelievedCopy] = []
    protected: set[str] = set()
    for item in items:
        protected.add(item.vm_id)
        copies += [
            _copy(item, location) for location in ActiveLocation if _is_on(item, location, fabric)
        ]
    return Comparison(
        copies=copies,
        clouds=[cloud for pairing in _pairings(fabric) for cloud in _clouds(pairing, fabric)],
        seen=_seen(fabric, protected),
        unread_hosts=frozenset(host.lower() for host in unread_hosts),
        protected=frozenset(protected),
    )


def _is_on(item: ProtectedItem, location: ActiveLocation, fabric: Fabric) -> bool:
    """Whether that side of the item is on the server, and there is something there already."""
    primary = location is ActiveLocation.PRIMARY
    pairing = item.pairing
    side = pairing.primary_fabric_id if primary else pairing.recovery_fabric_id
    replicated = ProtectionState(item.state) in WITH_REPLICA
    return side == fabric.pk and (location == item.active_location or replicated)


def _copy(item: ProtectedItem, location: ActiveLocation) -> BelievedCopy:
    primary = location is ActiveLocation.PRIMARY
    active = location == item.active_location
    cloud = item.pairing.primary_cloud if primary else item.pairing.recovery_cloud
    mode = ""
    if ProtectionState(item.state) in WITH_REPLICA:
        mode = "Primary" if active else "Replica"
    return BelievedCopy(
        item=item.friendly_name,
        vm_id=item.vm_id,
        cloud_name=cloud.name,
        host=item.primary_host if primary else item.recovery_host,
        mode=mode,
        # Where VMM has a replica is its own affair until it runs.
        cloud=(cloud.external_id.lower(), cloud.name) if active and primary else None,
        partners=_partners(item, location) if mode else frozenset(),
    )


def _partners(item: ProtectedItem, location: ActiveLocation) -> frozenset[str]:
    """Names by which the other side may be known: its host's, its broker's, the broker's nodes'."""
    primary = location is ActiveLocation.PRIMARY
    host = (item.recovery_host if primary else item.primary_host).lower()
    hosts = item.pairing.hosts.all()
    points = {
        paired.connection_point.lower()
        for paired in hosts
        if paired.host.name == host and paired.connection_point
    }
    nodes = {paired.host.name for paired in hosts if paired.connection_point.lower() in points}
    return frozenset({host, *points, *nodes} - {""})


def _pairings(fabric: Fabric) -> list[Pairing]:
    return list(
        Pairing.objects.filter(Q(primary_fabric=fabric) | Q(recovery_fabric=fabric))
        .select_related("primary_cloud", "recovery_cloud")
        .order_by("name")
    )


def _clouds(pairing: Pairing, fabric: Fabric) -> list[BelievedCloud]:
    configured = set(
        PairedHost.objects.filter(pairing=pairing, host__fabric=fabric).values_list(
            "host__name", flat=True
        )
    )
    sides = [side for side in ActiveLocation if cloud_at(pairing, side).fabric_id == fabric.pk]
    clouds: list[Cloud] = [cloud_at(pairing, side) for side in sides]
    # Hosts of other generations are another pairing's; what this one has configured it may keep.
    hosts = {
        cloud.pk: {host.name for host in hosts_covered(pairing, side)}
        | (configured & {host.name for host in hosts_of_cloud(cloud)})
        for side, cloud in zip(sides, clouds, strict=True)
    }
    elsewhere = {
        cloud.pk: set().union(*(names for key, names in hosts.items() if key != cloud.pk))
        for cloud in clouds
    }
    return [
        BelievedCloud(
            name=cloud.name,
            pairing=pairing.name,
            present=cloud.gone_at is None,
            configured=frozenset(configured - elsewhere[cloud.pk]),
            hosts=frozenset(hosts[cloud.pk]),
        )
        for cloud in clouds
    ]


def _seen(fabric: Fabric, protected: Collection[str]) -> Mapping[str, list[SeenMachine]]:
    """Machines that are protected, or replicate all the same."""
    rows = VirtualMachine.objects.filter(fabric=fabric, gone_at=None).filter(
        Q(vm_id__in=list(protected)) | Q(details__has_key="replication")
    )
    found: dict[str, list[SeenMachine]] = {}
    for machine in rows.order_by("name", "id"):
        told = machine.details.get("replication") or {}
        replica = told.get("mode") == "Replica"
        found.setdefault(machine.vm_id, []).append(
            SeenMachine(
                name=machine.name,
                host=machine.host_fqdn,
                cloud_id=machine.cloud_external_id.lower(),
                mode=str(told.get("mode") or ""),
                state=str(told.get("state") or ""),
                partner=str(
                    told.get("primary_server" if replica else "replica_server") or ""
                ).lower(),
            )
        )
    return found
