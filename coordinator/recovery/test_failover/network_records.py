"""Record functions about the networks of tests, and about who is put where in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import cast

from coordinator.failures import Failure
from coordinator.jobs.registry import RecordCall, StepFailedError
from coordinator.protection.models import ItemAdapter, ProtectedItem
from coordinator.protection.queries import (
    KnownSites,
    held_out,
    replica_adapters,
    replica_site,
    told_adapters,
)
from coordinator.protection.rules import Adapter, Network, Pool, Subnet, match_adapters, subnet_mask
from coordinator.recovery.models import Drill, DrillNetwork
from coordinator.recovery.test_failover.drills import item_id, open_drill
from coordinator.recovery.test_failover.rules import Place, place

NO_PLACE: Mapping[str, object] = {
    "adapter": "",
    "network": "",
    "subnet": "",
    "leave": True,
    "pool": "",
    "address": "",
}


def test_network_created(call: RecordCall) -> Mapping[str, object]:
    """VMM has made the network."""
    DrillNetwork.objects.filter(id=str(call.inputs["network"])).update(
        vm_network_id=str(call.inputs["vm_network_id"]),
        subnets=call.inputs["subnets"],
        removed_at=None,
    )
    return {}


def test_network_removed(call: RecordCall) -> Mapping[str, object]:
    """VMM has it no more."""
    DrillNetwork.objects.filter(id=str(call.inputs["network"])).update(removed_at=call.now)
    return {}


def test_network_known(call: RecordCall) -> Mapping[str, object]:
    """What VMM made of the network, for a machine that is tested in it.

    Raises:
        StepFailedError: TestNetworkMissing: whoever was to make it has not.
    """
    row = DrillNetwork.objects.get(id=str(call.inputs["network"]))
    if not row.vm_network_id or row.removed_at is not None:
        raise StepFailedError(
            Failure(
                "TestNetworkMissing",
                f"The network {row.name} is not there.",
                ("The recovery plan that was to make it did not get so far.",),
                "Run the test failover of the recovery plan again.",
            )
        )
    drill = open_drill(call.arguments)
    drill.network_id, drill.network = row.vm_network_id, row.name
    drill.save(update_fields=["network_id", "network"])
    return {"static_address_pool_ids": [pool.id for pool in made_pools(row)]}


def decide_test_network(call: RecordCall) -> Mapping[str, object]:
    """Chooses for each adapter its subnet and its address in the test network.

    Returns:
        For the n-th adapter "device_id_n", and "address_n" with what the guest is to be told.

    Raises:
        StepFailedError: TestNetworkMissing: it was removed meanwhile.
    """
    drill = open_drill(call.arguments)
    item = ProtectedItem.objects.select_related(
        "pairing__primary_cloud", "pairing__recovery_cloud"
    ).get(id=item_id(call.arguments))
    network, pools = _test_network(drill, item)
    given = held_out(call.inputs["pools"])
    others = _chosen_by_others(drill)
    taken = {
        pool_id: {*addresses, *others.get(pool_id, ())} for pool_id, addresses in given.items()
    }
    rows = list(ItemAdapter.objects.filter(item=item).order_by("slot", "device_id"))
    known = replica_adapters(item, rows, replica_site(item, KnownSites()))
    own = match_adapters(
        [Adapter(each.device_id, slot=each.slot, mac_address=each.mac_address) for each in known],
        told_adapters(call.inputs["replica_adapters"]),
    )
    result: dict[str, object] = {}
    chosen: list[dict[str, object]] = []
    for number in range(cast("int", call.inputs["adapters"])):
        adapter = known[number] if number < len(known) else None
        found = None if adapter is None else place(adapter, network, pools, taken)
        if adapter is not None and found is not None and found.pool and found.address:
            taken.setdefault(found.pool.id, set()).add(found.address)
        reserved = adapter is None or found is None or adapter.pool != found.pool
        device = own.get(adapter.device_id) if adapter is not None else None
        result |= _told_guest(number, "" if device is None else device.device_id, found)
        chosen.append(_chosen(number, adapter.slot if adapter else number, found, reserve=reserved))
    drill.adapters = chosen
    drill.save(update_fields=["adapters"])
    return result


def match_test_adapters(call: RecordCall) -> Mapping[str, object]:
    """Finds the adapters of the test virtual machine, which has them in the replica's order.

    Raises:
        StepFailedError: TestAdaptersMissing: VMM shows none of them.
    """
    drill = open_drill(call.arguments)
    wanted = [cast("dict[str, object]", each) for each in drill.adapters]
    found = {adapter.slot: adapter for adapter in told_adapters(call.inputs["found"])}
    if wanted and not found:
        raise StepFailedError(
            Failure(
                "TestAdaptersMissing",
                f"VMM shows no network adapter of {drill.test_vm_name}.",
                ("The replica has none, although the machine has.",),
                "Add network adapters to the replica, or test without a network.",
            )
        )
    result: dict[str, object] = {}
    for number in range(cast("int", call.inputs["adapters"])):
        one = wanted[number]
        adapter = found.get(cast("int", one["slot"]))
        answer = dict(NO_PLACE)
        if adapter is None or not one["subnet"]:
            # There must be one to look at, though nothing is done to it.
            answer["adapter"] = next(iter(found.values())).id
        else:
            one["adapter"] = adapter.id
            answer |= {name: one[name] for name in ("adapter", "network", "subnet")}
            answer |= {"leave": False, "pool": one["pool"], "address": one["address"]}
        result |= {f"{name}_{number}": value for name, value in answer.items()}
    drill.adapters = wanted
    drill.save(update_fields=["adapters"])
    return result


def made_pools(row: DrillNetwork) -> tuple[Pool, ...]:
    """Pools of a network that was made for tests, as VMM told of them."""
    return tuple(
        Pool(
            id=str(pool["static_address_pool_id"]),
            name=str(pool["name"]),
            subnet=str(subnet["subnet"]),
            first_address=str(pool["first_address"]),
            last_address=str(pool["last_address"]),
            vm_subnet_id=str(subnet["vm_subnet_id"]),
            default_gateways=tuple(pool["default_gateways"]),
            dns_servers=tuple(pool["dns_servers"]),
        )
        for subnet in row.subnets
        for pool in subnet["pools"]
    )


def _test_network(drill: Drill, item: ProtectedItem) -> tuple[Network, Sequence[Pool]]:
    if drill.made_network is not None:
        row = drill.made_network
        subnets = tuple(
            Subnet(str(each["vm_subnet_id"]), str(each["name"]), (str(each["subnet"]),))
            for each in row.subnets
        )
        return (
            Network(row.vm_network_id, row.name, "", row.isolation, subnets),
            made_pools(row),
        )
    site = replica_site(item, KnownSites())
    network = site.networks.get(drill.network_id)
    if network is None:
        raise StepFailedError(
            Failure(
                "TestNetworkMissing",
                f"The VM network {drill.network} is not there any more.",
                ("It was removed in VMM since the test failover was asked for.",),
                "Choose another network for the test.",
            )
        )
    return network, site.pools


def _chosen_by_others(drill: Drill) -> Mapping[str, set[str]]:
    """By pool addresses that other tests have, or are about to reserve."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    others = Drill.objects.filter(
        vault_id=drill.vault_id, network_id=drill.network_id, ended_at=None
    ).exclude(id=drill.id)
    for adapters in others.values_list("adapters", flat=True):
        for each in adapters:
            found[str(each["pool"])].add(str(each["address"]))
    return found


def _told_guest(number: int, device_id: str, found: Place | None) -> dict[str, object]:
    inject = found is not None and found.inject and bool(found.address)
    pool = found.pool if found is not None and inject else None
    return {
        f"device_id_{number}": device_id,
        f"address_{number}": found.address if found is not None and inject else "",
        f"subnet_mask_{number}": subnet_mask(pool.subnet) if pool else "",
        f"default_gateway_{number}": next(iter(pool.default_gateways), "") if pool else "",
        f"dns_servers_{number}": list(pool.dns_servers[:2]) if pool else [],
    }


def _chosen(number: int, slot: int, found: Place | None, *, reserve: bool) -> dict[str, object]:
    """What the row keeps of an adapter.

    Out of the pool of the replica's own network the address is the one VMM keeps for the replica
    already.
    """
    if found is None:
        return {"number": number, "slot": slot, **NO_PLACE}
    return {
        "number": number,
        "slot": slot,
        "adapter": "",
        "network": found.network.id,
        "subnet": found.subnet.id,
        "subnet_name": found.subnet.name,
        "pool": found.pool.id if found.pool and found.address and reserve else "",
        "address": found.address if reserve else "",
        "guest_address": found.address,
    }
