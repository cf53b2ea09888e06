"""The command that takes a failover back, on whichever side it is run."""

from __future__ import annotations

from opensiterecovery.provider.v1.failover_pb2 import CancelFailover
from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.relationship import described, not_ready, read_side, run_on
from agent.verbs.tested_replica import stop_refusal

_TO_TAKE_BACK = frozenset({"PreparedForFailover", "FailedOverWaitingCompletion"})
_COMMITTED = "FailedOver"


async def cancel_failover(request: CancelFailover, context: VerbContext) -> ReplicationState:
    """Takes a failover back: a prepared primary replicates on, a failed-over replica is one again.

    A failed-over replica that runs is turned off, and what was written in it since is lost.

    Idempotent: a side that is neither prepared nor failed over is left alone.

    Raises:
        CommandError: The failover was completed, a test virtual machine is there too, or Hyper-V
            refused.

    Source: Stop-VMFailover.
    """
    goal = Goal(
        action="Stop-VMFailover",
        expected="neither prepared for failover nor failed over",
        observe=lambda: read_side(context, request.vm),
        reached=lambda side: (
            not _under_way(side) and side.state not in {*_TO_TAKE_BACK, _COMMITTED}
        ),
        describe=described,
        refuse=_refusal,
        under_way=_under_way,
    )
    return await reach(context, goal, lambda _: run_on(context, request.vm, "Stop-VMFailover"))


def _under_way(side: ReplicationState) -> bool:
    return side.state == "RecoveryInProgress"


def _refusal(side: ReplicationState) -> Failure | None:
    if side.state != _COMMITTED:
        return stop_refusal(side)
    return not_ready(
        side,
        "Cancelling a failover",
        "a failover that was not committed",
        "To go back, reverse replicate, then fail over again.",
    )
