"""An operation of one machine, checked and planned, and how its job begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from coordinator.failures import refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import (
    BeginJob,
    JobTarget,
    QueueName,
    begin_job,
    begun_job,
    refuse_if_busy,
)
from coordinator.jobs.steps import Graph
from coordinator.protection.models import ProtectedItem
from coordinator.protection.rules import Operation
from coordinator.protection.services import (
    RequestOrigin,
    end_housekeeping,
    item_lock,
    record_event,
    record_events,
    refuse_unless_allowed,
)
from coordinator.protection.states import ItemEvent, ProtectionState, next_state
from coordinator.recovery.dry_run.history import with_history
from coordinator.recovery.machines import fresh_item, read_together


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
            graph=with_history(prepared.vault_id, prepared.graph),
            locks=prepared.locks,
            queue=QueueName.FAILOVER,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
            arguments=prepared.arguments,
        ),
        now,
    )
    if job.created_at == now:
        prepared.enter()
    return job


@dataclass(frozen=True)
class Kind:
    """What the operations differ in.

    Attributes:
        event: What happens to the item when the job begins.
    """

    operation: Operation
    scenario: str
    friendly_name: str
    event: ItemEvent


def checked_item(item: ProtectedItem, operation: Operation) -> ProtectedItem:
    """The item as it is in the database, if nothing works on it and its state allows the operation.

    One that was read together with others is taken as it is.

    Raises:
        RefusedError: 532 while a job runs on the item; OperationNotAllowed, status 409.
    """
    if read_together(item) is not None:
        fresh = item
    else:
        refuse_if_busy(item_lock(item.id))
        fresh = fresh_item(item.id)
    refuse_unless_allowed(fresh, operation)
    return fresh


def prepared(
    fresh: ProtectedItem, kind: Kind, graph: Graph, arguments: Mapping[str, object] | None = None
) -> PreparedOperation:
    """An operation of an item.

    Args:
        fresh: From `checked_item`.
        kind: Which operation.
        graph: Its plan.
        arguments: For record functions and the finisher, beside the item's id and role epoch.
    """
    return PreparedOperation(
        scenario=kind.scenario,
        friendly_name=kind.friendly_name,
        vault_id=fresh.vault_id,
        target=JobTarget("ProtectionEntity", str(fresh.id), fresh.friendly_name),
        graph=graph,
        locks=(item_lock(fresh.id),),
        arguments={
            "item_id": str(fresh.id),
            "role_epoch": fresh.role_epoch,
            **(arguments or {}),
        },
        enter=Entry(fresh, kind.operation, kind.event),
    )


def begin_once(
    item: ProtectedItem,
    scenario: str,
    prepare: Callable[[], PreparedOperation],
    origin: RequestOrigin,
    now: datetime,
) -> Job:
    """Begins what `prepare` gives, unless the same client request has begun it before.

    A job of the item that only waits is ended first.
    """
    begun = begun_job(item.vault_id, scenario, str(item.id), origin.client_request_id)
    if begun is not None:
        return begun
    end_housekeeping(item, now)
    return begin_prepared(prepare(), origin, now)


@dataclass(frozen=True)
class Entry:
    """What brings an item from the state it was seen in into an operation.

    Attributes:
        seen: The item as the operation was prepared for it.
        event: What happens to it.
    """

    seen: ProtectedItem
    operation: Operation
    event: ItemEvent

    def __call__(self) -> None:
        self.check(record_event(self.seen.id, self.event, only_in=[self.before]))

    @property
    def before(self) -> ProtectionState:
        return ProtectionState(self.seen.state)

    def check(self, item: ProtectedItem | None) -> None:
        """Refuses to begin with an item that is not what it was.

        Args:
            item: As it is after the event, which means something only in the state it was seen in.

        Raises:
            RefusedError: OperationNotAllowed, status 409.
        """
        expected = next_state(self.before, self.event)
        epoch = self.seen.role_epoch
        if item is None or item.state != expected or item.role_epoch != epoch:
            now = "gone" if item is None else item.state
            raise refuse(
                "OperationNotAllowed",
                f"{self.seen.friendly_name} changed while {self.operation} was asked for.",
                causes=[f"Its state was {self.before} and is {now}."],
                action="Look at the item's state, then try again.",
                status=409,
            )


def enter_all(operations: Iterable[PreparedOperation]) -> None:
    """Moves many items into their operations, as `PreparedOperation.enter` does one.

    Raises:
        RefusedError: An item has changed since its operation was prepared.
    """
    entries = []
    for operation in operations:
        if isinstance(operation.enter, Entry):
            entries.append(operation.enter)
        else:
            operation.enter()
    items = record_events({entry.seen.id: (entry.before, entry.event) for entry in entries})
    for entry in entries:
        entry.check(items.get(entry.seen.id))
