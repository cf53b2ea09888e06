"""Which copy of a machine may run, and when it is started after its host went down."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from coordinator.protection.states import ActiveLocation, FailoverType, ProtectionState

_S = ProtectionState
# An operation is deciding which copy is the machine, or broke off while it did.
UNDECIDED_STATES = frozenset(
    {
        _S.PLANNED_FAILOVER,
        _S.PLANNED_FAILOVER_COMPLETING,
        _S.PLANNED_FAILOVER_FAILED,
        _S.UNPLANNED_FAILOVER,
        _S.UNPLANNED_FAILOVER_COMPLETING,
        _S.UNPLANNED_FAILOVER_FAILED,
        _S.CHANGING_POINT,
        _S.CHANGING_POINT_FAILED,
        _S.CANCELLING,
        _S.CANCELLING_FAILED,
    }
)
RUNNING = frozenset({"Running", "Paused", "Starting", "Saving", "Pausing", "Resuming"})
OFF = "Off"
NOTHING, START_IF_RUNNING, START = "Nothing", "StartIfRunning", "Start"
# Clocks of a host are read to the second, and corrected.
BOOTED_ANEW = timedelta(seconds=5)
# A host that goes down in order stops its machines one after the other before it does; what had
# been stopped for longer when the host was heard of last had been stopped by somebody. Agents tell
# once more of a machine that has been off for so long (agent/fabric/replication_report.py).
STOPPED_FOR_GOOD = timedelta(minutes=5)


class Role(StrEnum):
    """What a copy may do; the names of the wire's Role."""

    ACTIVE = "ROLE_ACTIVE"
    HELD = "ROLE_HELD"
    REPLICA = "ROLE_REPLICA"
    UNDECIDED = "ROLE_UNDECIDED"


class Look(NamedTuple):
    """A copy as its host was seen.

    Attributes:
        vm_state: Hyper-V's name; empty when the host has no such machine.
        booted_at: When the host started; None when it does not say so.
    """

    vm_state: str
    booted_at: datetime | None


class Stop(NamedTuple):
    """What is remembered of an active copy that does not run.

    Attributes:
        seen_at: When it was first seen not to run; None: it was not seen to stop.
        booted_at: When its host had started, for a host that does not say so just now.
    """

    seen_at: datetime | None = None
    booted_at: datetime | None = None


def role_of(
    state: str, location: ActiveLocation, active: ActiveLocation, failover_type: str
) -> Role:
    """What the copy at a location may do.

    Args:
        state: Of the item.
        location: Of the copy.
        active: Where the machine runs.
        failover_type: How it came there, while it is not reversed yet; else empty.

    Source: DESIGN invariant 7.
    """
    if location is active:
        return Role.UNDECIDED if state in UNDECIDED_STATES else Role.ACTIVE
    # A source of a planned failover is prepared, which Hyper-V does not let start; one of an
    # unplanned failover could, and so could a failed-over copy that was left behind.
    held = failover_type == FailoverType.UNPLANNED or state == _S.FAILOVER_ABANDONED
    return Role.HELD if held else Role.REPLICA


def follow(
    stop: Stop, before: Look | None, before_at: datetime | None, now: Look, now_at: datetime
) -> tuple[Look | None, Stop]:
    """How the copy stood when its host went down, once it can be told that it did.

    A host may be seen between the end of its machines and its own, when it goes down in order; and
    after its start before it says when that was.

    Args:
        stop: What is remembered.
        before: How the copy was seen before; None: never.
        before_at: When.
        now: How it is seen.
        now_at: When.

    Returns:
        How it stood before its host started anew, None unless the host did; and what is to be
        remembered.
    """
    if before is None or before_at is None or now.vm_state in RUNNING:
        return None, Stop()
    ran = before.vm_state in RUNNING
    seen_at = now_at if ran else stop.seen_at
    # Since its host says nothing of its start, nobody knows for how long it had been off.
    by_its_host = seen_at is not None and (
        stop.booted_at is not None or ran or before_at - seen_at < STOPPED_FOR_GOOD
    )
    known = before.booted_at or stop.booted_at
    if known is None or now.booted_at is None or not now.vm_state:
        return None, Stop(seen_at if by_its_host else None, known)
    if now.booted_at - known < BOOTED_ANEW:
        return None, Stop(seen_at)
    return Look("Running" if by_its_host else OFF, known), Stop()


def start_due(
    before: Look | None, now: Look, action: str, delay_seconds: int, at: datetime
) -> datetime | None:
    """When the machine is to be started because its host went down under it.

    Args:
        before: How the copy stood before its host went down; None: not known, or it did not.
        now: How it is seen; saved too, as hosts leave machines that they shut down with.
        action: Its owner's AutomaticStartAction; empty while unknown, which is as Hyper-V's
            default.
        delay_seconds: Its owner's AutomaticStartDelay.
        at: The time.

    Returns:
        None: it is not to be started. A machine that somebody turned off stays off.
    """
    if before is None or before.booted_at is None or now.booted_at is None:
        return None
    if (
        not now.vm_state
        or now.vm_state in RUNNING
        or now.booted_at - before.booted_at < BOOTED_ANEW
    ):
        return None
    ran = before.vm_state in RUNNING
    if action == START or (ran and action in {"", START_IF_RUNNING}):
        return max(at, now.booted_at + timedelta(seconds=delay_seconds))
    return None


def owners_choice(known: tuple[str, int], told: tuple[str, int]) -> tuple[str, int]:
    """The automatic start that the owner wants, by what the host of the active copy says.

    Args:
        known: Action and delay as kept; an empty action before the first look.
        told: As the host has them.
    """
    if not told[0]:
        return known
    if told[0] == NOTHING and known[0]:
        # Ours; the owner's is what was there before.
        return known[0], told[1]
    return told
