from __future__ import annotations

import itertools

import pytest

from coordinator.recovery.rules import (
    cancellation_failure,
    commit_failure,
    planned_failover_failure,
    receiver_failure,
    reversal_failure,
    running_source_failure,
    unplanned_failover_failure,
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


@pytest.mark.parametrize(
    ("source", "target", "way_on"),
    [
        (("Primary", "WaitingForStartResynchronize"), REPLICATING, "osr protect resync"),
        (("Primary", "ResynchronizeSuspended"), REPLICATING, "osr protect resume"),
        (("Primary", "Error"), REPLICATING, "osr protect repair"),
        (("Primary", "Suspended"), REPLICATING, "osr protect resume"),
        (("Primary", "Replicating"), ("Replica", "Suspended"), "osr protect resume"),
        (("Primary", "Resynchronizing"), REPLICATING, "Wait until it ends"),
    ],
    ids=["out-of-step", "comparison-paused", "error", "paused", "replica-paused", "comparing"],
)
@pytest.mark.spec("FO-2")
def test_a_machine_that_does_not_replicate_is_told_what_makes_a_planned_failover_possible(
    source: tuple[str, str], target: tuple[str, str], way_on: str
) -> None:
    failure = planned_failover_failure(source, target)
    assert failure is not None
    assert way_on in failure.recommended_action
    assert "unplanned failover" in failure.recommended_action


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


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.spec("FO-3")
def test_an_unplanned_failover_needs_a_replica_with_a_complete_copy(
    side: tuple[str, str], repeated: bool
) -> None:
    copied = side[0] == "Replica" and side[1] not in {
        "Disabled",
        "ReadyForInitialReplication",
        "InitialReplicationInProgress",
        "WaitingForInitialReplication",
        "FailedOver",
    }
    begun = side == ("Replica", "FailedOverWaitingCompletion")
    failure = unplanned_failover_failure(side, "Off", repeated=repeated)
    assert (failure is None) is (copied and (repeated or not begun))
    if failure is not None:
        assert failure.code == "ReplicationNotReady"
    if begun:
        in_use = unplanned_failover_failure(side, "Running", repeated=True)
        assert in_use is not None
        assert in_use.code == "ReplicaInUse"


@pytest.mark.spec("FO-3", "FO-7")
@pytest.mark.parametrize(
    ("state", "stands_against_it"),
    [
        ("Running", True),
        ("Starting", True),
        ("Resuming", True),
        ("Off", False),
        ("Saved", False),
        # Nobody could look.
        ("", False),
    ],
)
def test_a_source_that_is_seen_running_stops_a_failover(
    state: str, stands_against_it: bool
) -> None:
    failure = running_source_failure(state)
    assert (failure is not None) is stands_against_it
    if failure is not None:
        assert failure.code == "SourceStillRunning"
        assert failure.recommended_action


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.spec("FO-4")
def test_only_a_replica_that_is_not_committed_is_cancelled(side: tuple[str, str]) -> None:
    fit = side[0] == "Replica" and side[1] != "FailedOver"
    assert (cancellation_failure(side) is None) is fit
