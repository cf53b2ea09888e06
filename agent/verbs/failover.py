"""Commands of the failover family: prepare, fail over, complete, reverse."""

from __future__ import annotations

from uuid import UUID

from opensiterecovery.provider.v1.command_pb2 import (
    CompleteFailover,
    PrepareFailover,
    ReverseReplication,
    StartFailover,
    VirtualMachineRef,
)
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from agent.failures import failure
from agent.powershell.cmdlet import cmdlet
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

NEVER_COPIED = frozenset(
    {
        "Disabled",
        "ReadyForInitialReplication",
        "InitialReplicationInProgress",
        "WaitingForInitialReplication",
    }
)
"""States without a complete copy: there is nothing to fail over to."""


async def prepare_failover(request: PrepareFailover, context: VerbContext) -> ReplicationState:
    """Sends what is left of a primary that is off, and locks it against starting.

    Idempotent: a prepared primary is left alone.

    Raises:
        CommandError: The machine is not an Off primary that replicates, or the rest could not be
            sent.

    Source: Start-VMFailover -Prepare.
    """
    goal = Goal(
        action="Start-VMFailover -Prepare",
        expected="Primary/PreparedForFailover",
        observe=lambda: read_side(context, request.vm),
        reached=lambda side: side.mode == "Primary" and side.state == "PreparedForFailover",
        describe=described,
        refuse=_prepare_refusal,
    )
    return await reach(
        context, goal, lambda _: run_on(context, request.vm, "Start-VMFailover", Prepare=True)
    )


async def start_failover(request: StartFailover, context: VerbContext) -> ReplicationState:
    """Fails a replica over to a recovery point; does not start it.

    Idempotent: a replica that is failed over and waits for completion is left alone, one whose
    failover is in progress is waited for.

    Raises:
        CommandError: The machine is not a replica with a complete copy, it runs, its failover was
            completed already, or the recovery point does not exist.

    Source: Start-VMFailover.
    """
    goal = Goal(
        action="Start-VMFailover",
        expected="Replica/FailedOverWaitingCompletion",
        observe=lambda: read_side(context, request.vm),
        reached=lambda side: side.mode == "Replica" and side.state == "FailedOverWaitingCompletion",
        describe=described,
        refuse=lambda side: _failover_refusal(side, request.recovery_point_id),
        under_way=lambda side: side.state == "RecoveryInProgress",
    )
    if request.recovery_point_id:
        return await reach(
            context,
            goal,
            lambda _: _fail_over_to(context, request.vm, request.recovery_point_id),
        )
    return await reach(context, goal, lambda _: run_on(context, request.vm, "Start-VMFailover"))


async def complete_failover(request: CompleteFailover, context: VerbContext) -> ReplicationState:
    """Commits a failover: the other recovery points go, there is no way back.

    Idempotent: a completed failover is left alone.

    Raises:
        CommandError: No failover waits for completion.

    Source: Complete-VMFailover.
    """
    goal = Goal(
        action="Complete-VMFailover",
        expected="Replica/FailedOver",
        observe=lambda: read_side(context, request.vm),
        reached=lambda side: side.mode == "Replica" and side.state == "FailedOver",
        describe=described,
        refuse=_complete_refusal,
    )
    return await reach(context, goal, lambda _: run_on(context, request.vm, "Complete-VMFailover"))


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


async def _fail_over_to(
    context: VerbContext, vm: VirtualMachineRef, recovery_point_id: str
) -> None:
    # One pipeline: a snapshot object that left its session does not bind in another.
    await context.powershell.run(
        cmdlet("Get-VMSnapshot", ComputerName=vm.host, Id=UUID(recovery_point_id)),
        cmdlet("Start-VMFailover", Confirm=False),
        time_limit_seconds=context.action_seconds(),
    )


def _prepare_refusal(side: ReplicationState) -> Failure | None:
    if side.mode != "Primary" or side.state != "Replicating":
        return not_ready(
            side,
            "Preparing a planned failover",
            "a primary that is Replicating",
            "Bring the replication back to normal, then run the planned failover again.",
        )
    if side.vm_state != "Off":
        return failure(
            "VirtualMachineNotOff",
            f"The virtual machine {side.vm_id} on {side.host} is {side.vm_state}; it must be Off"
            " before what is left can be sent.",
            ["It was started again after it was shut down."],
            "Shut the virtual machine down, then run the planned failover again.",
        )
    return None


def _failover_refusal(side: ReplicationState, recovery_point_id: str) -> Failure | None:
    if side.mode != "Replica" or side.state in NEVER_COPIED | FAILED_OVER:
        return not_ready(
            side,
            "A failover",
            "a replica whose first copy is complete and which is not failed over",
            "Wait for the first copy; if a failover was completed, reverse the replication first.",
        )
    if side.vm_state != "Off":
        return failure(
            "VirtualMachineNotOff",
            f"The replica {side.vm_id} on {side.host} is {side.vm_state}; it must be Off.",
            ["A failover was cancelled while the replica ran."],
            "Turn the replica off, then run the failover again.",
        )
    known = {point.id for point in side.recovery_points}
    if recovery_point_id and recovery_point_id not in known:
        return failure(
            "RecoveryPointNotFound",
            f"The replica {side.vm_id} on {side.host} has no recovery point {recovery_point_id}.",
            [
                "The recovery point was older than the policy keeps and has been merged.",
                "A resynchronisation deleted the recovery points.",
            ],
            "Choose another recovery point, or the latest.",
        )
    return None


def _complete_refusal(side: ReplicationState) -> Failure | None:
    if side.mode == "Replica" and side.state == "FailedOverWaitingCompletion":
        return None
    return not_ready(
        side,
        "Completing a failover",
        "a replica that is FailedOverWaitingCompletion",
        "Run a failover first.",
    )


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
