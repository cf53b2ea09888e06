"""Record functions and finishers of network mapping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast
from uuid import UUID

from coordinator.jobs.registry import FinishedJob, RecordCall
from coordinator.jobs.states import JobState
from coordinator.protection.models import ItemAdapter, ItemNetworks, NetworkMapping
from coordinator.protection.networks.addresses import choose_address
from coordinator.protection.networks.attaching import mark_pending, put_off
from coordinator.protection.networks.facts import Adapter, Pool
from coordinator.protection.networks.known import pools_of
from coordinator.protection.networks.reservations import hold_pools, taken_by_others
from coordinator.protection.networks.rules import match_adapters
from coordinator.protection.transitions import lock_item

PAIRED = "Paired"


def network_mapped(call: RecordCall) -> Mapping[str, object]:
    """The mapping holds: replicas that are connected from now on follow it."""
    NetworkMapping.objects.filter(id=str(call.inputs["mapping_id"])).update(state=PAIRED)
    return {}


def network_unmapped(call: RecordCall) -> Mapping[str, object]:
    """The mapping went when the job began; what is attached stays."""
    del call
    return {}


def match(call: RecordCall) -> Mapping[str, object]:
    """Finds the replica's adapters and chooses their addresses.

    Returns:
        For the n-th adapter wanted "adapter_n", VMM's id of the replica's, and "address_n"; empty
        where there is none.
    """
    item = lock_item(str(call.inputs["item_id"]))
    wanted = cast("Sequence[Mapping[str, str]]", call.inputs["wanted"])
    rows = {row.device_id: row for row in ItemAdapter.objects.filter(item=item)}
    found = match_adapters([_of_row(row) for row in rows.values()], told(call.inputs["adapters"]))
    given = given_out(call.inputs["pools"])
    pools = {pool.id: pool for pool in pools_of(item.pairing.recovery_fabric_id)}
    hold_pools({one["pool_id"] for one in wanted if one["pool_id"]})
    result: dict[str, object] = {}
    for number, one in enumerate(wanted):
        row = rows.get(one["device_id"])
        result[f"adapter_{number}"] = result[f"address_{number}"] = ""
        if row is None:
            continue
        row.replica_adapter_id = found[row.device_id].id if row.device_id in found else ""
        if row.pool_id and row.pool_id == one["pool_id"]:
            _choose(row, pools.get(row.pool_id), given.get(row.pool_id, ()))
        row.save()
        result[f"adapter_{number}"] = row.replica_adapter_id
        result[f"address_{number}"] = row.address if one["pool_id"] == row.pool_id else ""
    return result


def attached(call: RecordCall) -> Mapping[str, object]:
    """Writes down what was done; what was not is done later, by the mark."""
    item = lock_item(str(call.inputs["item_id"]))
    rows = {row.device_id: row for row in ItemAdapter.objects.filter(item=item)}
    complete = True
    for seen in cast("Sequence[Mapping[str, object]]", call.inputs["adapters"]):
        row = rows.get(str(seen["device_id"]))
        if row is None or str(seen["network_id"]) != row.target_network_id:
            continue  # decided anew since: whoever did so has marked the item
        complete &= _take(row, seen)
        row.save()
    _mark(call, complete=complete)
    return {}


def _take(row: ItemAdapter, seen: Mapping[str, object]) -> bool:
    """What became of one adapter; False when something has to be tried again."""
    row.connected = bool(row.target_network_id) and bool(seen["seen"])
    if not seen["seen"]:
        row.problem = (
            f"could not be connected to {row.target_network or 'nothing'}; the job says why, and"
            " it is tried again"
        )
        return False
    if not seen["pool_id"]:
        return True
    row.reserved = bool(seen["address"]) and seen["address"] == row.address
    if row.reserved:
        row.problem = ""
        return True
    row.problem = (
        f"the address {row.address} could not be reserved; the job says why, and it is tried again"
        if row.address
        else f"the pool {row.pool} has no free address; it is tried again"
    )
    return False


def _choose(row: ItemAdapter, pool: Pool | None, given: Iterable[str]) -> None:
    """Keeps an address that is there and still free; else takes the machine's, or the next."""
    if pool is None:
        return
    taken = {*given, *taken_by_others(row)}
    if not row.address or row.address in taken:
        row.address = choose_address(pool, row.source_address, taken) or ""
        row.reserved = False


def _mark(call: RecordCall, *, complete: bool) -> None:
    item_id, changes = UUID(str(call.inputs["item_id"])), cast("int", call.inputs["changes"])
    mark = ItemNetworks.objects.select_for_update().filter(item_id=item_id).first()
    if complete:
        if mark is not None and mark.changes == changes:
            mark.pending, mark.failures = False, 0
            mark.save(update_fields=["pending", "failures"])
        return
    if mark is None:
        mark_pending([item_id], call.now)
    elif not mark.pending:
        mark.pending = True
        mark.save(update_fields=["pending"])
    put_off(item_id, call.now)


def attaching_finished(job: FinishedJob) -> None:
    """A job that failed did not come to write down what was done: it is tried again later."""
    if job.state is not JobState.SUCCEEDED:
        put_off(UUID(str(job.arguments["item_id"])), job.now)


def told(adapters: object) -> list[Adapter]:
    """Adapters as a provider told of them; none when it could not."""
    return [
        Adapter(
            device_id=str(one["device_id"]),
            id=str(one["id"]),
            slot=int(str(one["slot"])),
            mac_address=str(one["mac_address"]),
            network_id=str(one["vm_network_id"]),
            network=str(one["vm_network"]),
            subnet=str(one["vm_subnet"]),
            static=one["ipv4_address_type"] == "Static",
            addresses=tuple(map(str, cast("Sequence[object]", one["ipv4_addresses"]))),
        )
        for one in cast("Sequence[Mapping[str, object]]", adapters or ())
    ]


def given_out(pools: object) -> dict[str, list[str]]:
    """What VMM has given out of each pool, as a provider told."""
    return {
        str(one["static_address_pool_id"]): list(cast("Sequence[str]", one["allocated"]))
        for one in cast("Sequence[Mapping[str, object]]", pools or ())
    }


def _of_row(row: ItemAdapter) -> Adapter:
    return Adapter(device_id=row.device_id, slot=row.slot, mac_address=row.mac_address)
