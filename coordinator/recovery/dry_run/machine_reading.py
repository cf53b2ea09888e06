"""Machines, hosts and storage of a dry run, read out of the tables in a few queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, prefetch_related_objects

from coordinator.fabrics.models import Host, VirtualMachine
from coordinator.protection.models import ProtectedItem, RecoveryPoint
from coordinator.protection.queries import StoragePlace, locations_of, place_at
from coordinator.protection.rules import rpo_seconds
from coordinator.protection.states import ActiveLocation, FailoverDirection, ProtectionState
from coordinator.recovery.dry_run.address_reading import Addresses
from coordinator.recovery.dry_run.facts import DiskFacts, HostFacts, MachineFacts, PlaceFacts


@dataclass(frozen=True)
class ReadMachines:
    """What is known of the machines of a run, and of where they go.

    Attributes:
        machines: By item id, in order; whether they take part is not looked at.
    """

    machines: Mapping[str, MachineFacts]
    hosts: tuple[HostFacts, ...]
    places: tuple[PlaceFacts, ...]


def read_machines(
    items: Sequence[ProtectedItem],
    target_fabric_id: UUID,
    way: FailoverDirection,
    addresses: Addresses,
    now: datetime,
) -> ReadMachines:
    """Reads machines.

    Args:
        items: From `items_together`.
        target_fabric_id: Of the server they go to.
        way: Which way they go.
        addresses: Of the same items.
        now: The time.
    """
    prefetch_related_objects(list(items), "sides")
    counted = RecoveryPoint.objects.filter(item__in=items).values("item")
    points = dict(counted.annotate(count=Count("id")).values_list("item", "count"))
    there = way.source is ActiveLocation.PRIMARY
    copies = _Copies.of(items, target_fabric_id)
    machines = {}
    for item in items:
        host = item.recovery_host if there else item.primary_host
        machines[str(item.id)] = MachineFacts(
            name=item.friendly_name,
            source=_side(item, way.source),
            target=_side(item, way.source.other),
            health=item.replication_health,
            health_errors=tuple(_messages(item.health_errors)),
            rpo_seconds=rpo_seconds(ProtectionState(item.state), item.last_replicated_at, now),
            frequency_seconds=item.pairing.policy.replication_frequency_seconds,
            recovery_points=points.get(item.id, 0),
            target_host=host,
            memory_bytes=copies.memory_bytes(item.vm_id),
            disks=copies.disks(item.vm_id, host),
            adapters=addresses.adapters(item),
        )
    names = {each.target_host for each in machines.values() if each.target_host}
    return ReadMachines(machines, _hosts(target_fabric_id, names), copies.places())


def _hosts(fabric_id: UUID, names: Collection[str]) -> tuple[HostFacts, ...]:
    """The hosts that machines would go to, as VMM told of them."""
    rows = Host.objects.filter(fabric_id=fabric_id, name__in=names, gone_at=None)
    known = {row.name: row.details for row in rows}
    return tuple(
        HostFacts(
            name=name,
            known=name in known,
            maintenance=bool(known.get(name, {}).get("maintenance")),
            total_memory_bytes=int(known.get(name, {}).get("total_memory_bytes", 0)),
            available_memory_bytes=int(known.get(name, {}).get("available_memory_bytes", 0)),
        )
        for name in sorted(names)
    )


@dataclass(frozen=True)
class _Copies:
    """The copies of machines that the inventory knows, and the storage of where they go.

    Attributes:
        memory: Bytes by Hyper-V's id: what the larger of the two copies is given.
        details: Of the copies where they go, by Hyper-V's id and host in lower case.
    """

    memory: Mapping[str, int]
    details: Mapping[tuple[str, str], Mapping[str, object]]
    locations: tuple[StoragePlace, ...]

    @classmethod
    def of(cls, items: Sequence[ProtectedItem], target_fabric_id: UUID) -> _Copies:
        memory: dict[str, int] = {}
        details: dict[tuple[str, str], Mapping[str, object]] = {}
        for row in _rows(items):
            size = int(row.details.get("memory_bytes", 0))
            memory[row.vm_id] = max(memory.get(row.vm_id, 0), size)
            if row.fabric_id == target_fabric_id:
                details[row.vm_id, row.host_fqdn.lower()] = row.details
        return cls(memory, details, locations_of(target_fabric_id))

    def memory_bytes(self, vm_id: str) -> int:
        return self.memory.get(vm_id, 0)

    def disks(self, vm_id: str, host: str) -> tuple[DiskFacts, ...]:
        found = []
        disks = self.details.get((vm_id, host.lower()), {}).get("disks")
        for disk in disks if isinstance(disks, list) else []:
            place = place_at(self.locations, host, str(disk.get("path") or ""))
            found.append(
                DiskFacts(
                    place="" if place is None else _name(place),
                    size_bytes=int(disk.get("size_bytes") or 0),
                )
            )
        return tuple(found)

    def places(self) -> tuple[PlaceFacts, ...]:
        return tuple(
            PlaceFacts(name=_name(place), free_bytes=place.free_bytes) for place in self.locations
        )


def _rows(items: Sequence[ProtectedItem]) -> Iterable[VirtualMachine]:
    if not items:
        return ()
    return VirtualMachine.objects.filter(
        vault_id=items[0].vault_id, vm_id__in=[item.vm_id for item in items], gone_at=None
    )


def _name(place: StoragePlace) -> str:
    """A path alone is another place on each host, unless several share it."""
    return place.path if len(place.hosts) != 1 else f"{place.path} of {next(iter(place.hosts))}"


def _side(item: ProtectedItem, location: ActiveLocation) -> tuple[str, str] | None:
    side = item.side(location)
    return None if side is None else (side.mode, side.state)


def _messages(errors: object) -> list[str]:
    told = errors if isinstance(errors, list) else []
    return [str(each.get("message") or each.get("errorMessage") or "") for each in told]
