"""What the vault believes of mappings and what they did against what the server says: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from coordinator.protection.discovery.consistency import Inconsistency

# By pool, the adapter that VMM has given each address to; empty when VMM names none.
Given = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class BelievedMapping:
    """The side of a network or storage mapping that is on the server.

    Attributes:
        kind: "VM network" or "storage classification".
        end: What is mapped, or what it is mapped to, by the name it had.
        present: VMM still has it.
    """

    kind: str
    name: str
    end: str
    present: bool


@dataclass(frozen=True, kw_only=True)
class SeenAdapter:
    """An adapter of the replica as VMM shows it; the ids are VMM's, empty for none."""

    network_id: str
    network: str
    subnet_id: str = ""
    subnet: str = ""


@dataclass(frozen=True, kw_only=True)
class BelievedAdapter:
    """An adapter of a replica that was connected, and what became of it.

    Attributes:
        device: How people tell it from others: its MAC address, or its slot.
        seen: None when the replica has no such adapter.
    """

    item: str
    cloud_name: str
    device: str
    network_id: str
    network: str
    subnet_id: str
    subnet: str
    seen: SeenAdapter | None


@dataclass(frozen=True, kw_only=True)
class BelievedAddress:
    """An address that VMM keeps for a replica's adapter.

    Attributes:
        pool_present: VMM still has the pool.
    """

    item: str
    cloud_name: str
    adapter_id: str
    pool_id: str
    pool: str
    pool_present: bool
    address: str


@dataclass(frozen=True, kw_only=True)
class MappingComparison:
    """Both sides of the check.

    Attributes:
        given: What VMM has given out, of the pools that were read: nothing is said of others.
    """

    mappings: Sequence[BelievedMapping] = ()
    adapters: Sequence[BelievedAdapter] = ()
    addresses: Sequence[BelievedAddress] = ()
    given: Given = field(default_factory=dict)


def compare_mappings(comparison: MappingComparison) -> tuple[Inconsistency, ...]:
    """Every difference: replicas' adapters, their addresses, then mappings.

    Source: SPEC DI-4.
    """
    found: list[Inconsistency] = []
    for adapter in comparison.adapters:
        found += _of_adapter(adapter)
    for address in comparison.addresses:
        found += _of_address(address, comparison.given)
    for mapping in comparison.mappings:
        if not mapping.present:
            found.append(
                Inconsistency(
                    "",
                    "",
                    CODES[mapping.kind],
                    f"the mapping {mapping.name} uses the {mapping.kind} {mapping.end}",
                    f"VMM has no such {mapping.kind}",
                )
            )
    return tuple(found)


CODES = {
    "VM network": "MappedNetworkMissing",
    "storage classification": "MappedClassificationMissing",
}


def _of_adapter(adapter: BelievedAdapter) -> Iterator[Inconsistency]:
    def differs(code: str, in_vault: str, on_premises: str) -> Inconsistency:
        return Inconsistency(adapter.item, adapter.cloud_name, code, in_vault, on_premises)

    seen, device = adapter.seen, f"the replica's adapter {adapter.device}"
    if seen is None:
        yield differs(
            "NetworkAdapterMissing",
            f"{device} is connected to {adapter.network}",
            "the replica has no such adapter",
        )
    elif seen.network_id != adapter.network_id:
        yield differs(
            "NetworkDiffers",
            f"{device} is connected to {adapter.network}",
            f"it is connected to {seen.network or seen.network_id or 'nothing'}",
        )
    elif seen.subnet_id and adapter.subnet_id and seen.subnet_id != adapter.subnet_id:
        yield differs(
            "SubnetDiffers",
            f"{device} is in the subnet {adapter.subnet}",
            f"it is in the subnet {seen.subnet or seen.subnet_id}",
        )


def _of_address(address: BelievedAddress, given: Given) -> Iterator[Inconsistency]:
    kept = f"{address.address} of the pool {address.pool} is reserved for the replica"

    def differs(code: str, on_premises: str) -> Inconsistency:
        return Inconsistency(address.item, address.cloud_name, code, kept, on_premises)

    if not address.pool_present:
        yield differs("AddressNotReserved", "VMM has no such pool")
        return
    if address.pool_id not in given:
        return
    holder = given[address.pool_id].get(address.address)
    if holder is None:
        yield differs("AddressNotReserved", "VMM has not given it out")
    elif holder and address.adapter_id and holder != address.adapter_id.lower():
        yield differs("AddressHeldByOther", "VMM has given it to another adapter")
