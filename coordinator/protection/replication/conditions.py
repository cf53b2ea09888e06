"""What can be wrong with a replication: codes, causes and remedies (SPEC RE-8).

Numbers are ASR's codes, as its health errors were seen; words are ours, where ASR had none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Condition:
    """One thing that is not as it should be.

    Attributes:
        level: ASR's errorLevel: "Warning", or "Error", which makes the item Critical.
    """

    code: str
    level: str
    summary: str
    cause: str
    action: str


_NOT_WORKING = Condition(
    "67501",
    "Error",
    "Replication is not working.",
    "Hyper-V could not send or apply changes and does not try again by itself: the hosts cannot "
    "prove to each other who they are, the replica is not as it was left, or its storage failed.",
    "Remove the cause that Hyper-V names, then repair replication: osr protect repair.",
)
_RESYNC_REQUIRED = Condition(
    "67501",
    "Error",
    "Replication is not working: a resynchronization is required.",
    "Changes are no longer tracked. The tracking logs grew over half the size of the disks, the "
    "host went down while the machine ran, or a disk was changed from outside.",
    "Resynchronize: osr protect resync, now or at a quiet time (--at); within its window Hyper-V "
    "does it by itself if automatic resynchronization is on.",
)
_RESYNC_PAUSED = Condition(
    "67501",
    "Error",
    "Replication is not working: the resynchronization is paused.",
    "Somebody paused it, or the connection between the hosts was lost.",
    "Resume replication: osr protect resume. The resynchronization goes on where it stopped.",
)
_RESYNCHRONIZING = Condition(
    "Resynchronizing",
    "Warning",
    "Both copies are being compared.",
    "A resynchronization is running. Recovery points made before it are lost.",
    "Wait until it ends; a planned failover is possible then.",
)
_DISKS_CHANGING = Condition(
    "DiskUpdateInProgress",
    "Warning",
    "The set of replicated disks is being changed.",
    "A disk was added to replication and its first copy is under way.",
    "Wait until it ends.",
)
_DISKS_NOT_CHANGED = Condition(
    "67501",
    "Error",
    "Replication is not working: the set of replicated disks could not be changed.",
    "The disk could not be copied to the replica.",
    "Remove the cause that Hyper-V names, then repair replication: osr protect repair.",
)
_BY_STATE: Mapping[str, Condition] = {
    "Error": _NOT_WORKING,
    "WaitingForStartResynchronize": _RESYNC_REQUIRED,
    "ResynchronizeSuspended": _RESYNC_PAUSED,
    "Resynchronizing": _RESYNCHRONIZING,
    "WaitingForUpdateCompletion": _DISKS_CHANGING,
    "UpdateError": _DISKS_NOT_CHANGED,
}

PAUSED = Condition(
    "67502",
    "Warning",
    "Replication is paused.",
    "Somebody paused it, here or in Hyper-V Manager.",
    "Resume replication: osr protect resume. Changes are tracked meanwhile; when they exceed half "
    "the size of the disks a resynchronization becomes necessary.",
)
PAUSED_ON_REPLICA = Condition(
    "67502",
    "Error",
    "Replication is paused on the replica's host: nothing is received.",
    "Somebody paused it in Hyper-V Manager of that host.",
    "Resume replication: osr protect resume.",
)
FAILED_OVER = Condition(
    "67506",
    "Warning",
    "The machine is failed over and replicates nowhere.",
    "Its direction has not been reversed yet.",
    "Commit the failover, then reverse replicate.",
)
# ASR's page of the machine just kept saying Protected.
PREPARED = Condition(
    "PreparedForFailover",
    "Warning",
    "The machine is shut down and prepared for a planned failover; nothing replicates.",
    "A planned failover is in progress, or stopped before the replica took over.",
    "Run the planned failover again: it takes up where it stopped.",
)
COPY_MISSING = Condition(
    "VirtualMachineMissing",
    "Error",
    "The machine is on none of the hosts of this side any more.",
    "It was deleted, or moved to a host that this server does not manage.",
    "Bring it back, or disable protection and protect the machine again.",
)
REPLICATION_REMOVED = Condition(
    "ReplicationRemoved",
    "Error",
    "The machine takes part in no replication on this side.",
    "Somebody removed replication on the host.",
    "Disable protection and protect the machine again; a copy that is still there is used.",
)


def stopped_by_state(state: str, *, primary: bool) -> Condition | None:
    """What keeps a side from replicating, if its state does.

    Args:
        state: Name of VMReplicationState.
        primary: It is the side that sends.
    """
    if state == "Suspended":
        return PAUSED if primary else PAUSED_ON_REPLICA
    return _BY_STATE.get(state)


def missed(count: int, cycles: int) -> Condition:
    """More than a fifth of the cycles were missed."""
    return Condition(
        "67518",
        "Warning",
        "More than 20 percent of the replication cycles were missed: "
        f"{count} of {cycles} since the host's monitoring interval began.",
        "The network or the storage of the replica is too slow for the rate of change.",
        "Give replication more bandwidth, or choose a lower copy frequency.",
    )


def slow(latency_seconds: float) -> Condition:
    """Cycles take long on average."""
    return Condition(
        "ReplicationSlow",
        "Warning",
        f"A replication cycle takes {latency_seconds:.0f} seconds on average.",
        "The network or the storage of the replica is too slow for the rate of change.",
        "Give replication more bandwidth, or choose a lower copy frequency.",
    )


def far_behind(last_replicated_at: datetime) -> Condition:
    """The replica is over an hour behind."""
    return Condition(
        "ReplicaBehind",
        "Warning",
        "The replica is behind the machine by more than an hour; it was last brought up to date "
        f"at {last_replicated_at:%Y-%m-%d %H:%M:%S} UTC.",
        "The hosts cannot reach each other, replication is paused or in error, or neither server "
        "can report.",
        "Look at the other errors of the item and at whether both servers are connected.",
    )


def not_replicated(paths: Sequence[str]) -> Condition:
    """Disks that have no copy on the other side."""
    return Condition(
        "DiskNotReplicated",
        "Warning",
        f"Not replicated: {', '.join(paths)}.",
        "The disk was attached after protection was enabled.",
        "Add the disk to replication: osr protect disks --add; or leave it out on purpose: "
        "osr protect disks --remove.",
    )


def told_by_hyperv(*, critical: bool) -> Condition:
    """Hyper-V is not content and says why in its own words."""
    return Condition(
        "HyperVReplicaHealth",
        "Error" if critical else "Warning",
        f"Hyper-V says that replication is {'critical' if critical else 'not as it should be'}.",
        "See Hyper-V's own words.",
        "Look at the replication health of the machine in Hyper-V Manager.",
    )
