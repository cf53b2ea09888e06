"""Commands of the failover family: prepare, fail over, complete."""

from __future__ import annotations

from uuid import UUID

from opensiterecovery.provider.v1.command_pb2 import (
    CompleteFailover,
    PrepareFailover,
    StartFailover,
    VirtualMachineRef,
)
from opensiterecovery.provider.v1.failover_pb2 import (
    RECOVERY_TAG_LATEST_APPLICATION_CONSISTENT,
    RECOVERY_TAG_LATEST_CRASH_CONSISTENT,
)
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import RecoveryPoint, ReplicationState

from agent.failures import failure
from agent.powershell.cmdlet import cmdlet
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.relationship import described, not_ready, read_side, run_on
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
        point = _chosen_point(side, request)
        if point is None:
            await run_on(context, request.vm, "Start-VMFailover")
        else:
            await _fail_over_to(context, request.vm, point.id)

    side = await reach(context, goal, fail_over)
    answer = ReplicationState()
    answer.CopyFrom(side)
    if (point := _chosen_point(side, request)) is not None:
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


def _chosen_point(side: ReplicationState, request: StartFailover) -> RecoveryPoint | None:
    """The point that the request means; None: what the replica holds, or the point is not there."""
    if request.recovery_point_id:
        wanted = request.recovery_point_id.casefold()
        return next((p for p in side.recovery_points if p.id.casefold() == wanted), None)
    if request.recovery_tag == RECOVERY_TAG_LATEST_APPLICATION_CONSISTENT:
        return _newest(side, consistent=True)
    if request.recovery_tag == RECOVERY_TAG_LATEST_CRASH_CONSISTENT:
        return _newest(side, consistent=False)
    return None


def _newest(side: ReplicationState, *, consistent: bool) -> RecoveryPoint | None:
    points = [
        point
        for point in side.recovery_points
        if (point.type == "AppConsistentReplica") is consistent
    ]
    return max(points, key=lambda point: point.created_at.ToNanoseconds(), default=None)


def _existing(side: ReplicationState) -> str:
    if not side.recovery_points:
        return "It has none but the latest."
    shown = ", ".join(
        f"{point.created_at.ToDatetime():%Y-%m-%d %H:%M:%S} UTC ({point.type})"
        for point in side.recovery_points
    )
    return f"It has the latest and {shown}."


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
    by_point = bool(request.recovery_point_id)
    consistent = request.recovery_tag == RECOVERY_TAG_LATEST_APPLICATION_CONSISTENT
    if (by_point or consistent) and _chosen_point(side, request) is None:
        what = f"recovery point {request.recovery_point_id}"
        if not by_point:
            what = "application-consistent recovery point"
        return failure(
            "RecoveryPointNotFound",
            f"The replica {side.vm_id} on {side.host} has no {what}. {_existing(side)}",
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
