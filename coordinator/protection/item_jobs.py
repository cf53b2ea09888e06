"""Beginning the job of one item's operation: what all of them have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from coordinator.jobs.models import Job
from coordinator.jobs.queries import running_job_for
from coordinator.jobs.services import (
    BeginJob,
    JobTarget,
    QueueName,
    begin_job,
    cancel_waiting_job,
    release_lock_of_waiting_job,
)
from coordinator.jobs.steps import Graph
from coordinator.protection.copy_line.line import leave
from coordinator.protection.models import FirstCopy, ProtectedItem
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.states import ProtectionState
from coordinator.protection.transitions import item_lock

# Scenarios that bring a machine's replication or networks in order, of one item and of many.
HOUSEKEEPING = frozenset(
    {
        "PauseReplication",
        "ResumeReplication",
        "ResynchronizeReplication",
        "RepairReplication",
        "ChangeReplicatedDisks",
        "ChangeAutomaticResynchronization",
        "VmNetworksUpdate",
        "StartVirtualMachine",
    }
)
HOUSEKEEPING_OF_MANY = frozenset({"NetworkPairing", "NetworkUnpairing", "UpdateProtectionProfile"})


@dataclass(frozen=True)
class ItemJob:
    """What an operation does to an item.

    Attributes:
        arguments: Beside the item's id, which every job of an item has.
    """

    scenario: str
    friendly_name: str
    graph: Graph
    arguments: Mapping[str, object] = field(default_factory=dict)


def begin_item_job(item: ProtectedItem, job: ItemJob, origin: RequestOrigin, now: datetime) -> Job:
    """Begins the one job that may work on an item.

    Returns:
        The new job, or the one that the same client request began before.

    Raises:
        RefusedError: 532 while another job runs on the item, or ProviderTooOld.
    """
    return begin_job(
        BeginJob(
            vault_id=item.vault_id,
            scenario=job.scenario,
            friendly_name=job.friendly_name,
            target=JobTarget(
                "ProtectionEntity", str(item.id), item.friendly_name, origin.target_resource
            ),
            graph=job.graph,
            locks=(item_lock(item.id),),
            queue=QueueName.REPLICATION,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
            arguments={"item_id": str(item.id), **job.arguments},
        ),
        now,
    )


def end_waiting(item: ProtectedItem, now: datetime) -> None:
    """Ends the job of an item whose first copy waits for its time or its turn.

    For operations that take the item apart. A job that does something just now is left alone, and
    so is every other job: it keeps the item.

    Args:
        item: As read; its row need not be locked.
        now: The time.
    """
    if item.state != ProtectionState.READY_TO_COPY:
        return
    running = running_job_for(item_lock(item.id))
    if running is not None and cancel_waiting_job(running.id, now):
        leave(FirstCopy.objects.filter(item=item, ended_at=None), now)


def end_waiting_in_vain(item: ProtectedItem, now: datetime) -> None:
    """Ends the job of an item that waits for a site which is away.

    For forgetting the item: whoever does that knows that the site may not come back.

    Args:
        item: As read; its row need not be locked.
        now: The time.
    """
    running = running_job_for(item_lock(item.id))
    if running is not None:
        cancel_waiting_job(running.id, now, in_vain=True)


def is_housekeeping(job: Job) -> bool:
    """Whether a failover may end a job, or take its machine from it, while the job only waits."""
    return job.scenario in HOUSEKEEPING | HOUSEKEEPING_OF_MANY


def end_housekeeping(item: ProtectedItem, now: datetime) -> None:
    """Ends, or takes from the item, a job that keeps a machine in order and only waits.

    For failovers, which must not wait for a report, nor for a site that is away. A job that does
    something just now is left alone: it keeps the item, and the failover is refused.

    Args:
        item: As read; its row need not be locked.
        now: The time.
    """
    running = running_job_for(item_lock(item.id))
    if running is None:
        return
    if running.scenario in HOUSEKEEPING:
        cancel_waiting_job(running.id, now, idle=True)
    elif running.scenario in HOUSEKEEPING_OF_MANY:
        # It goes on for the others; what it had sent about this machine is harmless.
        release_lock_of_waiting_job(running.id, item_lock(item.id), now)
