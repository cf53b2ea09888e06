"""States of protected items and pairings in ASR's words, and the events between them.

The names are those ASR's API shows as protectionState: the recorded ones where a recording has
them, else those of its family of states. An event in a state without an entry is an error of the
program, never ignored.
"""

from __future__ import annotations

from enum import StrEnum


class PairingState(StrEnum):
    """State of a protection container mapping."""

    # Its job runs; hosts may be configured in part.
    PAIRING = "Pairing"
    # Every host of both clouds can receive replication from the other cloud.
    PAIRED = "Paired"
    # Its last job failed; the same request again takes it up.
    PAIRING_FAILED = "PairingFailed"
    # The job that takes back what pairing configured runs; no machine is protected.
    UNPAIRING = "Unpairing"
    # That job failed; hosts may be configured in part. Removing or pairing again takes it up.
    UNPAIRING_FAILED = "UnpairingFailed"


class ActiveLocation(StrEnum):
    """The side a machine runs on; flips at failover."""

    PRIMARY = "Primary"
    RECOVERY = "Recovery"

    @property
    def other(self) -> ActiveLocation:
        if self is ActiveLocation.PRIMARY:
            return ActiveLocation.RECOVERY
        return ActiveLocation.PRIMARY


class FailoverDirection(StrEnum):
    """ASR's failoverDirection."""

    PRIMARY_TO_RECOVERY = "PrimaryToRecovery"
    RECOVERY_TO_PRIMARY = "RecoveryToPrimary"

    @property
    def source(self) -> ActiveLocation:
        """The side that a failover of this direction leaves."""
        if self is FailoverDirection.PRIMARY_TO_RECOVERY:
            return ActiveLocation.PRIMARY
        return ActiveLocation.RECOVERY


class FailoverType(StrEnum):
    """How a machine came to be where it is failed over to."""

    PLANNED = "Planned"
    UNPLANNED = "Unplanned"


class ProtectionState(StrEnum):
    """State of a protected item; beside each what holds in it."""

    # The job EnableDr runs; the relationship may exist on the hosts.
    ENABLING = "UnprotectedStatesBegin"
    # EnableDr ended without a relationship known to be whole; the machine runs as before.
    ENABLING_FAILED = "EnablingFailed"
    # The relationship exists; the first copy waits for its time and its turn.
    READY_TO_COPY = "ReadyForInitialReplication"
    # The relationship exists and the first copy has begun; the replica cannot be started.
    INITIAL_REPLICATION = "InitialReplicationInProgress"
    # The first copy is complete and the primary's side has been seen replicating.
    INITIAL_REPLICATION_COMPLETED = "InitialReplicationCompletedOnPrimary"
    # Changes flow from the active side to the other, which can be failed over to.
    PROTECTED = "Protected"
    # The job PlannedFailover runs; the replica's host has not been told to fail over.
    PLANNED_FAILOVER = "PlannedFailoverInitiated"
    # The job runs and the replica's host may have failed over; the active side is the source.
    PLANNED_FAILOVER_COMPLETING = "PlannedFailoverCompleting"
    # Failover on the replica's host may or may not have happened; the active side is the source.
    PLANNED_FAILOVER_FAILED = "PlannedFailoverFailed"
    # The replica has become the machine; the active side is the target; its points still exist.
    COMMIT_PENDING = "PlannedFailoverCommitPendingStatesBegin"
    # The job UnplannedFailover runs; the replica's host has not been told to fail over.
    UNPLANNED_FAILOVER = "UnplannedFailoverInitiated"
    # The job runs and the replica's host may have failed over; the active side is the source.
    UNPLANNED_FAILOVER_COMPLETING = "UnplannedFailoverCompleting"
    # Failover on the replica's host may or may not have happened; the active side is the source.
    UNPLANNED_FAILOVER_FAILED = "UnplannedFailoverFailed"
    # The replica has become the machine, at a point the source may be ahead of; the active side is
    # the target; the source, when its site is back, is held.
    UNPLANNED_COMMIT_PENDING = "UnplannedFailoverCommitPendingStatesBegin"
    # The job ChangePit runs: the failed-over copy is off while it is taken to another point.
    CHANGING_POINT = "ChangePitInProgress"
    # At which point the failed-over copy is, or whether it is failed over at all, is unknown; the
    # source may not run.
    CHANGING_POINT_FAILED = "ChangePitFailed"
    # The job CancelFailover runs; the failed-over copy is still the machine.
    CANCELLING = "CancelFailoverStatesBegin"
    # The failed-over copy, which is still the active side, may be off and a replica again; the
    # source has not been started.
    CANCELLING_FAILED = "CancelFailoverFailed"
    # The source is the machine again, and the failed-over copy was left as it was; when its site is
    # back it is held.
    FAILOVER_ABANDONED = "FailoverAbandoned"
    # The points are being removed, by CommitFailover or at the start of ReverseReplication.
    COMMITTING = "CommitFailoverStatesBegin"
    # The points are gone; nothing replicates until the direction is reversed.
    COMMITTED = "CommitFailoverCompleted"
    # The job ReverseReplication runs and the failover is committed.
    REVERSING = "ReprotectInitiated"
    # Committed; the direction may or may not have been reversed.
    REVERSING_FAILED = "ReprotectFailed"
    # The job DisableDr runs; either side may still replicate.
    DISABLING = "DisableProtectionInitiated"
    # Either side may still replicate; the machine runs where it did, its replica may be gone.
    DISABLING_FAILED = "DisableProtectionFailed"

    @property
    def description(self) -> str:
        """The state for people, as ASR's protectionStateDescription."""
        return DESCRIPTIONS[self]


class DrillState(StrEnum):
    """State of a machine's test failover, ASR's testFailoverState; beside each what holds in it.

    It stands beside the ProtectionState: a test changes nothing of what the machine is.
    """

    # There is no test virtual machine of ours.
    NONE = "None"
    # The job TestFailover runs; there may be one.
    IN_PROGRESS = "InProgress"
    # There is one; it has been started.
    ACTIVE = "Active"
    # The job ended badly and could not take everything back; there may be one.
    FAILED = "Failed"
    # The job TestFailoverCleanup runs.
    CLEANING_UP = "MarkedForDeletion"
    # That job failed; there may be one.
    CLEAN_UP_FAILED = "CleanupFailed"

    @property
    def description(self) -> str:
        """The state for people, as ASR's testFailoverStateDescription."""
        return _DRILLS[self]


_DRILLS: dict[DrillState, str] = {
    DrillState.NONE: "None",
    DrillState.IN_PROGRESS: "Test failover in progress",
    DrillState.ACTIVE: "Waiting for the test failover to be cleaned up",
    DrillState.FAILED: "Test failover failed; waiting for clean-up",
    DrillState.CLEANING_UP: "Cleaning up test environment",
    DrillState.CLEAN_UP_FAILED: "Cleaning up the test environment failed",
}


class ItemEvent(StrEnum):
    """What happens to a protected item."""

    ENABLING_BEGAN = "enabling_began"
    RELATIONSHIP_MADE = "relationship_made"
    ENABLED = "enabled"
    ENABLING_FAILED = "enabling_failed"
    PRIMARY_FINALIZED = "primary_finalized"
    RECOVERY_FINALIZED = "recovery_finalized"
    PLANNED_FAILOVER_BEGAN = "planned_failover_began"
    # The replica's host is about to be told.
    FAILOVER_BEGAN = "failover_began"
    # Ended before the replica's host was told to fail over.
    PLANNED_FAILOVER_STOPPED = "planned_failover_stopped"
    # Ended after that, with the outcome unknown.
    PLANNED_FAILOVER_FAILED = "planned_failover_failed"
    FAILED_OVER = "failed_over"
    UNPLANNED_FAILOVER_BEGAN = "unplanned_failover_began"
    # Ended before the replica's host was told to fail over.
    UNPLANNED_FAILOVER_STOPPED = "unplanned_failover_stopped"
    # Ended after that, with the outcome unknown.
    UNPLANNED_FAILOVER_FAILED = "unplanned_failover_failed"
    POINT_CHANGE_BEGAN = "point_change_began"
    # The failed-over copy is as it was.
    POINT_CHANGE_STOPPED = "point_change_stopped"
    # Likewise, of a failover that was planned.
    PLANNED_POINT_CHANGE_STOPPED = "planned_point_change_stopped"
    POINT_CHANGED = "point_changed"
    POINT_CHANGE_FAILED = "point_change_failed"
    CANCELLING_BEGAN = "cancelling_began"
    # The source is the machine again, the other copy its replica.
    FAILOVER_CANCELLED = "failover_cancelled"
    # The failed-over copy is as it was, by the kind of its failover.
    CANCELLING_STOPPED = "cancelling_stopped"
    PLANNED_CANCELLING_STOPPED = "planned_cancelling_stopped"
    CANCELLING_FAILED = "cancelling_failed"
    # The source is the machine again, or stays it; the other copy is failed over as it was.
    FAILOVER_ABANDONED = "failover_abandoned"
    # Likewise, of a failover that never got so far as to change sides.
    UNDECIDED_CANCELLING_FAILED = "undecided_cancelling_failed"
    COMMIT_BEGAN = "commit_began"
    COMMITTED = "committed"
    # The commit is still pending, by the kind of the failover.
    COMMIT_FAILED = "commit_failed"
    UNPLANNED_COMMIT_FAILED = "unplanned_commit_failed"
    REVERSING_BEGAN = "reversing_began"
    REVERSED = "reversed"
    # Both copies are being compared: the replica is not whole yet.
    REVERSED_TO_COPY = "reversed_to_copy"
    REVERSING_FAILED = "reversing_failed"
    DISABLING_BEGAN = "disabling_began"
    DISABLING_FAILED = "disabling_failed"


class WrongTransitionError(Exception):
    """An event in a state that has no entry for it: the program is wrong, nothing was changed."""

    def __init__(self, state: StrEnum, event: StrEnum) -> None:
        super().__init__(f"event {event} has no meaning in state {state}")
        self.state = state
        self.event = event


_S = ProtectionState
_E = ItemEvent

TRANSITIONS: dict[tuple[ProtectionState, ItemEvent], ProtectionState] = {
    (_S.ENABLING, _E.ENABLED): _S.INITIAL_REPLICATION,
    (_S.ENABLING, _E.ENABLING_FAILED): _S.ENABLING_FAILED,
    (_S.ENABLING, _E.RELATIONSHIP_MADE): _S.READY_TO_COPY,
    (_S.READY_TO_COPY, _E.ENABLED): _S.INITIAL_REPLICATION,
    (_S.READY_TO_COPY, _E.ENABLING_FAILED): _S.ENABLING_FAILED,
    (_S.READY_TO_COPY, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.ENABLING_FAILED, _E.ENABLING_BEGAN): _S.ENABLING,
    (_S.INITIAL_REPLICATION, _E.PRIMARY_FINALIZED): _S.INITIAL_REPLICATION_COMPLETED,
    (_S.INITIAL_REPLICATION_COMPLETED, _E.RECOVERY_FINALIZED): _S.PROTECTED,
    (_S.PROTECTED, _E.PLANNED_FAILOVER_BEGAN): _S.PLANNED_FAILOVER,
    (_S.PLANNED_FAILOVER_FAILED, _E.PLANNED_FAILOVER_BEGAN): _S.PLANNED_FAILOVER_COMPLETING,
    (_S.PLANNED_FAILOVER, _E.PLANNED_FAILOVER_STOPPED): _S.PROTECTED,
    (_S.PLANNED_FAILOVER, _E.FAILOVER_BEGAN): _S.PLANNED_FAILOVER_COMPLETING,
    # A repeated failover is in this state from its start.
    (_S.PLANNED_FAILOVER_COMPLETING, _E.FAILOVER_BEGAN): _S.PLANNED_FAILOVER_COMPLETING,
    (_S.PLANNED_FAILOVER_COMPLETING, _E.PLANNED_FAILOVER_FAILED): _S.PLANNED_FAILOVER_FAILED,
    (_S.PLANNED_FAILOVER_COMPLETING, _E.FAILED_OVER): _S.COMMIT_PENDING,
    # The source could not be brought back.
    (_S.PLANNED_FAILOVER, _E.PLANNED_FAILOVER_FAILED): _S.PLANNED_FAILOVER_FAILED,
    (_S.PROTECTED, _E.UNPLANNED_FAILOVER_BEGAN): _S.UNPLANNED_FAILOVER,
    **{
        (state, _E.UNPLANNED_FAILOVER_BEGAN): _S.UNPLANNED_FAILOVER_COMPLETING
        for state in (
            _S.PLANNED_FAILOVER_FAILED,
            _S.UNPLANNED_FAILOVER_FAILED,
            # The failed-over copy is discarded first.
            _S.FAILOVER_ABANDONED,
        )
    },
    (_S.UNPLANNED_FAILOVER, _E.UNPLANNED_FAILOVER_STOPPED): _S.PROTECTED,
    (_S.UNPLANNED_FAILOVER, _E.UNPLANNED_FAILOVER_FAILED): _S.UNPLANNED_FAILOVER_FAILED,
    (_S.UNPLANNED_FAILOVER, _E.FAILOVER_BEGAN): _S.UNPLANNED_FAILOVER_COMPLETING,
    (_S.UNPLANNED_FAILOVER_COMPLETING, _E.FAILOVER_BEGAN): _S.UNPLANNED_FAILOVER_COMPLETING,
    (
        _S.UNPLANNED_FAILOVER_COMPLETING,
        _E.UNPLANNED_FAILOVER_FAILED,
    ): _S.UNPLANNED_FAILOVER_FAILED,
    (_S.UNPLANNED_FAILOVER_COMPLETING, _E.FAILED_OVER): _S.UNPLANNED_COMMIT_PENDING,
    **{
        (state, _E.POINT_CHANGE_BEGAN): _S.CHANGING_POINT
        for state in (
            _S.COMMIT_PENDING,
            _S.UNPLANNED_COMMIT_PENDING,
            _S.CHANGING_POINT_FAILED,
            _S.CANCELLING_FAILED,
        )
    },
    (_S.CHANGING_POINT, _E.POINT_CHANGED): _S.UNPLANNED_COMMIT_PENDING,
    (_S.CHANGING_POINT, _E.POINT_CHANGE_STOPPED): _S.UNPLANNED_COMMIT_PENDING,
    (_S.CHANGING_POINT, _E.PLANNED_POINT_CHANGE_STOPPED): _S.COMMIT_PENDING,
    (_S.CHANGING_POINT, _E.POINT_CHANGE_FAILED): _S.CHANGING_POINT_FAILED,
    **{
        (state, _E.CANCELLING_BEGAN): _S.CANCELLING
        for state in (
            _S.COMMIT_PENDING,
            _S.UNPLANNED_COMMIT_PENDING,
            _S.CHANGING_POINT_FAILED,
            _S.CANCELLING_FAILED,
        )
    },
    # The source is still the active side there.
    **{
        (state, _E.CANCELLING_BEGAN): _S.CANCELLING
        for state in (
            _S.PLANNED_FAILOVER_FAILED,
            _S.UNPLANNED_FAILOVER_FAILED,
            _S.FAILOVER_ABANDONED,
        )
    },
    (_S.CANCELLING, _E.FAILOVER_ABANDONED): _S.FAILOVER_ABANDONED,
    (_S.CANCELLING, _E.FAILOVER_CANCELLED): _S.PROTECTED,
    (_S.CANCELLING, _E.CANCELLING_STOPPED): _S.UNPLANNED_COMMIT_PENDING,
    (_S.CANCELLING, _E.PLANNED_CANCELLING_STOPPED): _S.COMMIT_PENDING,
    (_S.CANCELLING, _E.CANCELLING_FAILED): _S.CANCELLING_FAILED,
    (_S.CANCELLING, _E.UNDECIDED_CANCELLING_FAILED): _S.UNPLANNED_FAILOVER_FAILED,
    (_S.COMMIT_PENDING, _E.COMMIT_BEGAN): _S.COMMITTING,
    (_S.UNPLANNED_COMMIT_PENDING, _E.COMMIT_BEGAN): _S.COMMITTING,
    (_S.COMMITTING, _E.UNPLANNED_COMMIT_FAILED): _S.UNPLANNED_COMMIT_PENDING,
    (_S.COMMITTING, _E.COMMITTED): _S.COMMITTED,
    (_S.COMMITTING, _E.COMMIT_FAILED): _S.COMMIT_PENDING,
    (_S.COMMITTED, _E.REVERSING_BEGAN): _S.REVERSING,
    (_S.REVERSING_FAILED, _E.REVERSING_BEGAN): _S.REVERSING,
    (_S.REVERSING, _E.REVERSED): _S.PROTECTED,
    (_S.REVERSING, _E.REVERSED_TO_COPY): _S.INITIAL_REPLICATION,
    (_S.REVERSING, _E.REVERSING_FAILED): _S.REVERSING_FAILED,
    (_S.ENABLING_FAILED, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.INITIAL_REPLICATION, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.INITIAL_REPLICATION_COMPLETED, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.PROTECTED, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.COMMIT_PENDING, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.UNPLANNED_COMMIT_PENDING, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.COMMITTED, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.REVERSING_FAILED, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.DISABLING_FAILED, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.DISABLING, _E.DISABLING_FAILED): _S.DISABLING_FAILED,
}

# The failed-over copy is the machine, and its other points are still there.
COMMIT_PENDING_STATES = frozenset({_S.COMMIT_PENDING, _S.UNPLANNED_COMMIT_PENDING})

DESCRIPTIONS: dict[ProtectionState, str] = {
    _S.ENABLING: "Enabling protection",
    _S.ENABLING_FAILED: "Enabling protection failed",
    _S.READY_TO_COPY: "Waiting for initial replication",
    _S.INITIAL_REPLICATION: "Initial replication in progress",
    _S.INITIAL_REPLICATION_COMPLETED: "Finalizing protection",
    _S.PROTECTED: "Protected",
    _S.PLANNED_FAILOVER: "Planned failover in progress",
    _S.PLANNED_FAILOVER_COMPLETING: "Planned failover in progress",
    _S.PLANNED_FAILOVER_FAILED: "Planned failover failed",
    _S.COMMIT_PENDING: "Failover completed",
    _S.UNPLANNED_FAILOVER: "Failover in progress",
    _S.UNPLANNED_FAILOVER_COMPLETING: "Failover in progress",
    _S.UNPLANNED_FAILOVER_FAILED: "Failover failed",
    _S.UNPLANNED_COMMIT_PENDING: "Failover completed",
    _S.CHANGING_POINT: "Changing the recovery point",
    _S.CHANGING_POINT_FAILED: "Changing the recovery point failed",
    _S.CANCELLING: "Cancelling the failover",
    _S.CANCELLING_FAILED: "Cancelling the failover failed",
    _S.FAILOVER_ABANDONED: "Failover abandoned",
    _S.COMMITTING: "Committing the failover",
    _S.COMMITTED: "Failover committed",
    _S.REVERSING: "Reverse replication in progress",
    _S.REVERSING_FAILED: "Reverse replication failed",
    _S.DISABLING: "Disabling protection",
    _S.DISABLING_FAILED: "Disabling protection failed",
}


def next_state(state: ProtectionState, event: ItemEvent) -> ProtectionState:
    """The state after an event.

    Raises:
        WrongTransitionError: The table has no entry; trying again cannot help.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise WrongTransitionError(state, event) from None
