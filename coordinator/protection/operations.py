"""Which operations an item allows in which state, and why not (SPEC FO-6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from coordinator.protection.replication.picture import (
    Picture,
    why_not_change_disks,
    why_not_change_window,
    why_not_pause,
    why_not_repair,
    why_not_resume,
    why_not_resynchronize,
)
from coordinator.protection.states import ProtectionState


class Operation(StrEnum):
    """ASR's names of an item's operations."""

    PLANNED_FAILOVER = "PlannedFailover"
    UNPLANNED_FAILOVER = "UnplannedFailover"
    TEST_FAILOVER = "TestFailover"
    COMMIT = "Commit"
    REVERSE_REPLICATE = "ReverseReplicate"
    DISABLE_PROTECTION = "DisableProtection"
    REPAIR_REPLICATION = "RepairReplication"
    # ASR had no operations of these names: pausing was done in Hyper-V Manager.
    PAUSE_REPLICATION = "PauseReplication"
    RESUME_REPLICATION = "ResumeReplication"
    RESYNCHRONIZE = "Resynchronize"
    CHANGE_DISKS = "ChangeReplicatedDisks"
    CHANGE_RESYNCHRONIZATION = "ChangeAutomaticResynchronization"
    # Of a first copy that waits for its time of day.
    START_FIRST_COPY = "StartInitialReplication"


# What this version carries out; the table below says what the state itself would allow.
CARRIED_OUT = frozenset(
    {
        Operation.PLANNED_FAILOVER,
        Operation.COMMIT,
        Operation.REVERSE_REPLICATE,
        Operation.DISABLE_PROTECTION,
        Operation.REPAIR_REPLICATION,
        Operation.PAUSE_REPLICATION,
        Operation.RESUME_REPLICATION,
        Operation.RESYNCHRONIZE,
        Operation.CHANGE_DISKS,
        Operation.START_FIRST_COPY,
    }
)

_S = ProtectionState
_O = Operation

ALLOWED: dict[ProtectionState, tuple[Operation, ...]] = {
    _S.ENABLING: (),
    _S.ENABLING_FAILED: (_O.DISABLE_PROTECTION,),
    _S.READY_TO_COPY: (_O.START_FIRST_COPY, _O.DISABLE_PROTECTION),
    _S.INITIAL_REPLICATION: (_O.DISABLE_PROTECTION,),
    _S.INITIAL_REPLICATION_COMPLETED: (_O.DISABLE_PROTECTION,),
    _S.PROTECTED: (
        _O.PLANNED_FAILOVER,
        _O.UNPLANNED_FAILOVER,
        _O.TEST_FAILOVER,
        _O.DISABLE_PROTECTION,
    ),
    _S.PLANNED_FAILOVER: (),
    _S.PLANNED_FAILOVER_COMPLETING: (),
    # Which copy is the machine is unknown, so protection cannot be disabled.
    _S.PLANNED_FAILOVER_FAILED: (_O.PLANNED_FAILOVER, _O.UNPLANNED_FAILOVER),
    _S.COMMIT_PENDING: (_O.COMMIT, _O.REVERSE_REPLICATE, _O.DISABLE_PROTECTION),
    _S.COMMITTING: (),
    _S.COMMITTED: (_O.REVERSE_REPLICATE, _O.DISABLE_PROTECTION),
    _S.REVERSING: (),
    _S.REVERSING_FAILED: (_O.REVERSE_REPLICATE, _O.DISABLE_PROTECTION),
    _S.DISABLING: (),
    _S.DISABLING_FAILED: (_O.DISABLE_PROTECTION,),
}

# What concerns replication as it runs changes nothing of the item's state: there is no state
# "paused", as ASR had none. Anybody can pause on the host itself, and a first copy can be paused as
# well as changes; so the state says what the item is for us, and whether it is paused is what was
# last seen of the hosts, which says by these rules what can be done.
_RUNNING: dict[Operation, Callable[[Picture], tuple[str, str] | None]] = {
    _O.REPAIR_REPLICATION: why_not_repair,
    _O.PAUSE_REPLICATION: why_not_pause,
    _O.RESUME_REPLICATION: why_not_resume,
    _O.RESYNCHRONIZE: why_not_resynchronize,
    _O.CHANGE_DISKS: why_not_change_disks,
    _O.CHANGE_RESYNCHRONIZATION: why_not_change_window,
}
_RUNNING_STATES: dict[ProtectionState, frozenset[Operation]] = {
    _S.PROTECTED: frozenset(_RUNNING),
    _S.INITIAL_REPLICATION: frozenset(
        {_O.REPAIR_REPLICATION, _O.PAUSE_REPLICATION, _O.RESUME_REPLICATION}
    ),
}

# (why an operation that needs more is not possible yet, what leads on)
_BLOCKED: dict[ProtectionState, tuple[str, str]] = {
    _S.ENABLING: (
        "Protection is still being enabled.",
        "Wait until replication is enabled and the first copy is complete.",
    ),
    _S.ENABLING_FAILED: (
        "Protection could not be enabled.",
        "Enable protection again after removing the cause that the failed job names.",
    ),
    _S.READY_TO_COPY: (
        "The first copy waits for its time or its turn.",
        "Wait until initial replication ends and protection is finalized.",
    ),
    _S.INITIAL_REPLICATION: (
        "The first copy is not complete.",
        "Wait until initial replication ends and protection is finalized.",
    ),
    _S.INITIAL_REPLICATION_COMPLETED: (
        "Protection is being finalized.",
        "Wait until protection is finalized on both sides.",
    ),
    _S.PROTECTED: (
        "The machine replicates and has not been failed over.",
        "Fail over first.",
    ),
    _S.PLANNED_FAILOVER: (
        "A planned failover is in progress.",
        "Wait until the planned failover ends.",
    ),
    _S.PLANNED_FAILOVER_COMPLETING: (
        "A planned failover is in progress.",
        "Wait until the planned failover ends.",
    ),
    _S.PLANNED_FAILOVER_FAILED: (
        "The last planned failover did not end well.",
        "Run the planned failover again: it takes up where it stopped.",
    ),
    _S.COMMIT_PENDING: (
        "The machine has been failed over and replicates nowhere.",
        "Commit, then reverse replicate.",
    ),
    _S.COMMITTING: (
        "The failover is being committed.",
        "Wait until the commit ends, then reverse replicate.",
    ),
    _S.COMMITTED: (
        "The failover is committed and the machine replicates nowhere.",
        "Reverse replicate; once protected again it can fail over.",
    ),
    _S.REVERSING: (
        "Replication is being reversed.",
        "Wait until the machine is protected again.",
    ),
    _S.REVERSING_FAILED: (
        "Replication could not be reversed.",
        "Reverse replicate again after removing the cause that the failed job names.",
    ),
    _S.DISABLING: (
        "Protection is being disabled.",
        "Wait until the job ends; the machine can then be protected again.",
    ),
    _S.DISABLING_FAILED: (
        "Protection was disabled in part.",
        "Disable protection again: it takes up where it stopped.",
    ),
}


@dataclass(frozen=True)
class WhyNot:
    """Why an operation is refused, and what would allow it."""

    reason: str
    remedy: str


def allowed_operations(
    state: ProtectionState, picture: Picture | None = None
) -> tuple[Operation, ...]:
    """What may be asked of an item that no job works on.

    Args:
        state: The item's state; the side the machine runs on makes no difference, because every
            failover goes from the active side to the other.
        picture: How replication was seen; None leaves out what depends on it.

    Returns:
        In ASR's order, then those ASR had not; empty while something is in progress.
    """
    by_state = tuple(operation for operation in ALLOWED[state] if operation in CARRIED_OUT)
    return by_state + tuple(
        operation for operation in _RUNNING if _why_not_running(operation, state, picture) is None
    )


def why_not(
    operation: Operation, state: ProtectionState, picture: Picture | None = None
) -> WhyNot | None:
    """Why an operation is refused in a state; None when it is allowed. Source: SPEC FO-6."""
    if operation in _RUNNING:
        return _why_not_running(operation, state, picture)
    if operation in allowed_operations(state):
        return None
    if operation not in CARRIED_OUT:
        return WhyNot(
            f"{operation} is not offered by this version.", "Use another operation of the item."
        )
    return WhyNot(*_BLOCKED[state])


def _why_not_running(
    operation: Operation, state: ProtectionState, picture: Picture | None
) -> WhyNot | None:
    if operation not in _RUNNING_STATES.get(state, ()):
        return WhyNot(*_BLOCKED[state])
    answer = _RUNNING[operation](picture or Picture("", ""))
    return None if answer is None else WhyNot(*answer)
