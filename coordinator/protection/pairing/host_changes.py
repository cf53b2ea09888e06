"""Hosts that were added to a paired cloud, and hosts that left it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Cloud, Host
from coordinator.failures import Failure, RefusedError
from coordinator.protection.inventory import connection_points
from coordinator.protection.models import PairedHost, Pairing
from coordinator.protection.pairing.coverage import cloud_at, hosts_covered, windows_of
from coordinator.protection.pairing.generations import host_generation_errors
from coordinator.protection.pairing.prerequisites import shared_hosts_failure
from coordinator.protection.pairing.receivers import point_of
from coordinator.protection.pairing.services import refuse_other_listener
from coordinator.protection.policies.rules import InstanceType
from coordinator.protection.states import ActiveLocation

# VMM may lose sight of a host for a while; only then is it taken for removed.
GONE_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class FoundChanges:
    """What differs between a pairing's clouds and what was configured.

    Attributes:
        joined: By side, fit hosts that are not configured, or under another name.
        left: Rows of hosts that are in neither cloud any more, or run what another policy names,
            and hold no item.
        kept: All other rows.
        unfit: Why other hosts cannot be configured, or hold items that they should not.
    """

    joined: dict[ActiveLocation, list[Host]]
    left: list[PairedHost]
    kept: list[PairedHost]
    unfit: list[Failure]

    @property
    def any(self) -> bool:
        return bool(self.left) or any(self.joined.values())


def find_changes(pairing: Pairing, now: datetime) -> FoundChanges:
    """Compares the clouds of a pairing with the hosts it configured; the pairing comes with both.

    Hosts of other generations are another pairing's. One that was upgraded goes over to the pairing
    of what it runs now as soon as no item is on it; until then it is told by name.

    Source: SPEC PA-3, PO-2.
    """
    rows = list(PairedHost.objects.filter(pairing=pairing).select_related("host__fabric"))
    by_host = {row.host_id: row for row in rows}
    clouds = [cloud_at(pairing, location) for location in ActiveLocation]
    if any(cloud.gone_at is not None for cloud in clouds):
        # A cloud that VMM lost has no hosts to compare with; its pairing is told of elsewhere.
        return FoundChanges({}, [], rows, [])
    found = {location: hosts_covered(pairing, location) for location in ActiveLocation}
    present = {host.pk: host.name for hosts in found.values() for host in hosts}
    shared = _in_both(found)
    joined: dict[ActiveLocation, list[Host]] = {}
    # A host of both clouds stays on the side it is on.
    unfit = [shared_hosts_failure(present[pk] for pk in shared)] if shared else []
    for location, hosts in found.items():
        new = [host for host in hosts if host.pk not in shared and _new(host, by_host)]
        fit, failures = _fit(pairing, new)
        joined[location] = [
            host for host, point in fit if _differs(by_host.get(host.pk), point, location)
        ]
        unfit += failures
    left, overdue = _away(pairing, [row for row in rows if row.host_id not in present], clouds, now)
    gone = {row.pk for row in left}
    return FoundChanges(
        joined,
        left,
        [row for row in rows if row.pk not in gone],
        unfit + _of_other_generation(pairing, overdue),
    )


def _away(
    pairing: Pairing, rows: Sequence[PairedHost], clouds: Iterable[Cloud], now: datetime
) -> tuple[list[PairedHost], list[PairedHost]]:
    """Of hosts that the pairing does not cover: those that left, and upgraded ones with items."""
    present = {host.pk for cloud in clouds for host in fabrics.hosts_of_cloud(cloud)}
    upgraded = [row for row in rows if row.host_id in present]
    # A cluster goes over to another pairing as a whole.
    holding = {point_of(row) for row in upgraded if _holds_items(pairing, row)}
    overdue = [row for row in upgraded if point_of(row) in holding]
    left = [row for row in upgraded if point_of(row) not in holding]
    left += [row for row in rows if row.host_id not in present and _has_left(pairing, row, now)]
    return left, overdue


def _in_both(found: Mapping[ActiveLocation, Sequence[Host]]) -> set[int]:
    primary, recovery = (
        {host.pk for host in found[location]}
        for location in (ActiveLocation.PRIMARY, ActiveLocation.RECOVERY)
    )
    return primary & recovery


def _new(host: Host, known: dict[int, PairedHost]) -> bool:
    """Not configured, or perhaps under another name: a standalone host needs no second look."""
    row = known.get(host.pk)
    return row is None or bool(host.cluster_fqdn) or point_of(row) != host.name


def _fit(pairing: Pairing, hosts: Iterable[Host]) -> tuple[list[tuple[Host, str]], list[Failure]]:
    """Hosts that can be configured with their connection points, and why others cannot."""
    fit: list[tuple[Host, str]] = []
    unfit: list[Failure] = []
    for host in hosts:
        try:
            refuse_other_listener(pairing.policy, [host])
            fit.append((host, connection_points([host])[host.pk]))
        except RefusedError as refused:
            unfit.append(refused.failure)
    return fit, list(dict.fromkeys(unfit))


def _differs(row: PairedHost | None, point: str, location: ActiveLocation) -> bool:
    return row is None or point_of(row) != point or row.location != location


def _has_left(pairing: Pairing, row: PairedHost, now: datetime) -> bool:
    gone_at = row.host.gone_at
    if gone_at is not None and now - gone_at < GONE_AFTER:
        return False
    return not _holds_items(pairing, row)


def _holds_items(pairing: Pairing, row: PairedHost) -> bool:
    on_host = pairing.items.filter(primary_host__iexact=row.host.name) | pairing.items.filter(
        recovery_host__iexact=row.host.name
    )
    return on_host.exists()


def _of_other_generation(pairing: Pairing, rows: Iterable[PairedHost]) -> list[Failure]:
    windows = windows_of(row.host for row in rows)
    return list(
        host_generation_errors(
            InstanceType(pairing.instance_type), [(host.fqdn, host.version) for host in windows]
        )
    )
