"""Network mappings as rows: what may be mapped, writing it, and the items it is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from coordinator.fabrics.models import Fabric, VirtualMachine
from coordinator.failures import refuse
from coordinator.protection.models import ItemAdapter, NetworkMapping, ProtectedItem
from coordinator.protection.networks.facts import Network
from coordinator.protection.networks.known import cloud_pairs, networks_of
from coordinator.protection.networks.rules import offer
from coordinator.protection.states import ActiveLocation
from coordinator.vaults.models import Vault

PAIRING = "Pairing"


@dataclass(frozen=True, kw_only=True)
class MappingRequest:
    """A network and the one that is to take its place.

    Attributes:
        name: The mapping's name in resource ids.
        source_network_id: VMM's id, as all ids of networks.
    """

    vault: Vault
    name: str
    source_fabric: Fabric
    source_network_id: str
    target_fabric: Fabric
    target_network_id: str


def find_network(fabric: Fabric, network_id: str, field: str) -> Network:
    networks = networks_of(fabric.id)
    found = networks.get(network_id) or networks.get(network_id.lower())
    if found is None:
        raise refuse(
            "NetworkNotFound",
            f"{fabric.friendly_name} has no VM network with the id '{network_id}'.",
            causes=["The network was deleted in VMM.", "The id is another server's."],
            action="List the server's networks and use an id from the list.",
            status=404,
            field=field,
        )
    return found


def refuse_unavailable(request: MappingRequest, source: Network, target: Network) -> None:
    if request.source_fabric.id == request.target_fabric.id and source.id == target.id:
        raise refuse(
            "NetworkMappedToItself",
            f"{source.name} cannot be mapped to itself.",
            causes=["On one server the recovery network must be another one."],
            action="Choose the network that the recovery cloud's machines are to use.",
            field="recoveryNetworkId",
        )
    pairs = cloud_pairs(request.vault.id, request.source_fabric.id, request.target_fabric.id)
    offered = offer(source, target, pairs)
    if offered.offered:
        return
    unpaired = (
        f"No cloud of {request.source_fabric.friendly_name} that uses {source.name} is paired with"
        f" one of {request.target_fabric.friendly_name}."
    )
    causes = [each.reason + "." for each in offered.pairs] or [unpaired]
    raise refuse(
        "NetworkNotAvailable",
        f"{source.name} cannot be mapped to {target.name}: no pair of clouds could use it.",
        causes=causes,
        action=f"Associate the logical network {target.logical_network} with the recovery cloud in"
        " VMM, or choose one of the networks that are offered.",
        status=409,
        field="recoveryNetworkId",
    )


def known_mapping(request: MappingRequest) -> NetworkMapping | None:
    """The mapping of that name at the source network."""
    return NetworkMapping.objects.filter(
        source_fabric=request.source_fabric,
        source_network_id__iexact=request.source_network_id,
        name__iexact=request.name,
    ).first()


def write_mapping(
    request: MappingRequest,
    known: NetworkMapping | None,
    source: Network,
    target: Network,
    now: datetime,
) -> NetworkMapping:
    # One at a time for a server, so that two requests do not map one network twice.
    Fabric.objects.select_for_update(no_key=True).get(id=request.source_fabric.id)
    other = NetworkMapping.objects.filter(
        source_fabric=request.source_fabric,
        source_network_id=source.id,
        target_fabric=request.target_fabric,
    )
    other = other if known is None else other.exclude(id=known.id)
    taken = other.first()
    if taken is not None:
        raise refuse(
            "NetworkAlreadyMapped",
            f"{source.name} is mapped to {taken.target_network} already, by the mapping"
            f" {taken.name}.",
            causes=["A network is mapped to one network of a server."],
            action=f"Change the mapping {taken.name}, or delete it first.",
            status=409,
        )
    mapping = known or NetworkMapping(
        vault=request.vault, name=request.name, source_fabric=request.source_fabric, created_at=now
    )
    mapping.target_fabric = request.target_fabric
    mapping.source_network_id, mapping.source_network = source.id, source.name
    mapping.target_network_id, mapping.target_network = target.id, target.name
    mapping.state, mapping.changed_at = PAIRING, now
    mapping.save()
    return mapping


def with_fabrics() -> QuerySet[ProtectedItem]:
    return ProtectedItem.objects.select_related(
        "pairing__primary_cloud",
        "pairing__recovery_cloud",
        "pairing__primary_fabric",
        "pairing__recovery_fabric",
    )


def items_on(mapping: NetworkMapping) -> list[ProtectedItem]:
    """Items whose machine has an adapter on the mapped network, on the side it runs on."""
    on_network = VirtualMachine.objects.filter(
        fabric_id=mapping.source_fabric_id,
        gone_at=None,
        details__adapters__contains=[{"vm_network_id": mapping.source_network_id}],
    )
    copies = set(on_network.values_list("vm_id", "host_fqdn"))
    forward = with_fabrics().filter(
        pairing__primary_fabric=mapping.source_fabric,
        pairing__recovery_fabric=mapping.target_fabric,
        active_location=ActiveLocation.PRIMARY,
        vm_id__in={vm_id for vm_id, _ in copies},
    )
    found = [
        item
        for item in forward.order_by("friendly_name")
        if (item.vm_id, item.primary_host) in copies
    ]
    # A machine that was failed over: its replica is the original, which follows a mapping back.
    back = ItemAdapter.objects.filter(
        target_network_id=mapping.source_network_id,
        item__pairing__recovery_fabric=mapping.source_fabric,
        item__pairing__primary_fabric=mapping.target_fabric,
        item__active_location=ActiveLocation.RECOVERY,
    )
    reversed_items = with_fabrics().filter(id__in=back.values("item_id"))
    return [*found, *reversed_items.order_by("friendly_name")]
