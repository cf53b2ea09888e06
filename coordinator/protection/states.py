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
    COMMIT_BEGAN = "commit_began"
    COMMITTED = "committed"
    COMMIT_FAILED = "commit_failed"
    REVERSING_BEGAN = "reversing_began"
    REVERSED = "reversed"
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
    (_S.COMMIT_PENDING, _E.COMMIT_BEGAN): _S.COMMITTING,
    (_S.COMMITTING, _E.COMMITTED): _S.COMMITTED,
    (_S.COMMITTING, _E.COMMIT_FAILED): _S.COMMIT_PENDING,
    (_S.COMMITTED, _E.REVERSING_BEGAN): _S.REVERSING,
    (_S.REVERSING_FAILED, _E.REVERSING_BEGAN): _S.REVERSING,
    (_S.REVERSING, _E.REVERSED): _S.PROTECTED,
    (_S.REVERSING, _E.REVERSING_FAILED): _S.REVERSING_FAILED,
    (_S.ENABLING_FAILED, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.INITIAL_REPLICATION, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.INITIAL_REPLICATION_COMPLETED, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.PROTECTED, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.COMMIT_PENDING, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.COMMITTED, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.REVERSING_FAILED, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.DISABLING_FAILED, _E.DISABLING_BEGAN): _S.DISABLING,
    (_S.DISABLING, _E.DISABLING_FAILED): _S.DISABLING_FAILED,
}

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
