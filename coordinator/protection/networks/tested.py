"""An adapter of a replica as the rules of test failover look at it."""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.protection.networks.facts import Network, Pool, Subnet


@dataclass(frozen=True, kw_only=True)
class ReplicaAdapter:
    """An adapter, with what a failover would make of it.

    Attributes:
        device_id: Hyper-V's, equal on both copies.
        network: What the replica's is connected to; None: to nothing.
        pool: That addresses of its subnet come from.
        static: The machine has its address out of a pool of VMM.
        address: What the machine would have after a failover; empty when nobody knows.
    """

    device_id: str
    slot: int = 0
    mac_address: str = ""
    network: Network | None = None
    subnet: Subnet | None = None
    pool: Pool | None = None
    static: bool = False
    address: str = ""
