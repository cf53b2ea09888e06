"""Reading networks, mappings, and what replicas are connected to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Fabric, FabricObject
from coordinator.protection.models import ItemAdapter, NetworkMapping, ProtectedItem
from coordinator.protection.networks.facts import Network
from coordinator.protection.networks.known import (
    adapters_of,
    cloud_pairs,
    logical_networks_of,
    machine_on,
    network_fact,
    networks_of,
)
from coordinator.protection.networks.rules import TargetOffer, offer, offers


@dataclass(frozen=True)
class FabricNetwork:
    """A VM network with the server it is of."""

    fabric: Fabric
    network: Network


def list_networks(vault_id: UUID, fabric_id: UUID | None = None) -> list[FabricNetwork]:
    """VM networks of a vault's servers, or of one of them, by server and name."""
    wanted = [one for one in fabrics.list_fabrics(vault_id) if fabric_id in {None, one.id}]
    return [
        FabricNetwork(fabric, network)
        for fabric in wanted
        for network in networks_of(fabric.id).values()
    ]


def find_network(fabric: Fabric, network_id: str) -> FabricNetwork | None:
    """A server's VM network by VMM's id."""
    found = _object(fabric.id, "vm_network", network_id)
    return None if found is None else FabricNetwork(fabric, network_fact(found))


def list_logical_networks(fabric_id: UUID) -> list[FabricObject]:
    """A server's logical networks, by name."""
    return fabrics.list_objects(fabric_id, "logical_network")


def find_logical_network(fabric_id: UUID, network_id: str) -> FabricObject | None:
    return _object(fabric_id, "logical_network", network_id)


def mappings_of(
    vault_id: UUID, fabric_id: UUID | None = None, network_id: str | None = None
) -> QuerySet[NetworkMapping]:
    """Mappings of a vault, of a source server, or of one network."""
    mappings = NetworkMapping.objects.filter(vault_id=vault_id)
    if fabric_id is not None:
        mappings = mappings.filter(source_fabric_id=fabric_id)
    if network_id is not None:
        mappings = mappings.filter(source_network_id__iexact=network_id)
    return mappings.select_related("source_fabric", "target_fabric").order_by(
        "source_fabric__friendly_name", "source_network", "name"
    )


def find_network_mapping(fabric: Fabric, network_id: str, name: str) -> NetworkMapping | None:
    return mappings_of(fabric.vault_id, fabric.id, network_id).filter(name__iexact=name).first()


def offered_targets(source: FabricNetwork, target_fabric: Fabric) -> tuple[TargetOffer, ...]:
    """Networks that a network could be mapped to, each with the pairs of clouds that could use it.

    Source: SPEC NW-2.
    """
    pairs = cloud_pairs(source.fabric.vault_id, source.fabric.id, target_fabric.id)
    return offers(source.network, networks_of(target_fabric.id).values(), pairs)


def availability(source: FabricNetwork, target: FabricNetwork) -> TargetOffer:
    """For each pair of clouds that uses the source whether the target is available to it."""
    pairs = cloud_pairs(source.fabric.vault_id, source.fabric.id, target.fabric.id)
    return offer(source.network, target.network, pairs)


def wanted_networks(item: ProtectedItem) -> dict[str, str]:
    """Recovery networks that the machine's are mapped to, for placement.

    Returns:
        Names of logical networks by the names of VM networks; those that the recovery cloud does
        not have are left out, because no host of it would help.

    Source: SPEC NW-6.
    """
    pairing = item.pairing
    machine = machine_on(pairing.primary_fabric_id, item.vm_id, item.primary_host)
    used = {adapter.network_id for adapter in (adapters_of(machine) if machine else ())}
    mapped = NetworkMapping.objects.filter(
        source_fabric_id=pairing.primary_fabric_id,
        target_fabric_id=pairing.recovery_fabric_id,
        source_network_id__in=used,
    ).values_list("target_network_id", flat=True)
    logical = logical_networks_of(pairing.recovery_cloud)
    networks = networks_of(pairing.recovery_fabric_id)
    found = [networks[network_id] for network_id in mapped if network_id in networks]
    return {
        network.name: network.logical_network
        for network in found
        if network.logical_network in logical
    }


def adapters_of_items(item_ids: Collection[UUID]) -> dict[UUID, list[ItemAdapter]]:
    """What the adapters of items are connected to, by slot."""
    found: dict[UUID, list[ItemAdapter]] = {item_id: [] for item_id in item_ids}
    rows = ItemAdapter.objects.filter(item_id__in=item_ids).order_by("slot", "device_id")
    for row in rows:
        found[row.item_id].append(row)
    return found


def _object(fabric_id: UUID, kind: str, object_id: str) -> FabricObject | None:
    return FabricObject.objects.filter(
        fabric_id=fabric_id, kind=kind, external_id__iexact=object_id, gone_at=None
    ).first()
