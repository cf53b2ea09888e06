"""Gathering what placement chooses from, and keeping its choice with the item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.db.models import BigIntegerField, F, OuterRef, Subquery, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from opensiterecovery.provider.v1 import inventory_pb2

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Cloud, Host, VirtualMachine
from coordinator.failures import Failure
from coordinator.jobs.registry import StepFailedError
from coordinator.protection.inventory import host_message, machine_message
from coordinator.protection.models import PairedHost, ProtectedItem
from coordinator.protection.networks.queries import wanted_networks
from coordinator.protection.pairing.coverage import hosts_covered
from coordinator.protection.placement.rules import (
    HostCandidate,
    MachineNeeds,
    Placement,
    Site,
    choose_host,
)
from coordinator.protection.states import ActiveLocation
from coordinator.protection.storage.places import (
    disk_needs,
    locations_of,
    place_at,
    promises_to,
    with_promises,
)
from coordinator.protection.storage.queries import mapped_names
from coordinator.protection.storage.rules import Location


def place(item: ProtectedItem) -> str:
    """Chooses the item's recovery host and the storage of its disks there.

    Both, with the reasons, are set on the item, unsaved.

    Returns:
        FQDN of the host.

    Raises:
        StepFailedError: NoSuitableHost, with what speaks against each.

    Source: SPEC ST-2, NW-6.
    """
    pairing = item.pairing
    # Placements in a cloud go one after the other, so that each sees what the others promised.
    Cloud.objects.select_for_update(no_key=True).get(pk=pairing.recovery_cloud_id)
    locations = with_promises(locations_of(pairing.recovery_fabric_id), promises_to(item))
    site = Site(mapped_names(pairing.primary_fabric_id, pairing.recovery_fabric_id), locations)
    networks = wanted_networks(item)
    candidates = _candidates(item, locations, networks)
    needs = _needs(item, tuple(networks))
    placement = choose_host(candidates, needs, site, preferred=item.recovery_host)
    item.placement = [assessment.as_json() for assessment in placement.assessments]
    if placement.chosen is None:
        raise StepFailedError(_nowhere(item, placement))
    item.recovery_host = placement.chosen.fqdn
    item.storage = {
        "default_location": placement.chosen.storage_location,
        "disks": [disk.as_json() for disk in placement.storage.disks],
        "disk_paths": [],
    }
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


def _needs(item: ProtectedItem, networks: tuple[str, ...]) -> MachineNeeds:
    machine = VirtualMachine.objects.filter(
        fabric_id=item.pairing.primary_fabric_id, external_id=item.protectable_item_id
    ).first()
    if machine is None:
        return MachineNeeds(memory_bytes=0, networks=networks)
    message = machine_message(machine)
    host = fabrics.find_host(item.pairing.primary_fabric_id, item.primary_host)
    return MachineNeeds(
        memory_bytes=message.memory_bytes,
        disks=disk_needs(machine, message),
        networks=networks,
        windows="" if host is None else host_message(host).operating_system_version,
    )


def _candidates(
    item: ProtectedItem, locations: Sequence[Location], networks: Mapping[str, str]
) -> tuple[HostCandidate, ...]:
    pairing = item.pairing
    hosts = fabrics.hosts_of_cloud(pairing.recovery_cloud)
    defaults = {
        paired.host_id: paired.storage_location
        for paired in PairedHost.objects.filter(pairing=pairing, host__in=hosts)
    }
    paired_hosts = [host for host in hosts if host.pk in defaults]
    reserved = _reserved_memory(item, [host.name for host in paired_hosts])
    # An upgraded host stays configured as long as it holds replicas, and is given no more.
    covered = {host.pk for host in hosts_covered(pairing, ActiveLocation.RECOVERY)}
    return tuple(
        replace(
            _candidate(host, defaults[host.pk], reserved.get(host.name, 0), locations, networks),
            covered=host.pk in covered,
        )
        for host in paired_hosts
    )


def _candidate(
    host: Host,
    default_location: str,
    reserved_bytes: int,
    locations: Sequence[Location],
    networks: Mapping[str, str],
) -> HostCandidate:
    message = host_message(host)
    default = place_at(locations, host.name, default_location)
    return HostCandidate(
        fqdn=host.name,
        storage_location=default_location,
        available_for_placement=message.available_for_placement,
        maintenance=message.maintenance,
        communication_state=message.communication_state,
        total_memory_bytes=message.total_memory_bytes,
        available_memory_bytes=message.available_memory_bytes,
        reserved_memory_bytes=reserved_bytes,
        storage_free_bytes=None if default is None else default.left_bytes,
        unreachable_networks=_unreachable(message, networks),
        windows=message.operating_system_version,
    )


def _unreachable(host: inventory_pb2.Host, networks: Mapping[str, str]) -> tuple[str, ...]:
    """VM networks whose logical network none of the host's adapters reaches."""
    reached = {name.lower() for name in host.logical_networks}
    return tuple(network for network, logical in networks.items() if logical.lower() not in reached)


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
