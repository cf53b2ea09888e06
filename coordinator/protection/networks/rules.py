"""The rules of network mapping (SPEC NW-2, NW-4, NW-5, NW-7): pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from coordinator.protection.networks.addresses import plan_address, pool_of_subnet
from coordinator.protection.networks.facts import (
    Adapter,
    CloudPair,
    Destination,
    Network,
    Pool,
    Subnet,
    TargetSite,
)


@dataclass(frozen=True)
class PairAvailability:
    """Whether a target network can be used by one pair of clouds."""

    pair: CloudPair
    available: bool
    reason: str


@dataclass(frozen=True)
class TargetOffer:
    """A network that a source network could be mapped to.

    Attributes:
        offered: It is available to at least one pair of clouds that uses the source network.
    """

    network: Network
    pairs: tuple[PairAvailability, ...]

    @property
    def offered(self) -> bool:
        return any(each.available for each in self.pairs)


def uses(pair: CloudPair, source: Network) -> bool:
    """Whether machines of the pair's protected cloud are, or may be, on a network."""
    return (
        source.id in pair.used_networks or source.logical_network in pair.primary_logical_networks
    )


def offer(source: Network, target: Network, pairs: Iterable[CloudPair]) -> TargetOffer:
    """Says for each pair of clouds that uses the source network whether the target is available.

    Source: SPEC NW-2: the target's logical network must be on the protecting cloud.
    """
    return TargetOffer(
        target, tuple(_availability(target, pair) for pair in pairs if uses(pair, source))
    )


def offers(
    source: Network, targets: Iterable[Network], pairs: Sequence[CloudPair]
) -> tuple[TargetOffer, ...]:
    """The networks to choose from, by name; none that no pair of clouds could use."""
    found = [offer(source, target, pairs) for target in targets if target.id != source.id]
    return tuple(
        sorted(
            (each for each in found if each.offered),
            key=lambda each: (each.network.name, each.network.id),
        )
    )


def _availability(target: Network, pair: CloudPair) -> PairAvailability:
    if target.logical_network in pair.recovery_logical_networks:
        return PairAvailability(
            pair, available=True, reason=f"{target.logical_network} is on {pair.recovery_cloud}"
        )
    return PairAvailability(
        pair,
        available=False,
        reason=f"{target.logical_network} is not associated with {pair.recovery_cloud}",
    )


def choose_subnet(network: Network, source_subnet: str) -> Subnet | None:
    """The subnet with the same name as the machine's, else the first; None when there is none.

    Source: SPEC NW-4.
    """
    named = network.subnet_named(source_subnet) if source_subnet else None
    return named or next(iter(network.subnets), None)


def destination(
    adapter: Adapter, mapped_to: str, source: TargetSite, target: TargetSite
) -> Destination:
    """What the replica's adapter is to be connected to.

    Args:
        adapter: Of the machine, on the side it runs on.
        mapped_to: Id of the network its network is mapped to; empty without a mapping.
        source: The side the machine runs on.
        target: The side of the replica.

    Returns:
        A network that the protecting cloud has, or none; always with the reason.

    Source: SPEC NW-3, NW-4, NW-5, NW-8.
    """
    if not adapter.network_id:
        return _nothing(adapter, "the machine's adapter is connected to nothing")
    if not mapped_to:
        return _nothing(
            adapter, f"no mapping of {adapter.network or adapter.network_id}: connected to nothing"
        )
    network = target.networks.get(mapped_to)
    if network is None:
        return _nothing(
            adapter,
            "connected to nothing",
            f"the network that {adapter.network} is mapped to is no longer there",
        )
    if network.logical_network not in target.logical_networks:
        return _nothing(
            adapter,
            "connected to nothing",
            f"{network.name} is not available in {target.cloud}: {network.logical_network} is not"
            " associated with the cloud",
        )
    subnet = choose_subnet(network, adapter.subnet)
    if subnet is None:
        return _nothing(adapter, "connected to nothing", f"{network.name} has no subnet")
    why = "has the same name" if subnet.name.lower() == adapter.subnet.lower() else "is the first"
    pool = pool_of_subnet(network, subnet, target.pools)
    plan = plan_address(adapter, _source_pool(adapter, source), network, pool)
    return Destination(
        adapter,
        network,
        subnet,
        f"{adapter.network} is mapped to {network.name}; the subnet {subnet.name} {why}",
        plan.use,
        plan.pool,
        plan.problem,
    )


def _nothing(adapter: Adapter, reason: str, problem: str = "") -> Destination:
    return Destination(adapter, None, None, problem or reason, problem=problem)


def _source_pool(adapter: Adapter, source: TargetSite) -> Pool | None:
    network = source.networks.get(adapter.network_id)
    subnet = None if network is None else network.subnet_named(adapter.subnet)
    if network is None or subnet is None:
        return None
    return pool_of_subnet(network, subnet, source.pools)


def match_adapters(machine: Sequence[Adapter], replica: Sequence[Adapter]) -> dict[str, Adapter]:
    """Finds the replica's adapter of each of the machine's.

    The ids are equal on both copies; where they are not (a copy that was imported as a new
    machine), the same MAC address tells, and at last the same place on the bus.

    Returns:
        By the machine's device id; one without a counterpart is missing.
    """
    left = list(replica)
    matched: dict[str, Adapter] = {}
    for same in (_same_device, _same_mac, _same_slot):
        for adapter in machine:
            if adapter.device_id in matched:
                continue
            found = next((other for other in left if same(adapter, other)), None)
            if found is not None:
                matched[adapter.device_id] = found
                left.remove(found)
    return matched


def _same_device(one: Adapter, other: Adapter) -> bool:
    return bool(one.device_id) and one.device_id.lower() == other.device_id.lower()


def _same_mac(one: Adapter, other: Adapter) -> bool:
    mine, theirs = (_digits(each.mac_address) for each in (one, other))
    return bool(mine.strip("0")) and mine == theirs


def _same_slot(one: Adapter, other: Adapter) -> bool:
    return one.slot == other.slot


def _digits(mac_address: str) -> str:
    return mac_address.replace(":", "").replace("-", "").upper()


@dataclass(frozen=True)
class WayBack:
    """What the original's adapter is connected to at failback.

    Attributes:
        network_id: Empty: to nothing.
        unchanged: It stays as it is.
    """

    network_id: str
    reason: str
    unchanged: bool = False


def ways_back(mappings: Iterable[tuple[str, str]], own: Mapping[str, str]) -> dict[str, list[str]]:
    """Which primary networks a recovery network leads back to.

    Args:
        mappings: (source, target) of every mapping from the primary to the recovery server.
        own: By recovery network what it is itself mapped to, in the other direction; this comes
            first, for it says what is wanted.
    """
    found: dict[str, list[str]] = {target: [source] for target, source in own.items()}
    for source, target in mappings:
        if target not in own:
            found.setdefault(target, []).append(source)
    return {target: sorted(sources) for target, sources in found.items()}


def way_back(
    original: str, at_failover: str, now: str, leads_to: Mapping[str, Sequence[str]]
) -> WayBack:
    """What the original's adapter is connected to when the machine comes back.

    Args:
        original: Network the original's adapter is connected to; empty for none.
        at_failover: Network the mapping connected the replica's adapter to; empty for none.
        now: Network of the same adapter of the machine that runs on the recovery side.
        leads_to: See `ways_back`.

    Source: SPEC NW-7. A mapping that was deleted changes nothing (NW-9), and an adapter that no
    mapping ever connected is left alone.
    """
    known = leads_to.get(now, ()) if now else ()
    if now == at_failover:
        if not known or original in known:
            return WayBack(original, "nothing was changed since the failover", unchanged=True)
        return WayBack(known[0], "the mapping was changed since the failover")
    if not now:
        return WayBack("", "it was disconnected after the failover")
    if known:
        chosen = original if original in known else known[0]
        return WayBack(chosen, "it was moved to another network, which is mapped")
    if not at_failover:
        return WayBack(original, "no mapping ever connected it", unchanged=True)
    return WayBack("", "it was moved to a network that is not mapped")
