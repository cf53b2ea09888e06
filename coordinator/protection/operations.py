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
    TEST_FAILOVER_CLEANUP = "TestFailoverCleanup"
    # Change recovery point.
    CHANGE_PIT = "ChangePit"
    CANCEL_FAILOVER = "CancelFailover"
    COMMIT = "Commit"
    REVERSE_REPLICATE = "ReverseReplicate"
    DISABLE_PROTECTION = "DisableProtection"
    REPAIR_REPLICATION = "RepairReplication"
    # Beyond ASR: cancelling without the failed-over copy, whose site is lost.
    ABANDON_FAILOVER = "AbandonFailover"
    # ASR had no operations of these names: pausing was done in Hyper-V Manager.
    PAUSE_REPLICATION = "PauseReplication"
    RESUME_REPLICATION = "ResumeReplication"
    RESYNCHRONIZE = "Resynchronize"
    CHANGE_DISKS = "ChangeReplicatedDisks"
    CHANGE_RESYNCHRONIZATION = "ChangeAutomaticResynchronization"
    # Of a first copy that waits for its time of day.
    START_FIRST_COPY = "StartInitialReplication"


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
    _S.PLANNED_FAILOVER_FAILED: (
        _O.PLANNED_FAILOVER,
        _O.UNPLANNED_FAILOVER,
        _O.CANCEL_FAILOVER,
    ),
    _S.UNPLANNED_FAILOVER: (),
    _S.UNPLANNED_FAILOVER_COMPLETING: (),
    _S.UNPLANNED_FAILOVER_FAILED: (_O.UNPLANNED_FAILOVER, _O.CANCEL_FAILOVER),
    _S.COMMIT_PENDING: (
        _O.COMMIT,
        _O.CHANGE_PIT,
        _O.CANCEL_FAILOVER,
        _O.REVERSE_REPLICATE,
        _O.DISABLE_PROTECTION,
        _O.ABANDON_FAILOVER,
    ),
    _S.UNPLANNED_COMMIT_PENDING: (
        _O.COMMIT,
        _O.CHANGE_PIT,
        _O.CANCEL_FAILOVER,
        _O.REVERSE_REPLICATE,
        _O.DISABLE_PROTECTION,
        _O.ABANDON_FAILOVER,
    ),
    _S.CHANGING_POINT: (),
    # The copy may be a replica again, so there may be nothing to commit.
    _S.CHANGING_POINT_FAILED: (_O.CHANGE_PIT, _O.CANCEL_FAILOVER, _O.ABANDON_FAILOVER),
    _S.CANCELLING: (),
    # The other side may be lost meanwhile: then the copy is brought up again where it is.
    _S.CANCELLING_FAILED: (_O.CHANGE_PIT, _O.CANCEL_FAILOVER, _O.ABANDON_FAILOVER),
    # Hyper-V removes no replication of a copy whose failover is neither completed nor cancelled.
    _S.FAILOVER_ABANDONED: (_O.UNPLANNED_FAILOVER, _O.CANCEL_FAILOVER),
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
    # It is finalized once its replica replicates: what keeps that from it can be mended.
    _S.INITIAL_REPLICATION_COMPLETED: frozenset(
        {
            _O.REPAIR_REPLICATION,
            _O.PAUSE_REPLICATION,
            _O.RESUME_REPLICATION,
            _O.RESYNCHRONIZE,
        }
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
        "Run the planned failover again: it takes up where it stopped; or cancel the failover.",
    ),
    _S.UNPLANNED_FAILOVER: (
        "A failover is in progress.",
        "Wait until the failover ends.",
    ),
    _S.UNPLANNED_FAILOVER_COMPLETING: (
        "A failover is in progress.",
        "Wait until the failover ends.",
    ),
    _S.UNPLANNED_FAILOVER_FAILED: (
        "The last failover did not end well.",
        "Run the failover again: it takes up where it stopped; or cancel the failover.",
    ),
    _S.COMMIT_PENDING: (
        "The machine has been failed over and replicates nowhere.",
        "Commit, then reverse replicate; or cancel the failover.",
    ),
    _S.UNPLANNED_COMMIT_PENDING: (
        "The machine has been failed over and replicates nowhere.",
        "Commit, then reverse replicate; or cancel the failover.",
    ),
    _S.CHANGING_POINT: (
        "The machine is being taken to another recovery point.",
        "Wait until the recovery point is changed.",
    ),
    _S.CHANGING_POINT_FAILED: (
        "The machine could not be taken to another recovery point.",
        "Change the recovery point again, or cancel the failover.",
    ),
    _S.CANCELLING: (
        "The failover is being cancelled.",
        "Wait until the job ends; the machine is then protected as before the failover.",
    ),
    _S.CANCELLING_FAILED: (
        "The failover was cancelled in part.",
        "Cancel the failover again; or change the recovery point: the copy is brought up again.",
    ),
    _S.FAILOVER_ABANDONED: (
        "The failover was abandoned: the copy that it brought up is still failed over.",
        "Cancel the failover, once the site of that copy is back: it is the replica again then.",
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


# Where an operation has an answer of its own, whatever the state's is; by operation, then by state.
_NO_WAITING_COPY = (
    "No first copy waits for its time or its turn.",
    "Nothing has to be done: a first copy that has not begun is started by this.",
)
_UNCERTAIN = (
    "Which of the two copies is the machine is not certain.",
    "Finish the failover by running it again, or cancel it; then disable protection.",
)
_STILL_FAILED_OVER = (
    "The failover was abandoned: the copy that it brought up is still failed over.",
    "Cancel the failover first; or remove the machine from the vault only.",
)
_ALREADY_OVER = (
    "The machine has been failed over already.",
    "To go back, commit and reverse replicate, then fail over again; or cancel the failover.",
)
_POINTS_ARE_GONE = (
    "The failover is committed: the other recovery points are gone.",
    "To go back, reverse replicate, then fail over again.",
)
_SOURCE_IS_THE_MACHINE = (
    "The machine still belongs to the side that the failover was to leave.",
    "Cancel the failover: while the other side is away, the machine is started first.",
)
_ABANDONED_ALREADY = (
    "The failover was abandoned already.",
    "Cancel the failover, once the site of the failed-over copy is back.",
)
_TOO_LATE_TO_ABANDON = (
    "The failover is committed: the copy that it left can only become the replica.",
    "Reverse replicate. Is the site lost: start the old copy by hand (osr-agent copy release).",
)
_NOT_FAILED_OVER = (
    "The machine has not been failed over.",
    "Fail over first.",
)
_OWN_ANSWERS: dict[Operation, dict[ProtectionState, tuple[str, str]]] = {
    _O.START_FIRST_COPY: {
        state: _NO_WAITING_COPY for state in ProtectionState if state is not _S.READY_TO_COPY
    },
    _O.DISABLE_PROTECTION: {
        **dict.fromkeys(
            (
                _S.PLANNED_FAILOVER_FAILED,
                _S.UNPLANNED_FAILOVER_FAILED,
                _S.CHANGING_POINT_FAILED,
                _S.CANCELLING_FAILED,
            ),
            _UNCERTAIN,
        ),
        _S.FAILOVER_ABANDONED: _STILL_FAILED_OVER,
    },
    **{
        operation: dict.fromkeys((_S.COMMIT_PENDING, _S.UNPLANNED_COMMIT_PENDING), _ALREADY_OVER)
        for operation in (_O.PLANNED_FAILOVER, _O.UNPLANNED_FAILOVER, _O.TEST_FAILOVER)
    },
    **{
        operation: {_S.COMMITTED: _POINTS_ARE_GONE, _S.REVERSING_FAILED: _POINTS_ARE_GONE}
        for operation in (_O.CHANGE_PIT, _O.CANCEL_FAILOVER)
    },
    _O.ABANDON_FAILOVER: {
        **dict.fromkeys(
            (_S.PLANNED_FAILOVER_FAILED, _S.UNPLANNED_FAILOVER_FAILED), _SOURCE_IS_THE_MACHINE
        ),
        _S.FAILOVER_ABANDONED: _ABANDONED_ALREADY,
        **dict.fromkeys((_S.COMMITTED, _S.REVERSING_FAILED), _TOO_LATE_TO_ABANDON),
    },
}
_OWN_ANSWERS[_O.COMMIT] = {
    _S.COMMITTED: (
        "The failover is committed already.",
        "Reverse replicate; once protected again it can fail over.",
    ),
    _S.REVERSING_FAILED: (
        "The failover is committed already.",
        "Reverse replicate again after removing the cause that the failed job names.",
    ),
    _S.PLANNED_FAILOVER_FAILED: _NOT_FAILED_OVER,
    _S.UNPLANNED_FAILOVER_FAILED: _NOT_FAILED_OVER,
}

_NO_TEST = (
    "There is no test virtual machine of the machine.",
    "Nothing has to be done: a test failover that has made one is cleaned up by this.",
)
_TEST_EXISTS = (
    "A test failover of the machine has not been cleaned up.",
    "Clean up the test failover first.",
)
# What a test virtual machine, whose disks are differences to the replica's, stands against.
_BARRED_BY_TEST = frozenset(
    {_O.PLANNED_FAILOVER, _O.UNPLANNED_FAILOVER, _O.TEST_FAILOVER, _O.DISABLE_PROTECTION}
)


@dataclass(frozen=True)
class WhyNot:
    """Why an operation is refused, and what would allow it."""

    reason: str
    remedy: str


def allowed_operations(
    state: ProtectionState, picture: Picture | None = None, *, testing: bool = False
) -> tuple[Operation, ...]:
    """What may be asked of an item that no job works on.

    Args:
        state: The item's state; the side the machine runs on makes no difference, because every
            failover goes from the active side to the other.
        picture: How replication was seen; None leaves out what depends on it.
        testing: A test failover has made, or may have made, a test virtual machine.

    Returns:
        In ASR's order, then those ASR had not; empty while something is in progress.
    """
    in_order = (*ALLOWED[state], _O.TEST_FAILOVER_CLEANUP, *_RUNNING)
    return tuple(
        operation
        for operation in in_order
        if why_not(operation, state, picture, testing=testing) is None
    )


def why_not(
    operation: Operation,
    state: ProtectionState,
    picture: Picture | None = None,
    *,
    testing: bool = False,
) -> WhyNot | None:
    """Why an operation is refused in a state; None when it is allowed. Source: SPEC FO-6."""
    if operation is _O.TEST_FAILOVER_CLEANUP:
        return None if testing else WhyNot(*_NO_TEST)
    if testing and operation in _BARRED_BY_TEST:
        return WhyNot(*_TEST_EXISTS)
    if operation in _RUNNING:
        return _why_not_running(operation, state, picture)
    if operation in ALLOWED[state]:
        return None
    return WhyNot(*_OWN_ANSWERS.get(operation, {}).get(state, _BLOCKED[state]))


def _why_not_running(
    operation: Operation, state: ProtectionState, picture: Picture | None
) -> WhyNot | None:
    if operation not in _RUNNING_STATES.get(state, ()):
        return WhyNot(*_BLOCKED[state])
    answer = _RUNNING[operation](picture or Picture("", ""))
    return None if answer is None else WhyNot(*answer)
