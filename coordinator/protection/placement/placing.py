"""Gathering what placement chooses from, and keeping its choice with the item."""

from __future__ import annotations

from django.db.models import BigIntegerField, F, OuterRef, Subquery, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from google.protobuf import json_format
from opensiterecovery.provider.v1 import inventory_pb2

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Fabric, FabricObject, VirtualMachine
from coordinator.failures import Failure
from coordinator.jobs.registry import StepFailedError
from coordinator.protection.inventory import host_message, machine_message
from coordinator.protection.models import PairedHost, ProtectedItem
from coordinator.protection.placement.rules import (
    HostCandidate,
    MachineNeeds,
    Placement,
    choose_host,
)
from coordinator.protection.states import ActiveLocation


def place(item: ProtectedItem) -> str:
    """Chooses the item's recovery host; sets it and the reasons on the item, unsaved.

    Returns:
        FQDN of the host.

    Raises:
        StepFailedError: NoSuitableHost, with what speaks against each.

    Source: SPEC ST-2.
    """
    placement = choose_host(_candidates(item), _needs(item), preferred=item.recovery_host)
    item.placement = [assessment.as_json() for assessment in placement.assessments]
    if placement.chosen is None:
        raise StepFailedError(_nowhere(item, placement))
    item.recovery_host = placement.chosen.fqdn
    return placement.chosen.fqdn


def _nowhere(item: ProtectedItem, placement: Placement) -> Failure:
    causes = tuple(
        f"{assessment.host}: {', '.join(assessment.reasons)}"
        for assessment in placement.assessments
    )
    return Failure(
        "NoSuitableHost",
        f"No host of {item.pairing.recovery_cloud.name} can take the replica of "
        f"{item.friendly_name}.",
        causes or ("The recovery cloud has no host that the pairing configured.",),
        "Free capacity on a host of the recovery cloud, or add one and associate the policy "
        "again; then enable protection again.",
    )


def _needs(item: ProtectedItem) -> MachineNeeds:
    machine = VirtualMachine.objects.filter(
        fabric_id=item.pairing.primary_fabric_id, external_id=item.protectable_item_id
    ).first()
    if machine is None:
        return MachineNeeds(0, 0)
    message = machine_message(machine)
    disk_bytes = sum(max(disk.size_bytes, disk.maximum_size_bytes) for disk in message.disks)
    return MachineNeeds(message.memory_bytes, disk_bytes)


def _candidates(item: ProtectedItem) -> tuple[HostCandidate, ...]:
    pairing = item.pairing
    hosts = fabrics.hosts_of_cloud(pairing.recovery_cloud)
    locations = {
        paired.host_id: paired.storage_location
        for paired in PairedHost.objects.filter(pairing=pairing, host__in=hosts)
    }
    names = [host.name for host in hosts if host.pk in locations]
    reserved = _reserved_memory(item, names)
    free = _free_space(pairing.recovery_fabric)
    candidates = []
    for host in hosts:
        if host.pk not in locations:
            continue
        message = host_message(host)
        candidates.append(
            HostCandidate(
                fqdn=host.name,
                storage_location=locations[host.pk],
                available_for_placement=message.available_for_placement,
                maintenance=message.maintenance,
                communication_state=message.communication_state,
                total_memory_bytes=message.total_memory_bytes,
                available_memory_bytes=message.available_memory_bytes,
                reserved_memory_bytes=reserved.get(host.name, 0),
                storage_free_bytes=_free_at(free, host.name, locations[host.pk]),
            )
        )
    return tuple(candidates)


def _reserved_memory(item: ProtectedItem, hosts: list[str]) -> dict[str, int]:
    """By host the memory that replicas placed there will need once they run."""
    memory = VirtualMachine.objects.filter(
        fabric_id=OuterRef("pairing__primary_fabric_id"),
        external_id=OuterRef("protectable_item_id"),
    ).annotate(memory=Cast(KT("details__memory_bytes"), BigIntegerField()))
    sums = (
        ProtectedItem.objects.filter(
            vault_id=item.vault_id,
            recovery_host__in=hosts,
            active_location=ActiveLocation.PRIMARY,
        )
        .exclude(id=item.id)
        .annotate(memory=Subquery(memory.values("memory")[:1]))
        .values(host=F("recovery_host"))
        .annotate(total=Sum("memory"))
    )
    return {row["host"]: row["total"] or 0 for row in sums}


def _free_space(fabric: Fabric) -> list[inventory_pb2.StorageLocation]:
    objects = FabricObject.objects.filter(fabric=fabric, kind="storage_location", gone_at=None)
    return [
        json_format.ParseDict(
            found.details, inventory_pb2.StorageLocation(), ignore_unknown_fields=True
        )
        for found in objects
    ]


def _free_at(locations: list[inventory_pb2.StorageLocation], host: str, path: str) -> int | None:
    """Free space of the innermost known place that the path lies in and the host reaches."""
    inside = [
        location
        for location in locations
        if host in {name.lower() for name in location.host_fqdns}
        and _lies_in(path.lower(), location.path.lower())
    ]
    innermost = max(inside, key=lambda location: len(location.path), default=None)
    return None if innermost is None else innermost.free_bytes


def _lies_in(path: str, place: str) -> bool:
    place = place.rstrip("\\")
    return bool(place) and (path == place or path.startswith(place + "\\"))
