"""Deciding what a replica's adapters are connected to, and keeping it with the item."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F

from coordinator.pauses import growing_pause
from coordinator.protection.inventory import provider_of
from coordinator.protection.models import ItemAdapter, ItemNetworks, NetworkMapping, ProtectedItem
from coordinator.protection.networks.addresses import subnet_mask
from coordinator.protection.networks.facts import AddressUse, Destination
from coordinator.protection.networks.known import KnownSites, adapters_of, machine_on
from coordinator.protection.networks.planner import AdapterTask, MachineNetworks, Release
from coordinator.protection.networks.rules import destination

# After a failure a replica is tried again after that long, then after twice as long, ...
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)


def plan_replica(
    item: ProtectedItem, only: Collection[str] | None = None, sites: KnownSites | None = None
) -> MachineNetworks:
    """Decides what the adapters of an item's replica are to be connected to, and writes it down.

    For an item whose machine runs on its primary side. What is decided already and done is not
    planned again, unless the networks it is about are among `only`.

    Args:
        item: With its pairing, clouds and fabrics.
        only: Ids of source networks; None: all adapters.
        sites: What was read of clouds for other items.

    Raises:
        RefusedError: ProviderNotRegistered.

    Source: SPEC NW-3, NW-4, NW-5, NW-8.
    """
    pairing = item.pairing
    machine = machine_on(pairing.primary_fabric_id, item.vm_id, item.primary_host)
    found = () if machine is None else adapters_of(machine)
    sites = sites or KnownSites()
    source, target = sites.of(pairing.primary_cloud), sites.of(pairing.recovery_cloud)
    mapped = _mapped(pairing.primary_fabric_id, pairing.recovery_fabric_id)
    rows = {row.device_id: row for row in ItemAdapter.objects.filter(item=item)}
    tasks: list[AdapterTask] = []
    for adapter in found:
        if only is not None and adapter.network_id not in only:
            continue
        decided = destination(adapter, mapped.get(adapter.network_id, ""), source, target)
        row = rows.get(adapter.device_id) or ItemAdapter(item=item, device_id=adapter.device_id)
        # Without a mapping what is attached stays as it is (NW-9).
        leave = decided.network is None and adapter.network_id not in mapped
        if not leave or not row.connected:
            task = _task(row, decided)
            if task is not None:
                tasks.append(task)
            _decide(row, decided)
        _describe(row, decided)
        row.save()
    if machine is not None and only is None:
        here = {adapter.device_id for adapter in found}
        gone = [row.pk for row in rows.values() if row.device_id not in here and not row.reserved]
        ItemAdapter.objects.filter(pk__in=gone).delete()
    return MachineNetworks(
        item_id=str(item.id),
        name=item.friendly_name,
        provider_id=str(provider_of(pairing.recovery_fabric).id),
        vm_id=item.vm_id,
        host=item.recovery_host,
        changes=changes_of(item.id),
        adapters=tuple(tasks),
    )


def would_change(item: ProtectedItem, sites: KnownSites) -> bool:
    """Whether an adapter of an item's replica would be decided otherwise now. Changes nothing."""
    pairing = item.pairing
    machine = machine_on(pairing.primary_fabric_id, item.vm_id, item.primary_host)
    source, target = sites.of(pairing.primary_cloud), sites.of(pairing.recovery_cloud)
    mapped = _mapped(pairing.primary_fabric_id, pairing.recovery_fabric_id)
    rows = {row.device_id: row for row in ItemAdapter.objects.filter(item=item)}
    for adapter in () if machine is None else adapters_of(machine):
        row, mapped_to = rows.get(adapter.device_id), mapped.get(adapter.network_id, "")
        if row is None or not mapped_to:
            continue
        decided = destination(adapter, mapped_to, source, target)
        network_id = decided.network.id if decided.network else ""
        pool_id = decided.pool.id if decided.pool else ""
        if (network_id, pool_id) != (row.target_network_id, row.pool_id):
            return True
    return False


def mark_pending(item_ids: Collection[UUID], now: datetime) -> None:
    """Has the replicas of items connected anew, whatever happens to the job that is to do it."""
    if not item_ids:
        return
    ItemNetworks.objects.bulk_create(
        [ItemNetworks(item_id=item_id, next_attempt_at=now) for item_id in item_ids],
        ignore_conflicts=True,
    )
    ItemNetworks.objects.filter(item_id__in=item_ids).update(
        pending=True, changes=F("changes") + 1, failures=0, next_attempt_at=now
    )


def put_off(item_id: UUID, now: datetime) -> None:
    """Has a marked replica wait before it is tried again, longer each time."""
    mark = ItemNetworks.objects.select_for_update().filter(item_id=item_id).first()
    if mark is None:
        return
    mark.failures += 1
    mark.next_attempt_at = now + growing_pause(mark.failures, FIRST_PAUSE, LONGEST_PAUSE)
    mark.save(update_fields=["failures", "next_attempt_at"])


def changes_of(item_id: UUID) -> int:
    """What the item's mark counts."""
    found = ItemNetworks.objects.filter(item_id=item_id).values_list("changes", flat=True)
    return found.first() or 0


def reservations_of(item: ProtectedItem) -> list[Release]:
    """Addresses that VMM keeps for an item's replica."""
    return [
        Release(row.replica_adapter_id, row.pool_id, row.address)
        for row in ItemAdapter.objects.filter(item=item, reserved=True).order_by(
            "slot", "device_id"
        )
    ]


def _mapped(source_fabric_id: UUID, target_fabric_id: UUID) -> Mapping[str, str]:
    mappings = NetworkMapping.objects.filter(
        source_fabric_id=source_fabric_id, target_fabric_id=target_fabric_id
    )
    return dict(mappings.values_list("source_network_id", "target_network_id"))


def _task(row: ItemAdapter, decided: Destination) -> AdapterTask | None:
    """What there is to do; None when the replica's adapter is connected to nothing and stays so.

    A new replica's adapters are connected to nothing.
    """
    pool_id = decided.pool.id if decided.pool is not None else ""
    kept = bool(row.address) and row.pool_id == pool_id
    release = (
        Release(row.replica_adapter_id, row.pool_id, row.address)
        if row.reserved and not kept
        else None
    )
    if decided.network is None or decided.subnet is None:
        if not row.replica_adapter_id and release is None:
            return None
        return AdapterTask(device_id=row.device_id, release=release)
    return AdapterTask(
        device_id=row.device_id,
        network_id=decided.network.id,
        subnet_id=decided.subnet.id,
        pool_id=pool_id,
        release=release,
    )


def _decide(row: ItemAdapter, decided: Destination) -> None:
    network, subnet, pool = decided.network, decided.subnet, decided.pool
    if (row.target_network_id, row.target_subnet_id) != (
        network.id if network else "",
        subnet.id if subnet else "",
    ):
        row.connected = False
    row.target_network_id, row.target_network = (network.id, network.name) if network else ("", "")
    row.target_subnet_id, row.target_subnet = (subnet.id, subnet.name) if subnet else ("", "")
    row.reason, row.problem = decided.reason, decided.problem
    row.injected = decided.use is AddressUse.INJECT
    if pool is None:
        row.pool_id = row.pool = row.address = ""
        row.subnet_mask = row.default_gateway = ""
        row.dns_servers, row.reserved = [], False
        return
    if row.pool_id != pool.id:
        row.address, row.reserved = "", False
    row.pool_id, row.pool = pool.id, pool.name
    row.subnet_mask = subnet_mask(pool.subnet)
    row.default_gateway = next(iter(pool.default_gateways), "")
    row.dns_servers = list(pool.dns_servers[:2])


def _describe(row: ItemAdapter, decided: Destination) -> None:
    """What the machine's adapter is like now."""
    adapter = decided.adapter
    row.slot, row.mac_address = adapter.slot, adapter.mac_address
    row.source_network_id, row.source_network = adapter.network_id, adapter.network
    row.source_subnet, row.static_address = adapter.subnet, adapter.static
    row.source_address = adapter.address
