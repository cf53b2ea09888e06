"""Networks and addresses that machines are to have where they go: pure (SPEC RP-6)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from coordinator.failures import Failure
from coordinator.protection.rules import Operation
from coordinator.recovery.dry_run.facts import (
    MACHINE,
    AdapterFacts,
    Finding,
    MachineFacts,
    PoolFacts,
    RunFacts,
    Severity,
)


def check_addresses(facts: RunFacts) -> Iterator[Finding]:
    """What is found about networks and addresses; all of them are warnings.

    A test has networks and addresses of its own.
    """
    going = [each for each in facts.machines if each.takes_part]
    if facts.operation is Operation.TEST_FAILOVER:
        yield from _test_pools(facts, going)
        return
    twice = _twice(going)
    for machine in going:
        for adapter in machine.adapters:
            failure = _network(machine, adapter) or _address(machine, adapter, facts)
            if failure is None and (adapter.pool_id, adapter.address) in twice:
                failure = _given_twice(machine, adapter)
            if failure is not None:
                yield _found(failure, machine)


def _network(machine: MachineFacts, adapter: AdapterFacts) -> Failure | None:
    if adapter.problem:
        return Failure(
            "AdapterHasProblem",
            f"{machine.name}: {adapter.problem}",
            ("The network mapping, or the networks on one of the sides, have changed.",),
            "See osr network mappings and the machine's adapters.",
        )
    if adapter.source_network and not adapter.target_network:
        return Failure(
            "NetworkNotMapped",
            f"{machine.name} would be on no network over there: {adapter.source_network} "
            "is mapped to no network there.",
            ("The network has no mapping.",),
            f"Map {adapter.source_network} to a network of the other server.",
        )
    if adapter.target_network and not adapter.target_known:
        return Failure(
            "TargetNetworkGone",
            f"{machine.name} would be on no network over there: VMM does not have "
            f"{adapter.target_network} any more.",
            ("The network was removed in VMM.",),
            f"Map {adapter.source_network or 'the network'} to another network.",
        )
    if adapter.target_network and not adapter.connected:
        return Failure(
            "ReplicaNotConnected",
            f"The replica of {machine.name} has not been connected to {adapter.target_network} "
            "yet.",
            ("Connecting it is under way, or has failed.",),
            "See the jobs of the machine; a failover tries once more.",
        )
    return None


def _address(machine: MachineFacts, adapter: AdapterFacts, facts: RunFacts) -> Failure | None:
    pool = facts.pools.get(adapter.pool_id)
    if adapter.lacks_address:
        left = "" if pool is None or pool.free is None else f" {pool.name} has {pool.free} free."
        return Failure(
            "FailoverAddressMissing",
            f"{machine.name} has a static address in {adapter.source_network}, and none is "
            f"kept for it in {adapter.target_network}.{left}",
            ("The network there has no static pool, or its pool is used up.",),
            f"Give {adapter.target_network} a static IP address pool with room.",
        )
    if not adapter.address or not adapter.pool_id:
        return None
    if pool is None:
        return Failure(
            "AddressPoolGone",
            f"{machine.name} is to have {adapter.address}, whose pool VMM does not have any more.",
            ("The static IP address pool was removed.",),
            f"Give {adapter.target_network} a static IP address pool with room.",
        )
    return _given(machine, adapter, pool)


def _given(machine: MachineFacts, adapter: AdapterFacts, pool: PoolFacts) -> Failure | None:
    if pool.given is None:
        return None
    holder = pool.given.get(adapter.address)
    if holder is None:
        return Failure(
            "AddressNotReserved",
            f"{machine.name} is to have {adapter.address}, which VMM does not keep for it: "
            f"{pool.name} may give it to another.",
            ("The address was given back in VMM.",),
            "Refresh the network mapping, which reserves it again.",
        )
    if holder and adapter.adapter_id and holder.lower() != adapter.adapter_id:
        return Failure(
            "AddressHeldByOther",
            f"{machine.name} is to have {adapter.address}, which {pool.name} has given to another "
            "adapter: both would answer to it.",
            ("The address was given back in VMM, and taken for another machine.",),
            "Give the other machine another address, or refresh the network mapping.",
        )
    return None


def _twice(machines: list[MachineFacts]) -> set[tuple[str, str]]:
    """Pools and addresses that more than one adapter of the run is to have."""
    wanted = Counter(
        (adapter.pool_id, adapter.address)
        for machine in machines
        for adapter in machine.adapters
        if adapter.address and adapter.pool_id
    )
    return {each for each, times in wanted.items() if times > 1}


def _given_twice(machine: MachineFacts, adapter: AdapterFacts) -> Failure:
    return Failure(
        "AddressGivenTwice",
        f"{machine.name} is to have {adapter.address}, and so is another machine of this run.",
        ("The address was set for both by hand.",),
        "Refresh the network mapping, which gives one of them another.",
    )


def _test_pools(facts: RunFacts, machines: list[MachineFacts]) -> Iterator[Finding]:
    """Pools of the network that is tested in: is there an address for everybody?"""
    wanting: defaultdict[str, list[MachineFacts]] = defaultdict(list)
    for machine in machines:
        for adapter in machine.adapters:
            if adapter.test_pool_id:
                wanting[adapter.test_pool_id].append(machine)
    for pool_id, wanted in sorted(wanting.items()):
        pool = facts.pools.get(pool_id)
        free = None if pool is None else pool.free
        if pool is None or free is None or free >= len(wanted):
            continue
        for machine in wanted[free:]:
            yield _found(
                Failure(
                    "TestAddressMissing",
                    f"{machine.name} would get no address in the test: {len(wanted)} are wanted "
                    f"of {pool.name}, which has {free} free.",
                    ("The static pool of the test network is too small, or used by others.",),
                    f"Make {pool.name} larger, or test fewer machines at a time.",
                ),
                machine,
            )


def _found(failure: Failure, machine: MachineFacts) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        failure=failure,
        object_type=MACHINE,
        object_name=machine.name,
    )
