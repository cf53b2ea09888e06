"""What is not done to a replica while its test virtual machine is there."""

from __future__ import annotations

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from agent.failures import failure
from agent.verbs.relationship import described

_REVOCABLE = frozenset({"FailedOverWaitingCompletion", "RecoveryInProgress"})
"""States of a replica whose failover Stop-VMFailover would take back."""


def stop_refusal(side: ReplicationState) -> Failure | None:
    """Why Stop-VMFailover is not run: there is a test and a failover, and it might mean either.

    Which of the two Hyper-V then stops is not documented, and taking back the failover would turn
    production off and give up what it wrote.
    """
    if not side.test_vm_id or side.state not in _REVOCABLE:
        return None
    return failure(
        "TestFailoverInTheWay",
        f"The virtual machine {side.vm_id} on {side.host} is failed over ({described(side)}) and"
        f" has a test virtual machine, {side.test_vm_name}, too; stopping the one might stop the"
        " other.",
        ["It was failed over on the host itself while its test failover was not cleaned up."],
        f"Turn {side.test_vm_name} off and delete it in Hyper-V Manager, or complete the failover"
        " if it is to stay; then repeat the operation.",
    )


def failover_refusal(side: ReplicationState) -> Failure | None:
    """Why a failover is not begun: the disks of the test machine stand on those of the replica."""
    if not side.test_vm_id:
        return None
    return failure(
        "TestFailoverInTheWay",
        f"The replica {side.vm_id} on {side.host} has a test virtual machine, {side.test_vm_name},"
        " which stands on its disks; it cannot be failed over meanwhile.",
        ["A test failover has not been cleaned up, or somebody began one on the host itself."],
        "Clean up the test failover, then run the failover again.",
    )
