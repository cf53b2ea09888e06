from __future__ import annotations

import itertools

import pytest

from coordinator.recovery.rules import (
    commit_failure,
    planned_failover_failure,
    receiver_failure,
    reversal_failure,
)

MODES = ["None", "Primary", "Replica", "TestReplica", "ExtendedReplica"]
STATES = [
    "Disabled",
    "ReadyForInitialReplication",
    "InitialReplicationInProgress",
    "WaitingForInitialReplication",
    "Replicating",
    "PreparedForFailover",
    "FailedOverWaitingCompletion",
    "FailedOver",
    "Suspended",
    "Error",
    "WaitingForStartResynchronize",
    "Resynchronizing",
    "RecoveryInProgress",
]
SIDES = list(itertools.product(MODES, STATES))
REPLICATING = ("Replica", "Replicating")
FIT_PAIRS = {
    (("Primary", "Replicating"), REPLICATING),
    (("Primary", "PreparedForFailover"), REPLICATING),
    (("Primary", "PreparedForFailover"), ("Replica", "RecoveryInProgress")),
    (("Primary", "PreparedForFailover"), ("Replica", "FailedOverWaitingCompletion")),
}


@pytest.mark.spec("FO-2")
def test_a_planned_failover_needs_both_sides_in_step_and_takes_up_an_earlier_one() -> None:
    for source, target in itertools.product(SIDES, SIDES):
        failure = planned_failover_failure(source, target)
        if (source, target) in FIT_PAIRS:
            assert failure is None
        else:
            assert failure is not None
            assert failure.code == "ReplicationNotReady"
            assert failure.possible_causes
            assert failure.recommended_action


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.spec("FO-4", "FO-5")
def test_commit_and_reversal_need_a_replica_that_is_failed_over(side: tuple[str, str]) -> None:
    fit = side in {("Replica", "FailedOverWaitingCompletion"), ("Replica", "FailedOver")}
    assert (commit_failure(side) is None) is fit
    assert (reversal_failure(side, committed=False) is None) is fit
    repeated = reversal_failure(side, committed=True)
    assert (repeated is None) is (fit or side[0] == "Primary")


@pytest.mark.spec("FO-5")
def test_the_new_replicas_host_must_listen_on_the_policys_port() -> None:
    assert receiver_failure("hv1.sh", 8084, enabled=True, listening_port=8084) is None
    for enabled, port in ((False, 8084), (True, 443)):
        failure = receiver_failure("hv1.sh", 8084, enabled=enabled, listening_port=port)
        assert failure is not None
        assert failure.code == "HostNotConfiguredForReplication"
        assert "hv1.sh" in failure.message
