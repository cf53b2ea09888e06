"""Which recovery point a failover goes to, and cmdlets that are run on a point."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from opensiterecovery.provider.v1.failover_pb2 import (
    RECOVERY_TAG_LATEST_APPLICATION_CONSISTENT,
    RECOVERY_TAG_LATEST_CRASH_CONSISTENT,
    RecoveryTag,
)
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import RecoveryPoint, ReplicationState
from opensiterecovery.provider.v1.virtual_machine_pb2 import VirtualMachineRef

from agent.failures import failure
from agent.powershell.cmdlet import Value, cmdlet
from agent.verbs.context import VerbContext


class PointRequest(Protocol):
    """A request that names a point by its id, or by a tag."""

    @property
    def recovery_point_id(self) -> str: ...
    @property
    def recovery_tag(self) -> RecoveryTag.ValueType: ...


def chosen_point(side: ReplicationState, request: PointRequest) -> RecoveryPoint | None:
    """The point that the request means; None: what the replica holds, or the point is not there."""
    if request.recovery_point_id:
        wanted = request.recovery_point_id.casefold()
        return next((p for p in side.recovery_points if p.id.casefold() == wanted), None)
    if request.recovery_tag == RECOVERY_TAG_LATEST_APPLICATION_CONSISTENT:
        return _newest(side, consistent=True)
    if request.recovery_tag == RECOVERY_TAG_LATEST_CRASH_CONSISTENT:
        return _newest(side, consistent=False)
    return None


def point_refusal(side: ReplicationState, request: PointRequest) -> Failure | None:
    """Why there is no point as the request means it; None when there is."""
    by_point = bool(request.recovery_point_id)
    consistent = request.recovery_tag == RECOVERY_TAG_LATEST_APPLICATION_CONSISTENT
    if not (by_point or consistent) or chosen_point(side, request) is not None:
        return None
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


async def run_on_point(
    context: VerbContext, vm: VirtualMachineRef, point_id: str, name: str, **parameters: Value
) -> None:
    """Runs a changing cmdlet on a recovery point of a replica."""
    # One pipeline: a snapshot object that left its session does not bind in another.
    await context.powershell.run(
        cmdlet("Get-VMSnapshot", ComputerName=vm.host, Id=UUID(point_id)),
        cmdlet(name, Confirm=False, **parameters),
        time_limit_seconds=context.action_seconds(),
    )


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
