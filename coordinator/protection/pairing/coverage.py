"""Which hosts of its clouds a pairing covers, read from the tables (SPEC PO-2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Cloud, Host
from coordinator.protection.models import PairedHost, Pairing
from coordinator.protection.pairing.generations import HostWindows, covered
from coordinator.protection.policies.rules import InstanceType
from coordinator.protection.states import ActiveLocation


def cloud_at(pairing: Pairing, location: ActiveLocation) -> Cloud:
    """The cloud of one side."""
    if location is ActiveLocation.PRIMARY:
        return pairing.primary_cloud
    return pairing.recovery_cloud


def hosts_covered(pairing: Pairing, location: ActiveLocation) -> list[Host]:
    """Hosts of one of a pairing's clouds that run what its policy names, by FQDN.

    Hosts of other generations are another pairing's, or nobody's. The pairing may be one that is
    about to be made.
    """
    return of_generation(
        fabrics.hosts_of_cloud(cloud_at(pairing, location)),
        InstanceType(pairing.instance_type),
        generations_beside(pairing),
    )


def of_generation(
    hosts: Sequence[Host], instance_type: InstanceType, others: Collection[InstanceType] = ()
) -> list[Host]:
    """Those of a cloud's hosts that fall under a generation.

    Args:
        hosts: All of the cloud.
        instance_type: The generation.
        others: That the same clouds are paired for besides.
    """
    names = covered(instance_type, windows_of(hosts), others)
    return [host for host in hosts if host.name in names]


def generations_beside(pairing: Pairing) -> list[InstanceType]:
    """Generations of the other pairings of the same clouds."""
    rows = Pairing.objects.filter(
        primary_cloud_id=pairing.primary_cloud_id, recovery_cloud_id=pairing.recovery_cloud_id
    ).exclude(id=pairing.id)
    return [InstanceType(found) for found in rows.values_list("instance_type", flat=True)]


def windows_of(hosts: Iterable[Host]) -> list[HostWindows]:
    """What hosts run, and, where that is not known, what they were configured for."""
    known = list(hosts)
    # As stored: reading the whole message of each host costs more than all the rest.
    versions = {host.pk: str(host.details.get("operating_system_version") or "") for host in known}
    unknown = [pk for pk, version in versions.items() if not version]
    configured: dict[int, set[InstanceType]] = {}
    if unknown:
        rows = PairedHost.objects.filter(host__in=unknown)
        for host_id, instance_type in rows.values_list("host_id", "pairing__instance_type"):
            configured.setdefault(host_id, set()).add(InstanceType(instance_type))
    return [
        HostWindows(
            fqdn=host.name,
            version=versions[host.pk],
            cluster=host.cluster_fqdn,
            configured_for=frozenset(configured.get(host.pk, ())),
        )
        for host in known
    ]
