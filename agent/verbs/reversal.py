"""Commands that turn the direction of a replication round after a failover."""

from __future__ import annotations

from opensiterecovery.provider.v1.command_pb2 import ReverseReplication
from opensiterecovery.provider.v1.failover_pb2 import MakeReplica
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from agent.failures import failure
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.relationship import (
    connection_parameters,
    described,
    not_ready,
    read_side,
    run_on,
    same_server,
)
from agent.verbs.virtual_machine import FAILED_OVER

# It takes changes of the copy that took its place, or waits for them.
_AS_REPLICA = frozenset({"WaitingForInitialReplication", "Replicating"})


async def make_replica(request: MakeReplica, context: VerbContext) -> ReplicationState:
    """Makes the primary that an unplanned failover left behind a replica that waits for changes.

    Idempotent: a machine that waits as a replica, or replicates as one, is left alone.

    Raises:
        CommandError: The machine is no primary, it is not off, or Hyper-V refused.

    Source: Set-VMReplication -AsReplica, run on the old primary's host.
    """
    goal = Goal(
        action="Set-VMReplication -AsReplica",
        expected="Replica, waiting for changes",
        observe=lambda: read_side(context, request.vm),
        reached=lambda side: side.mode == "Replica" and side.state in _AS_REPLICA,
        describe=described,
        refuse=_replica_refusal,
    )
    return await reach(
        context,
        goal,
        lambda _: run_on(context, request.vm, "Set-VMReplication", AsReplica=True),
    )


async def reverse_replication(
    request: ReverseReplication, context: VerbContext
) -> ReplicationState:
    """Makes a failed-over replica the primary of a replication to the given server.

    Idempotent: a machine that is already the primary of a replication to that server is left
    alone.

    Raises:
        CommandError: The machine is not failed over, or the other host refuses to be its replica.

    Source: Set-VMReplication -Reverse, run on the failed-over host only.
    """
    parameters = connection_parameters(
        request.replica_server,
        request.port,
        request.authentication_type,
        request.certificate_thumbprint,
    )
    goal = Goal(
        action="Set-VMReplication -Reverse",
        expected=f"Primary, replicating to {request.replica_server}",
        observe=lambda: read_side(context, request.vm),
        reached=lambda side: (
            side.mode == "Primary" and same_server(side.replica_server, request.replica_server)
        ),
        describe=described,
        refuse=_reverse_refusal,
    )
    return await reach(
        context,
        goal,
        lambda _: run_on(context, request.vm, "Set-VMReplication", Reverse=True, **parameters),
    )


def _replica_refusal(side: ReplicationState) -> Failure | None:
    if side.mode != "Primary":
        return not_ready(
            side,
            "Becoming the replica",
            "the primary that the failover left behind",
            "Look at the machine's replication on this host; remove it and protect the machine"
            " again if nobody knows what it is.",
        )
    if side.vm_state != "Off":
        return failure(
            "VirtualMachineNotOff",
            f"The virtual machine {side.vm_id} on {side.host} is {side.vm_state}; it must be Off"
            " before it becomes the replica of the copy that took its place.",
            ["It was started again after it was turned off."],
            "See that nobody works with it, turn it off, then reverse replicate again.",
        )
    return None


def _reverse_refusal(side: ReplicationState) -> Failure | None:
    if side.mode == "Primary":
        return failure(
            "ReplicationAlreadyEnabled",
            f"The virtual machine {side.vm_id} on {side.host} is already a primary that"
            f" replicates to {side.replica_server}.",
            ["The replication was reversed by hand, or to another host."],
            "Remove the replication on both hosts, then protect the virtual machine again.",
        )
    if side.mode == "Replica" and side.state in FAILED_OVER:
        return None
    return not_ready(
        side,
        "Reversing the replication",
        "a replica that is failed over",
        "Run a failover first.",
    )
