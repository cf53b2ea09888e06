"""What the two sides of a replication must look like before an operation of the failover family."""

from __future__ import annotations

from dataclasses import replace

from coordinator.failures import Failure
from coordinator.protection.rules import stopped_by_state
from coordinator.recovery.loss import NAMES as FAILOVER_FACTS

__all__ = [
    "COPY_STILL_RUNNING",
    "FAILOVER_FACTS",
    "cancellation_failure",
    "commit_failure",
    "planned_failover_failure",
    "receiver_failure",
    "reversal_failure",
    "running_copy_failure",
    "running_source_failure",
    "unplanned_failover_failure",
]

# (mode, state) of the side that is left; Prepared when an earlier run got that far.
FIT_SOURCES = frozenset({("Primary", "Replicating"), ("Primary", "PreparedForFailover")})
# A replica that has been failed over already belongs to a prepared primary only.
FIT_TARGETS = frozenset({("Replica", "Replicating")})
BEGUN_TARGETS = frozenset(
    {
        ("Replica", "Replicating"),
        ("Replica", "RecoveryInProgress"),
        ("Replica", "FailedOverWaitingCompletion"),
    }
)
FAILED_OVER = frozenset({("Replica", "FailedOverWaitingCompletion"), ("Replica", "FailedOver")})


NEVER_COPIED = frozenset(
    {
        "Disabled",
        "ReadyForInitialReplication",
        "InitialReplicationInProgress",
        "WaitingForInitialReplication",
    }
)
COPY_STILL_RUNNING = "FailedOverCopyStillRunning"
WAITING_COMPLETION = ("Replica", "FailedOverWaitingCompletion")
# VMState of a machine that may be writing.
RUNNING = frozenset({"Running", "Starting", "Resuming"})


def unplanned_failover_failure(
    target: tuple[str, str], target_vm_state: str, *, repeated: bool
) -> Failure | None:
    """Why a replica cannot be failed over; None when it can.

    Args:
        target: Mode and state of the replica, Hyper-V's names.
        target_vm_state: Its VMState.
        repeated: An earlier run may have failed it over: that is discarded, unless somebody works
            with it.
    """
    mode, state = target
    begun = target == WAITING_COMPLETION
    if mode != "Replica" or state in NEVER_COPIED or state == "FailedOver":
        return _not_ready("The replica", target, "a replica with a complete copy")
    if begun and not repeated:
        return _not_ready("The replica", target, "a replica that is not failed over")
    if begun and target_vm_state != "Off":
        return Failure(
            "ReplicaInUse",
            f"The replica has been failed over before and is {target_vm_state}; what was written "
            "in it would be lost.",
            ("Somebody started it in Hyper-V Manager.",),
            "Turn it off if nothing in it is needed, then run the failover again.",
        )
    return None


def running_source_failure(source_vm_state: str) -> Failure | None:
    """Why the replica must not be failed over yet: the source runs; None when nobody saw it run."""
    if source_vm_state not in RUNNING:
        return None
    return Failure(
        "SourceStillRunning",
        f"The machine still runs where it is to be failed over from (it is {source_vm_state}), and "
        "could not be turned off. Both copies must never run at once.",
        (
            "Its host answers, but does not carry out what it is told.",
            "Somebody started it again.",
        ),
        "Turn the machine off at its host, or disconnect the host, then run the failover again. "
        "If the machine is well, leave it where it is.",
    )


def running_copy_failure(copy_vm_state: str) -> Failure | None:
    """Why a failover must not be abandoned: the failed-over copy runs; None: nobody saw it run."""
    if copy_vm_state not in RUNNING:
        return None
    return Failure(
        COPY_STILL_RUNNING,
        f"The machine still runs where it was failed over to (it is {copy_vm_state}), and could "
        "not be turned off. Both copies must never run at once.",
        (
            "Its host answers, but does not carry out what it is told.",
            "Somebody started it again.",
        ),
        "Turn the machine off at its host, or disconnect the host, then abandon the failover "
        "again. If the machine is well, leave it where it is, or cancel the failover.",
    )


def cancellation_failure(side: tuple[str, str]) -> Failure | None:
    """Why a failover cannot be cancelled; None when it can, or was cancelled on the host."""
    mode, state = side
    if mode == "Replica" and state != "FailedOver":
        return None
    return _not_ready("The failed-over copy", side, "a replica whose failover is not committed")


def planned_failover_failure(source: tuple[str, str], target: tuple[str, str]) -> Failure | None:
    """Why a planned failover cannot begin; None when it can.

    Args:
        source: Mode and state of the side the machine runs on, Hyper-V's names.
        target: Mode and state of its replica.
    """
    if source not in FIT_SOURCES:
        failure = _not_ready("The machine", source, "Primary and Replicating")
        return _with_way_on(failure, source)
    prepared = source == ("Primary", "PreparedForFailover")
    if target not in (BEGUN_TARGETS if prepared else FIT_TARGETS):
        failure = _not_ready("The replica", target, "Replica and Replicating")
        return _with_way_on(failure, target)
    return None


def commit_failure(side: tuple[str, str]) -> Failure | None:
    """Why a failover cannot be committed; None when it can."""
    if side in FAILED_OVER:
        return None
    return _not_ready("The failed-over machine", side, "a replica that is failed over")


def reversal_failure(side: tuple[str, str], *, committed: bool) -> Failure | None:
    """Why the direction cannot be reversed; None when it can.

    Args:
        side: Mode and state of the side the machine runs on.
        committed: An earlier run may then have reversed already.
    """
    if side in FAILED_OVER or (committed and side[0] == "Primary"):
        return None
    return _not_ready("The failed-over machine", side, "a replica that is failed over")


def receiver_failure(host: str, port: int, *, enabled: bool, listening_port: int) -> Failure | None:
    """Why a host cannot become the receiver of replication; None when it can."""
    if enabled and port == listening_port:
        return None
    seen = f"listens on port {listening_port}" if enabled else "receives no replication"
    return Failure(
        "HostNotConfiguredForReplication",
        f"{host} {seen}; it must receive replication on port {port}.",
        ("The host's replication settings were changed outside the vault.",),
        "Associate the policy with the clouds again: that configures every host.",
    )


def _not_ready(what: str, seen: tuple[str, str], wanted: str) -> Failure:
    mode, state = seen
    return Failure(
        "ReplicationNotReady",
        f"{what} is {mode or 'in no mode'} and {state or 'in no state'}; it must be {wanted}.",
        (
            "Replication is paused, in error, or needs a resynchronisation.",
            "Somebody changed the replication in Hyper-V Manager.",
        ),
        "Bring the replication back to normal, then repeat the operation.",
    )


def _with_way_on(failure: Failure, seen: tuple[str, str]) -> Failure:
    """Says what leads out of the state that a side of a planned failover is in."""
    mode, state = seen
    stopped = stopped_by_state(state, primary=mode == "Primary")
    if stopped is None:
        return failure
    return replace(
        failure,
        possible_causes=(stopped.cause,),
        recommended_action=f"{stopped.action} Then run the planned failover again. If it cannot "
        "wait: unplanned failover, which may lose what has not been sent.",
    )
