"""Commands of the failover family: prepare, fail over, complete."""

from __future__ import annotations

from opensiterecovery.provider.v1.command_pb2 import (
    CompleteFailover,
    PrepareFailover,
    StartFailover,
)
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from agent.failures import failure
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.recovery_points import chosen_point, point_refusal, run_on_point
from agent.verbs.relationship import described, not_ready, read_side, run_on
from agent.verbs.tested_replica import failover_refusal
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

    A point that the request names by a tag is chosen among those the host shows in the moment of
    the failover; from then on they do not change, so that the same one is told after a repetition.

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
        refuse=lambda side: _failover_refusal(side, request),
        under_way=lambda side: side.state == "RecoveryInProgress",
    )

    async def fail_over(side: ReplicationState) -> None:
        point = chosen_point(side, request)
        if point is None:
            await run_on(context, request.vm, "Start-VMFailover")
        else:
            await run_on_point(context, request.vm, point.id, "Start-VMFailover")

    side = await reach(context, goal, fail_over)
    answer = ReplicationState()
    answer.CopyFrom(side)
    if (point := chosen_point(side, request)) is not None:
        answer.failed_over_to.CopyFrom(point)
    return answer


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


def _failover_refusal(side: ReplicationState, request: StartFailover) -> Failure | None:
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
    return failover_refusal(side) or point_refusal(side, request)


def _complete_refusal(side: ReplicationState) -> Failure | None:
    if side.mode == "Replica" and side.state == "FailedOverWaitingCompletion":
        return None
    return not_ready(
        side,
        "Completing a failover",
        "a replica that is FailedOverWaitingCompletion",
        "Run a failover first.",
    )
