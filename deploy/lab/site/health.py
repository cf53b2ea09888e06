"""The health of a replication, computed from its state and counters."""

from __future__ import annotations

from datetime import datetime, timedelta

from deploy.lab.site.replication_model import (
    Replication,
    ReplicationHealth,
    ReplicationMode,
    ReplicationState,
)

MISSED_SHARE = 0.2
AGE_LIMIT_SECONDS = 3600.0
LATENCY_LIMIT_SECONDS = 300.0

S = ReplicationState

_CRITICAL_STATES = {
    S.ERROR: "Replication is in error. Fix the problem and resume replication.",
    S.WAITING_FOR_START_RESYNCHRONIZE: "Resynchronization is required.",
    S.RESYNCHRONIZING: "Resynchronization is in progress.",
    S.RESYNCHRONIZE_SUSPENDED: "Resynchronization is suspended.",
    S.UPDATE_ERROR: "The set of replicated disks could not be changed.",
}

_WARNING_STATES = {
    S.READY_FOR_INITIAL_REPLICATION: "Initial replication is pending.",
    S.INITIAL_REPLICATION_IN_PROGRESS: "Initial replication is in progress.",
    S.WAITING_FOR_INITIAL_REPLICATION: "Initial replication is not complete.",
    S.WAITING_FOR_UPDATE_COMPLETION: "The set of replicated disks is being changed.",
    S.RECOVERY_IN_PROGRESS: "Failover is in progress.",
    S.FAILED_OVER_WAITING_COMPLETION: "The virtual machine is failed over; complete or reverse.",
    S.FAILED_OVER: "The virtual machine is failed over and not replicated back.",
}


def _criticals(replication: Replication) -> list[str]:
    found = []
    if replication.state in _CRITICAL_STATES:
        found.append(_CRITICAL_STATES[replication.state])
    if replication.mode is ReplicationMode.REPLICA and replication.state is S.SUSPENDED:
        found.append("Replication is paused on the Replica server.")
    if replication.mode is ReplicationMode.PRIMARY and replication.log.failures > 0:
        found.append("The primary server cannot send changes to the Replica server.")
    if found and replication.last_error:
        found.append(replication.last_error)
    return found


def _warnings(replication: Replication, now: datetime, speed: float) -> list[str]:
    found = []
    if replication.state in _WARNING_STATES:
        found.append(_WARNING_STATES[replication.state])
    if replication.mode is ReplicationMode.PRIMARY and replication.state is S.SUSPENDED:
        found.append("Replication is paused.")
    statistics = replication.statistics
    cycles = statistics.successes + statistics.misses
    if cycles and statistics.misses / cycles > MISSED_SHARE:
        found.append("More than 20 percent of replication cycles have been missed.")
    last = replication.last_replication_time
    if (
        replication.state is S.REPLICATING
        and last is not None
        and now - last > timedelta(seconds=AGE_LIMIT_SECONDS / speed)
    ):
        found.append("The Replica is behind the primary by more than an hour.")
    latency = statistics.average_latency_seconds
    if latency is not None and latency > LATENCY_LIMIT_SECONDS / speed:
        found.append("The average latency of replication is above the limit.")
    return found


def health_of(replication: Replication | None, now: datetime, speed: float) -> ReplicationHealth:
    """Health as Hyper-V computes it; PreparedForFailover is taken to be Normal (not documented).

    Args:
        replication: None for a VM without replication.
        now: The time.
        speed: The one-hour rule and the latency limit are intervals, so speed shortens them.
    """
    if replication is None:
        return ReplicationHealth.NOT_APPLICABLE
    if _criticals(replication):
        return ReplicationHealth.CRITICAL
    if _warnings(replication, now, speed):
        return ReplicationHealth.WARNING
    return ReplicationHealth.NORMAL


def details_of(replication: Replication | None, now: datetime, speed: float) -> tuple[str, ...]:
    """What makes the health what it is; empty when it is Normal."""
    if replication is None:
        return ()
    return (*_criticals(replication), *_warnings(replication, now, speed))
