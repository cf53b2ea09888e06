"""Storage as the inventory tells of it, and what replicas on their way will take of it."""

from __future__ import annotations

import ntpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from opensiterecovery.provider.v1 import inventory_pb2

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import VirtualMachine
from coordinator.protection.models import ProtectedItem
from coordinator.protection.states import ProtectionState
from coordinator.protection.storage.rules import DiskNeed, Location

# States in which the replica's disks are placed, and do not have their size yet.
NOT_COPIED = (
    ProtectionState.ENABLING,
    ProtectionState.READY_TO_COPY,
    ProtectionState.INITIAL_REPLICATION,
)


@dataclass(frozen=True)
class Promise:
    """Space that a replica on its way will take.

    Attributes:
        host: FQDN of the host that has the replica.
        path: A Windows path on it.
    """

    host: str
    path: str
    size_bytes: int


def locations_of(fabric_id: UUID) -> tuple[Location, ...]:
    """Shares and volumes of a server, with what its provider last told of them."""
    found = []
    for one in fabrics.list_objects(fabric_id, "storage_location"):
        details: Mapping[str, object] = one.details
        hosts = details.get("host_fqdns") or []
        known = int(str(details.get("capacity_bytes") or 0)) > 0
        free = int(str(details.get("free_bytes") or 0))
        found.append(
            Location(
                path=str(details.get("path") or ""),
                classification=str(details.get("classification") or ""),
                free_bytes=free if known or free else None,
                hosts=frozenset(str(name).lower() for name in _list(hosts)),
                closed=details.get("closed_to_placement") is True,
            )
        )
    return tuple(found)


def places_by_classification(fabric_id: UUID) -> Mapping[str, list[Location]]:
    """Places that carry a classification, by its name, each list by path."""
    found: dict[str, list[Location]] = {}
    for location in sorted(locations_of(fabric_id), key=lambda each: each.path.lower()):
        if location.classification:
            found.setdefault(location.classification, []).append(location)
    return found


def with_promises(
    locations: Sequence[Location], promises: Iterable[Promise]
) -> tuple[Location, ...]:
    """The same places, each with what is promised of it."""
    if not locations:
        # Of a server without known storage nothing can be promised: nobody is asked for it.
        return ()
    expected = [0] * len(locations)
    for promise in promises:
        index = _innermost(locations, promise.host, promise.path)
        if index is not None:
            expected[index] += promise.size_bytes
    return tuple(
        replace(location, expected_bytes=size)
        for location, size in zip(locations, expected, strict=True)
    )


def promises_to(item: ProtectedItem) -> Iterator[Promise]:
    """What other replicas on the item's recovery server will take that are not copied yet."""
    others = ProtectedItem.objects.filter(
        pairing__recovery_fabric_id=item.pairing.recovery_fabric_id, state__in=NOT_COPIED
    ).exclude(id=item.id)
    for host, storage in others.values_list("recovery_host", "storage"):
        for disk in storage.get("disks", ()):
            path = disk["location"] or storage["default_location"]
            yield Promise(host, path, disk["size_bytes"])


def place_at(locations: Sequence[Location], host: str, path: str) -> Location | None:
    """The innermost known place that a path of a host lies in."""
    index = _innermost(locations, host, path)
    return None if index is None else locations[index]


def disk_needs(
    machine: VirtualMachine, message: inventory_pb2.VirtualMachine
) -> tuple[DiskNeed, ...]:
    """The machine's disks; a classification that VMM does not tell is that of their place."""
    locations: tuple[Location, ...] | None = None
    needs = []
    for disk in message.disks:
        classification = disk.classification
        if not classification and disk.path:
            locations = locations_of(machine.fabric_id) if locations is None else locations
            place = place_at(locations, machine.host_fqdn, disk.path)
            classification = "" if place is None else place.classification
        needs.append(
            DiskNeed(
                file_name=ntpath.basename(disk.path) or disk.name,
                classification=classification,
                size_bytes=max(disk.size_bytes, disk.maximum_size_bytes),
            )
        )
    return tuple(needs)


def _innermost(locations: Sequence[Location], host: str, path: str) -> int | None:
    inside = [
        index
        for index, location in enumerate(locations)
        if host.lower() in location.hosts and _lies_in(path.lower(), location.path.lower())
    ]
    return max(inside, key=lambda index: len(locations[index].path), default=None)


def _lies_in(path: str, place: str) -> bool:
    place = place.rstrip("\\")
    return bool(place) and (path.rstrip("\\") == place or path.startswith(place + "\\"))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
