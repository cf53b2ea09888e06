"""The state machine of replication: (mode, state, event) to (mode, state), and nothing else."""

from __future__ import annotations

from enum import StrEnum

from deploy.lab.site.errors import HyperVError, invalid_state
from deploy.lab.site.replication_model import Replication, ReplicationMode, ReplicationState

S = ReplicationState
NONE, PRIMARY, REPLICA = ReplicationMode.NONE, ReplicationMode.PRIMARY, ReplicationMode.REPLICA


class Event(StrEnum):
    ENABLED = "enabled"
    REPLICA_CREATED = "replica created"
    INITIAL_STARTED = "initial replication started"
    INITIAL_STOPPED = "initial replication stopped"
    INITIAL_FINISHED = "initial replication finished"
    INITIAL_RESTARTED = "initial replication restarted"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    RESUMED_INITIAL = "initial replication resumed"
    RESYNC_REQUIRED = "resynchronization required"
    RESYNC_STARTED = "resynchronization started"
    RESYNC_STOPPED = "resynchronization stopped"
    RESYNC_INTERRUPTED = "resynchronization interrupted"
    RESYNC_FINISHED = "resynchronization finished"
    DISKS_CHANGED = "replicated disks changed"
    DISKS_FINISHED = "replicated disks brought over"
    FAILED = "failed for good"
    PREPARED = "planned failover prepared"
    PREPARATION_CANCELLED = "planned failover cancelled"
    FAILOVER_STARTED = "failover started"
    FAILED_OVER = "failed over"
    DISCARD_STARTED = "failover is being discarded"
    FAILOVER_CANCELLED = "failover cancelled"
    COMPLETED = "failover completed"
    REVERSED_TO_REPLICA = "became replica by reverse"
    REVERSED_TO_PRIMARY = "became primary by reverse"
    REVERSED_WITHOUT_LOG = "became primary by reverse, changes unknown"
    REVERSED_TO_COMPARE = "became primary by reverse after unplanned failover"
    MADE_REPLICA = "made replica"


# Each state's invariant:
#   ReadyForInitialReplication    nothing of this VM has been copied; nothing is tracked
#   InitialReplicationInProgress  a checkpoint is being copied; writes since then are tracked
#   WaitingForInitialReplication  the disks here mean nothing yet; the VM must not start
#   Replicating                   disks of the replica = disks of the primary at some moment
#   PreparedForFailover           VM off, and the replica has every byte
#   FailedOverWaitingCompletion   copies of the newest disks are kept, so that it can be undone
#   FailedOver                    the chosen point is the only one; mode stays Replica
#   Suspended                     nothing is sent (primary) or taken (replica); tracking goes on
#   Error                         somebody must mend something, then resume; tracking goes on
#   WaitingForStartResynchronize  nothing is tracked; the replica keeps its last points
#   WaitingForUpdateCompletion    as Resynchronizing, for the set of replicated disks has changed
#   UpdateError                   as Error, with the set of disks not yet level
#   Resynchronizing               as initial replication, but only differing blocks travel
#   RecoveryInProgress            disks are on their way to the chosen point, or back to the newest;
#                                 cut short, they become the newest
_P: dict[tuple[ReplicationState, Event], ReplicationState] = {
    (S.READY_FOR_INITIAL_REPLICATION, Event.INITIAL_STARTED): S.INITIAL_REPLICATION_IN_PROGRESS,
    (S.INITIAL_REPLICATION_IN_PROGRESS, Event.INITIAL_STOPPED): S.READY_FOR_INITIAL_REPLICATION,
    (S.ERROR, Event.INITIAL_STOPPED): S.READY_FOR_INITIAL_REPLICATION,
    (S.INITIAL_REPLICATION_IN_PROGRESS, Event.INITIAL_FINISHED): S.REPLICATING,
    (S.INITIAL_REPLICATION_IN_PROGRESS, Event.SUSPENDED): S.SUSPENDED,
    (S.INITIAL_REPLICATION_IN_PROGRESS, Event.FAILED): S.ERROR,
    (S.REPLICATING, Event.SUSPENDED): S.SUSPENDED,
    (S.REPLICATING, Event.FAILED): S.ERROR,
    (S.REPLICATING, Event.RESYNC_REQUIRED): S.WAITING_FOR_START_RESYNCHRONIZE,
    (S.REPLICATING, Event.PREPARED): S.PREPARED_FOR_FAILOVER,
    (S.SUSPENDED, Event.RESUMED): S.REPLICATING,
    (S.SUSPENDED, Event.RESUMED_INITIAL): S.INITIAL_REPLICATION_IN_PROGRESS,
    (S.SUSPENDED, Event.RESYNC_REQUIRED): S.WAITING_FOR_START_RESYNCHRONIZE,
    (S.SUSPENDED, Event.RESYNC_STARTED): S.RESYNCHRONIZING,
    (S.ERROR, Event.RESUMED): S.REPLICATING,
    (S.ERROR, Event.RESUMED_INITIAL): S.INITIAL_REPLICATION_IN_PROGRESS,
    (S.ERROR, Event.RESYNC_REQUIRED): S.WAITING_FOR_START_RESYNCHRONIZE,
    (S.ERROR, Event.RESYNC_STARTED): S.RESYNCHRONIZING,
    (S.WAITING_FOR_START_RESYNCHRONIZE, Event.RESYNC_STARTED): S.RESYNCHRONIZING,
    (S.RESYNCHRONIZING, Event.RESYNC_FINISHED): S.REPLICATING,
    (S.RESYNCHRONIZING, Event.RESYNC_STOPPED): S.WAITING_FOR_START_RESYNCHRONIZE,
    (S.RESYNCHRONIZING, Event.RESYNC_INTERRUPTED): S.RESYNCHRONIZE_SUSPENDED,
    (S.RESYNCHRONIZING, Event.RESYNC_REQUIRED): S.WAITING_FOR_START_RESYNCHRONIZE,
    (S.RESYNCHRONIZING, Event.SUSPENDED): S.RESYNCHRONIZE_SUSPENDED,
    (S.RESYNCHRONIZE_SUSPENDED, Event.RESYNC_STARTED): S.RESYNCHRONIZING,
    (S.RESYNCHRONIZE_SUSPENDED, Event.RESYNC_STOPPED): S.WAITING_FOR_START_RESYNCHRONIZE,
    (S.RESYNCHRONIZE_SUSPENDED, Event.RESYNC_REQUIRED): S.WAITING_FOR_START_RESYNCHRONIZE,
    (S.PREPARED_FOR_FAILOVER, Event.PREPARATION_CANCELLED): S.REPLICATING,
    (S.REPLICATING, Event.DISKS_CHANGED): S.WAITING_FOR_UPDATE_COMPLETION,
    (S.WAITING_FOR_UPDATE_COMPLETION, Event.DISKS_FINISHED): S.REPLICATING,
    (S.WAITING_FOR_UPDATE_COMPLETION, Event.FAILED): S.UPDATE_ERROR,
    (S.WAITING_FOR_UPDATE_COMPLETION, Event.RESYNC_REQUIRED): S.WAITING_FOR_START_RESYNCHRONIZE,
    (S.UPDATE_ERROR, Event.RESUMED): S.WAITING_FOR_UPDATE_COMPLETION,
    (S.UPDATE_ERROR, Event.RESYNC_REQUIRED): S.WAITING_FOR_START_RESYNCHRONIZE,
}

_R: dict[tuple[ReplicationState, Event], ReplicationState] = {
    (S.WAITING_FOR_INITIAL_REPLICATION, Event.INITIAL_FINISHED): S.REPLICATING,
    (S.WAITING_FOR_INITIAL_REPLICATION, Event.SUSPENDED): S.SUSPENDED,
    (S.SUSPENDED, Event.RESUMED): S.REPLICATING,
    (S.SUSPENDED, Event.RESUMED_INITIAL): S.WAITING_FOR_INITIAL_REPLICATION,
    (S.ERROR, Event.RESUMED): S.REPLICATING,
    (S.ERROR, Event.RESUMED_INITIAL): S.WAITING_FOR_INITIAL_REPLICATION,
    (S.REPLICATING, Event.INITIAL_RESTARTED): S.WAITING_FOR_INITIAL_REPLICATION,
    (S.REPLICATING, Event.SUSPENDED): S.SUSPENDED,
    (S.REPLICATING, Event.FAILED): S.ERROR,
    (S.REPLICATING, Event.RESYNC_STARTED): S.RESYNCHRONIZING,
    (S.ERROR, Event.RESYNC_STARTED): S.RESYNCHRONIZING,
    (S.RESYNCHRONIZING, Event.RESYNC_STARTED): S.RESYNCHRONIZING,
    (S.RESYNCHRONIZING, Event.RESYNC_STOPPED): S.REPLICATING,
    (S.RESYNCHRONIZING, Event.RESYNC_FINISHED): S.REPLICATING,
    (S.REPLICATING, Event.FAILOVER_STARTED): S.RECOVERY_IN_PROGRESS,
    (S.SUSPENDED, Event.FAILOVER_STARTED): S.RECOVERY_IN_PROGRESS,
    (S.ERROR, Event.FAILOVER_STARTED): S.RECOVERY_IN_PROGRESS,
    (S.RESYNCHRONIZING, Event.FAILOVER_STARTED): S.RECOVERY_IN_PROGRESS,
    (S.RECOVERY_IN_PROGRESS, Event.FAILED_OVER): S.FAILED_OVER_WAITING_COMPLETION,
    (S.RECOVERY_IN_PROGRESS, Event.FAILOVER_CANCELLED): S.REPLICATING,
    (S.FAILED_OVER_WAITING_COMPLETION, Event.DISCARD_STARTED): S.RECOVERY_IN_PROGRESS,
    (S.FAILED_OVER_WAITING_COMPLETION, Event.COMPLETED): S.FAILED_OVER,
}

TRANSITIONS: dict[
    tuple[ReplicationMode, ReplicationState, Event], tuple[ReplicationMode, ReplicationState]
] = {
    (NONE, S.DISABLED, Event.ENABLED): (PRIMARY, S.READY_FOR_INITIAL_REPLICATION),
    (NONE, S.DISABLED, Event.REPLICA_CREATED): (REPLICA, S.WAITING_FOR_INITIAL_REPLICATION),
    **{(PRIMARY, state, event): (PRIMARY, after) for (state, event), after in _P.items()},
    **{(REPLICA, state, event): (REPLICA, after) for (state, event), after in _R.items()},
    (PRIMARY, S.PREPARED_FOR_FAILOVER, Event.REVERSED_TO_REPLICA): (REPLICA, S.REPLICATING),
    **{
        (REPLICA, state, event): (PRIMARY, after)
        for state in (S.FAILED_OVER_WAITING_COMPLETION, S.FAILED_OVER)
        for event, after in (
            (Event.REVERSED_TO_PRIMARY, S.REPLICATING),
            (Event.REVERSED_WITHOUT_LOG, S.WAITING_FOR_START_RESYNCHRONIZE),
            (Event.REVERSED_TO_COMPARE, S.READY_FOR_INITIAL_REPLICATION),
        )
    },
    **{
        (PRIMARY, state, Event.MADE_REPLICA): (REPLICA, S.WAITING_FOR_INITIAL_REPLICATION)
        for state in (
            S.REPLICATING,
            S.SUSPENDED,
            S.ERROR,
            S.PREPARED_FOR_FAILOVER,
            S.WAITING_FOR_START_RESYNCHRONIZE,
            S.RESYNCHRONIZE_SUSPENDED,
        )
    },
}

# Removing is possible in every state but these: a failover must be completed or cancelled first.
# Whether Windows removes a replication whose first copy runs is not documented; the lab does not,
# so that the product stops the copy first, which is.
NOT_REMOVABLE = frozenset(
    {
        S.FAILED_OVER_WAITING_COMPLETION,
        S.RECOVERY_IN_PROGRESS,
        S.INITIAL_REPLICATION_IN_PROGRESS,
    }
)


def next_state(
    mode: ReplicationMode, state: ReplicationState, event: Event
) -> tuple[ReplicationMode, ReplicationState]:
    """Where an event leads.

    Raises:
        HyperVError: The event is not possible in this mode and state (InvalidState).
    """
    after = TRANSITIONS.get((mode, state, event))
    if after is None:
        raise wrong_state()
    return after


def wrong_state() -> HyperVError:
    return invalid_state(
        "Could not change the replication state. Virtual machine is not in a valid replication "
        "state to perform the operation."
    )


def allows(replication: Replication, event: Event) -> bool:
    return (replication.mode, replication.state, event) in TRANSITIONS


def apply_event(replication: Replication, event: Event) -> None:
    """Move the record to where the event leads; the caller makes it durable."""
    replication.mode, replication.state = next_state(replication.mode, replication.state, event)
