"""What a machine and a host must be like to take part in replication (SPEC PR-3, PR-2)."""

from __future__ import annotations

from coordinator.failures import Failure
from coordinator.protection.discovery.readiness import (
    DiskFacts,
    MachineFacts,
    readiness_errors,
    readiness_warnings,
)
from coordinator.protection.networks.addresses import (
    choose_address,
    plan_address,
    pool_of_subnet,
    subnet_mask,
)
from coordinator.protection.networks.facts import Adapter, AddressUse, Network, Pool, Subnet
from coordinator.protection.networks.failover_planner import (
    FailoverNetworks,
    failover_network_steps,
)
from coordinator.protection.networks.rules import TargetOffer, choose_subnet, match_adapters
from coordinator.protection.networks.tested import ReplicaAdapter
from coordinator.protection.offline.rules import Stage, stage_of, waits_for
from coordinator.protection.operations import Operation, allowed_operations, why_not
from coordinator.protection.pairing.generations import host_generation_errors
from coordinator.protection.policies.rules import WIRE_AUTHENTICATION, Authentication, InstanceType
from coordinator.protection.replication.conditions import stopped_by_state
from coordinator.protection.replication.rpo import rpo_seconds
from coordinator.protection.replication.windows import Window
from coordinator.protection.resource_names import check_resource_name
from coordinator.protection.states import ProtectionState

__all__ = [
    "WIRE_AUTHENTICATION",
    "Adapter",
    "AddressUse",
    "Authentication",
    "DiskFacts",
    "FailoverNetworks",
    "InstanceType",
    "MachineFacts",
    "Network",
    "Operation",
    "Pool",
    "ReplicaAdapter",
    "Stage",
    "Subnet",
    "TargetOffer",
    "Window",
    "allowed_operations",
    "check_resource_name",
    "choose_address",
    "choose_subnet",
    "failover_network_steps",
    "host_generation_errors",
    "is_known_replica",
    "match_adapters",
    "pairing_in_use_failure",
    "plan_address",
    "pool_of_subnet",
    "readiness_errors",
    "readiness_warnings",
    "replica_deletion_failure",
    "rpo_seconds",
    "stage_of",
    "stopped_by_state",
    "subnet_mask",
    "waits_for",
    "why_not",
]

# So many machines are named in one message.
MOST_NAMED = 10
# States in which the copy that the machine does not run on is its replica, whichever side that is.
WITH_REPLICA = frozenset(
    {
        ProtectionState.READY_TO_COPY,
        ProtectionState.INITIAL_REPLICATION,
        ProtectionState.INITIAL_REPLICATION_COMPLETED,
        ProtectionState.PROTECTED,
    }
)


def pairing_in_use_failure(name: str, machines: tuple[str, ...]) -> Failure | None:
    """Why a pairing cannot be removed; None when nothing is protected by it. Source: SPEC PA-4."""
    if not machines:
        return None
    shown = ", ".join(machines[:MOST_NAMED])
    more = len(machines) - MOST_NAMED
    return Failure(
        "PairingHasProtectedItems",
        f"The pairing {name} cannot be removed: it protects {shown}"
        + (f" and {more} more." if more > 0 else "."),
        ("Machines of its clouds replicate by it.",),
        "Disable the protection of these machines first.",
    )


def is_known_replica(state: ProtectionState, observed_mode: str, *, ours: bool = True) -> bool:
    """Whether the copy on the side that the machine does not run on is its replica for certain.

    After a failover that was not reversed it is the machine itself as it was before, and after a
    failed attempt to enable it may be a machine that was there before and has nothing to do with
    this: nobody but its owner may delete those.

    Args:
        state: The item's.
        observed_mode: VMReplicationMode that the side's host last showed; empty for none.
        ours: Nothing that was there before was made the replica, or taken over.
    """
    if state in WITH_REPLICA:
        return True
    return state is ProtectionState.ENABLING_FAILED and observed_mode == "Replica" and ours


def replica_deletion_failure(name: str, machine_state: str, replica_state: str) -> Failure | None:
    """Why a replica must not be deleted now; None when it may.

    Args:
        name: Of the machine.
        machine_state: VMState of the copy the machine runs on; empty when its host has none.
        replica_state: VMState of the replica; empty when it is gone already.
    """
    if not machine_state:
        return Failure(
            "MachineMissing",
            f"The replica of {name} is not deleted: the machine itself was not found.",
            (
                "The machine was deleted, and its replica is all that is left of it.",
                "The machine was moved to another host a moment ago.",
            ),
            "If the machine was moved, refresh its server and disable protection again; else "
            "remove the item from the vault only and decide about the replica by hand.",
        )
    if replica_state not in {"Off", ""}:
        return Failure(
            "ReplicaInUse",
            f"The replica of {name} is not deleted: it is {replica_state}.",
            ("Somebody started it after its replication was removed.",),
            "Turn it off if it is not needed, then disable protection again.",
        )
    return None
