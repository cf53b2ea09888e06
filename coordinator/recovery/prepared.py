"""An operation of one machine, checked and planned, and how its job begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from coordinator.failures import refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job
from coordinator.jobs.steps import Graph
from coordinator.protection.models import ProtectedItem
from coordinator.protection.rules import Operation
from coordinator.protection.services import RequestOrigin, record_event
from coordinator.protection.states import ItemEvent, ProtectionState, next_state


@dataclass(frozen=True, kw_only=True)
class PreparedOperation:
    """What a job of one machine will do; nothing has been written yet.

    Attributes:
        graph: Its steps, with the gates of a plan and the slots of their hosts.
        locks: What it must hold.
        arguments: For record functions and the finisher.
        enter: Moves the item into the operation. To be called once, in the transaction that begins
            the job and after its locks are taken; raises RefusedError when the item has changed
            since the operation was prepared.
    """

    scenario: str
    friendly_name: str
    vault_id: UUID
    target: JobTarget
    graph: Graph
    locks: tuple[str, ...]
    arguments: Mapping[str, object] = field(default_factory=dict)
    enter: Callable[[], None]


def begin_prepared(prepared: PreparedOperation, origin: RequestOrigin, now: datetime) -> Job:
    """Begins a job of its own for an operation.

    Returns:
        The new job, or the one that the same client request began before.

    Raises:
        RefusedError: 532 while another job works on the item; OperationNotAllowed when the item
            has changed since the operation was prepared.
    """
    # The lock of the operation before the lock of the row: the engine, which takes them the other
    # way round, holds the former already.
    job = begin_job(
        BeginJob(
            vault_id=prepared.vault_id,
            scenario=prepared.scenario,
            friendly_name=prepared.friendly_name,
            target=JobTarget(
                prepared.target.type,
                prepared.target.id,
                prepared.target.name,
                origin.target_resource or prepared.target.resource,
            ),
            graph=prepared.graph,
            locks=prepared.locks,
            queue=QueueName.FAILOVER,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            arguments=prepared.arguments,
        ),
        now,
    )
    if job.created_at == now:
        prepared.enter()
    return job


def entering(seen: ProtectedItem, operation: Operation, event: ItemEvent) -> Callable[[], None]:
    """What brings an item from the state it was seen in into an operation."""

    def enter() -> None:
        before = ProtectionState(seen.state)
        item = record_event(seen.id, event, only_in=[before])
        if item.state != next_state(before, event) or item.role_epoch != seen.role_epoch:
            raise refuse(
                "OperationNotAllowed",
                f"{seen.friendly_name} changed while {operation} was asked for.",
                causes=[f"Its state was {before} and is {item.state}."],
                action="Look at the item's state, then try again.",
                status=409,
            )

    return enter
