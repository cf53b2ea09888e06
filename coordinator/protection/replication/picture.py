"""How the two sides of a replication stand, and what can be done with it as it runs (RE-5)."""

from __future__ import annotations

from dataclasses import dataclass

# Names of VMReplicationState.
FLOWING = frozenset({"Replicating", "InitialReplicationInProgress", "Resynchronizing"})
WAITING_FOR_COPY = frozenset({"WaitingForInitialReplication"})
PAUSED = frozenset({"Suspended", "ResynchronizeSuspended"})
BROKEN = frozenset({"Error", "UpdateError"})
RESYNC_REQUIRED = "WaitingForStartResynchronize"
RESYNCHRONIZING = frozenset({"Resynchronizing", "ResynchronizeSuspended"})
# A replication in one of these can be compared anew; one that runs is paused first.
COMPARABLE = frozenset(
    {"Replicating", "Suspended", "Error", RESYNC_REQUIRED, "ResynchronizeSuspended"}
)
# Said of what was last seen: what changed on a host since is looked at every few seconds.
_FLOWS = (
    "Replication was neither paused nor in error when its hosts were last looked at.",
    "Nothing has to be done, unless they show otherwise since: then ask again in some seconds.",
)


@dataclass(frozen=True)
class Picture:
    """The state of the side the machine runs on, and of the side that receives.

    Names of VMReplicationState; empty while a side was not seen, or takes part in no replication.
    """

    sender: str
    receiver: str

    @property
    def resumable(self) -> bool:
        """Something is paused or broken that going on may mend."""
        stopped = PAUSED | BROKEN
        return self.sender in stopped or self.receiver in stopped

    @property
    def needs_resynchronization(self) -> bool:
        """Only comparing both copies brings the replica up to date."""
        return self.sender == RESYNC_REQUIRED


def why_not_pause(picture: Picture) -> tuple[str, str] | None:
    """Why replication cannot be paused, and what would allow it; None when it can."""
    if picture.sender in FLOWING:
        return None
    if picture.sender in PAUSED:
        return "Replication is paused already.", "Resume it when changes are to be sent again."
    return _not_running(picture)


def why_not_resume(picture: Picture) -> tuple[str, str] | None:
    """Why replication cannot be resumed, and what would allow it; None when it can."""
    if picture.needs_resynchronization:
        return (
            "Changes were not tracked for a while, so that going on would leave a gap.",
            "Resynchronize, or repair replication.",
        )
    if picture.resumable:
        return None
    if picture.sender in FLOWING:
        return _FLOWS
    return _not_running(picture)


def why_not_resynchronize(picture: Picture) -> tuple[str, str] | None:
    """Why both copies cannot be compared anew, and what would allow it; None when they can."""
    if picture.sender in COMPARABLE:
        return None
    if picture.sender == "Resynchronizing":
        return "A resynchronization is running.", "Wait until it ends."
    return _not_running(picture)


def why_not_repair(picture: Picture) -> tuple[str, str] | None:
    """Why there is nothing to repair, and what to do instead; None when there is."""
    if picture.resumable or picture.needs_resynchronization:
        return None
    if picture.sender in FLOWING:
        return _FLOWS
    return _not_running(picture)


def why_not_change_disks(picture: Picture) -> tuple[str, str] | None:
    """Why the replicated disks cannot be changed, and what would allow it; None when they can."""
    if picture.sender == "Replicating":
        return None
    if picture.resumable or picture.needs_resynchronization:
        return "Replication does not run.", "Resume or repair replication first."
    return _not_running(picture)


def why_not_change_window(picture: Picture) -> tuple[str, str] | None:
    """Why automatic resynchronization cannot be changed; None when it can."""
    return None if picture.sender else _not_running(picture)


def _not_running(picture: Picture) -> tuple[str, str]:
    if not picture.sender:
        return (
            "How replication stands on the machine's host has not been seen yet.",
            "Wait until the server of the machine's side is connected and has reported.",
        )
    return (
        f"Replication is in the state {picture.sender} on the machine's host.",
        "Wait until it replicates, or look at the machine's replication health.",
    )
