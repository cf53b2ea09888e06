"""Gathering both sides of the check of mappings from the tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from django.db.models import Q, QuerySet

from coordinator.fabrics.models import Fabric, FabricObject, VirtualMachine
from coordinator.protection.discovery.mapping_consistency import (
    BelievedAdapter,
    BelievedAddress,
    BelievedMapping,
    Given,
    MappingComparison,
    SeenAdapter,
)
from coordinator.protection.models import ItemAdapter, NetworkMapping, StorageMapping
from coordinator.protection.states import ActiveLocation, ProtectionState

VM_NETWORK = "vm_network"
CLASSIFICATION = "storage_classification"
POOL = "static_address_pool"


def gather_mappings(fabric: Fabric, given: Given) -> MappingComparison:
    """What the vault believes of mappings, adapters and addresses, and what the server showed.

    Args:
        fabric: The server.
        given: What VMM has given out of the pools that were read.
    """
    return MappingComparison(
        mappings=[*_network_mappings(fabric), *_storage_mappings(fabric)],
        adapters=list(_adapters(fabric)),
        addresses=list(_addresses(fabric)),
        given=given,
    )


def pools_with_reservations(fabric: Fabric) -> tuple[str, ...]:
    """VMM's ids of the server's pools that replicas' addresses are reserved in."""
    reserved = _reserved(fabric).values_list("pool_id", flat=True)
    return tuple(sorted(set(reserved) & _present(fabric, POOL)))


def given_addresses(pools: object) -> Given:
    """By pool, which adapter has each address, as a provider told; of an older one nothing."""
    found: dict[str, dict[str, str]] = {}
    for pool in pools if isinstance(pools, list | tuple) else ():
        if isinstance(pool, Mapping):
            found[str(pool["static_address_pool_id"])] = {
                str(one["address"]): str(one["adapter_id"]) for one in pool["addresses"]
            }
    return found


def _network_mappings(fabric: Fabric) -> Iterator[BelievedMapping]:
    present = _present(fabric, VM_NETWORK)
    for mapping in NetworkMapping.objects.filter(_on_either_side(fabric)).order_by("name", "id"):
        ends = (
            (mapping.source_fabric_id, mapping.source_network_id, mapping.source_network),
            (mapping.target_fabric_id, mapping.target_network_id, mapping.target_network),
        )
        for fabric_id, network_id, network in ends:
            if fabric_id == fabric.pk:
                yield BelievedMapping(
                    kind="VM network",
                    name=mapping.name,
                    end=network,
                    present=network_id in present,
                )


def _storage_mappings(fabric: Fabric) -> Iterator[BelievedMapping]:
    rows = FabricObject.objects.filter(fabric=fabric, kind=CLASSIFICATION)
    names = dict(rows.values_list("external_id", "name"))
    present = _present(fabric, CLASSIFICATION)
    for mapping in StorageMapping.objects.filter(_on_either_side(fabric)).order_by("name", "id"):
        ends = (
            (mapping.source_fabric_id, mapping.source_external_id),
            (mapping.target_fabric_id, mapping.target_external_id),
        )
        for fabric_id, external_id in ends:
            if fabric_id == fabric.pk:
                yield BelievedMapping(
                    kind="storage classification",
                    name=mapping.name,
                    end=names.get(external_id, external_id),
                    present=external_id in present,
                )


def _adapters(fabric: Fabric) -> Iterator[BelievedAdapter]:
    """Of replicas on the server: which network a machine that runs is on is its owner's affair."""
    rows = list(
        ItemAdapter.objects.filter(
            connected=True,
            item__pairing__recovery_fabric=fabric,
            item__active_location=ActiveLocation.PRIMARY,
            item__state=ProtectionState.PROTECTED,
        )
        .exclude(target_network_id="")
        .select_related("item__pairing__recovery_cloud")
        .order_by("item__friendly_name", "item_id", "slot", "device_id")
    )
    replicas = _adapters_of_machines(fabric, {row.item.vm_id for row in rows})
    for row in rows:
        adapters = replicas.get((row.item.vm_id, row.item.recovery_host.lower()))
        if adapters is None:
            # No replica there, which is told of elsewhere.
            continue
        yield BelievedAdapter(
            item=row.item.friendly_name,
            cloud_name=row.item.pairing.recovery_cloud.name,
            device=row.mac_address or str(row.slot),
            network_id=row.target_network_id,
            network=row.target_network,
            subnet_id=row.target_subnet_id,
            subnet=row.target_subnet,
            seen=adapters.get(row.device_id) or adapters.get(row.replica_adapter_id),
        )


def _adapters_of_machines(
    fabric: Fabric, vm_ids: Collection[str]
) -> Mapping[tuple[str, str], Mapping[str, SeenAdapter]]:
    """By Hyper-V's id of the machine and its host, adapters by Hyper-V's id, else VMM's."""
    rows = VirtualMachine.objects.filter(fabric=fabric, gone_at=None, vm_id__in=list(vm_ids))
    return {
        (machine.vm_id, machine.host_fqdn): {
            str(told.get("device_id") or told.get("id")): SeenAdapter(
                network_id=str(told.get("vm_network_id") or ""),
                network=str(told.get("vm_network") or ""),
                subnet_id=str(told.get("vm_subnet_id") or ""),
                subnet=str(told.get("vm_subnet") or ""),
            )
            for told in machine.details.get("adapters") or ()
        }
        for machine in rows
    }


def _addresses(fabric: Fabric) -> Iterator[BelievedAddress]:
    pools = _present(fabric, POOL)
    rows = _reserved(fabric).select_related("item__pairing__recovery_cloud")
    for row in rows.order_by("item__friendly_name", "item_id", "slot", "device_id"):
        yield BelievedAddress(
            item=row.item.friendly_name,
            cloud_name=row.item.pairing.recovery_cloud.name,
            adapter_id=row.replica_adapter_id,
            pool_id=row.pool_id,
            pool=row.pool,
            pool_present=row.pool_id in pools,
            address=row.address,
        )


def _reserved(fabric: Fabric) -> QuerySet[ItemAdapter]:
    return ItemAdapter.objects.filter(item__pairing__recovery_fabric=fabric, reserved=True)


def _present(fabric: Fabric, kind: str) -> set[str]:
    rows = FabricObject.objects.filter(fabric=fabric, kind=kind, gone_at=None)
    return set(rows.values_list("external_id", flat=True))


def _on_either_side(fabric: Fabric) -> Q:
    return Q(source_fabric=fabric) | Q(target_fabric=fabric)
