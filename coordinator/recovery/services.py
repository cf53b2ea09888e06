"""The failover family of single items: planned failover, commit, reverse replicate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

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
from coordinator.protection.queries import failover_networks, side_of_item
from coordinator.protection.rules import Authentication, FailoverNetworks, Operation
from coordinator.protection.services import (
    RequestOrigin,
    item_lock,
    record_event,
    refuse_unless_allowed,
)
from coordinator.protection.states import (
    ActiveLocation,
    FailoverDirection,
    ItemEvent,
    ProtectionState,
    next_state,
)
from coordinator.recovery import commit
from coordinator.recovery import planned_failover as planned
from coordinator.recovery import reverse_replication as reverse
from coordinator.recovery.snapshot import MachineSnapshot, Side


def planned_failover(
    item: ProtectedItem, direction: FailoverDirection | None, origin: RequestOrigin, now: datetime
) -> Job:
    """Moves a machine to its other side without losing anything.

    Args:
        item: The protected item.
        direction: None: away from the side the machine runs on, which is the only way there is.
        origin: Who asks.
        now: Time of the request.

    Raises:
        RefusedError: 532 while a job runs on the item; OperationNotAllowed (409) with what would
            allow it; FailoverDirectionNotPossible (409).

    Idempotent: By the origin's client request id.

    Source: SPEC FO-2, FO-6.
    """
    return _begin(
        _Scenario(
            operation=Operation.PLANNED_FAILOVER,
            scenario=planned.SCENARIO,
            friendly_name=planned.FRIENDLY_NAME,
            event=lambda _: ItemEvent.PLANNED_FAILOVER_BEGAN,
            plan=lambda fresh: planned.plan_planned_failover(_snapshot(fresh, with_networks=True)),
            check=lambda fresh: _check_direction(fresh, direction),
        ),
        item,
        origin,
        now,
    )


def commit_failover(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Makes a failover final: the other recovery points go.

    Raises:
        RefusedError: 532 while a job runs on the item; OperationNotAllowed (409).

    Idempotent: By the origin's client request id.

    Source: SPEC FO-4, FO-6.
    """
    return _begin(
        _Scenario(
            operation=Operation.COMMIT,
            scenario=commit.SCENARIO,
            friendly_name=commit.FRIENDLY_NAME,
            event=lambda _: ItemEvent.COMMIT_BEGAN,
            plan=lambda fresh: commit.plan_commit(_snapshot(fresh)),
        ),
        item,
        origin,
        now,
    )


def reverse_replicate(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Protects a failed-over machine again, towards the side it came from.

    Commits the failover first when that has not been done.

    Raises:
        RefusedError: 532 while a job runs on the item; OperationNotAllowed (409).

    Idempotent: By the origin's client request id.

    Source: SPEC FO-5, FO-6.
    """
    return _begin(
        _Scenario(
            operation=Operation.REVERSE_REPLICATE,
            scenario=reverse.SCENARIO,
            friendly_name=reverse.FRIENDLY_NAME,
            event=lambda fresh: (
                ItemEvent.REVERSING_BEGAN if _committed(fresh) else ItemEvent.COMMIT_BEGAN
            ),
            plan=lambda fresh: reverse.plan_reverse_replication(
                _snapshot(fresh), committed=_committed(fresh)
            ),
        ),
        item,
        origin,
        now,
    )


def _check_nothing(item: ProtectedItem) -> None:
    del item


@dataclass(frozen=True, kw_only=True)
class _Scenario:
    """What the operations differ in; the functions get the item as it is in the database."""

    operation: Operation
    scenario: str
    friendly_name: str
    event: Callable[[ProtectedItem], ItemEvent]
    plan: Callable[[ProtectedItem], Graph]
    check: Callable[[ProtectedItem], None] = _check_nothing


def _begin(scenario: _Scenario, item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    begun = begun_job(item.vault_id, scenario.scenario, str(item.id), origin.client_request_id)
    if begun is not None:
        return begun
    refuse_if_busy(item_lock(item.id))
    fresh = ProtectedItem.objects.select_related(
        "pairing__policy",
        "pairing__primary_fabric",
        "pairing__recovery_fabric",
        "pairing__primary_cloud",
        "pairing__recovery_cloud",
    ).get(id=item.id)
    refuse_unless_allowed(fresh, scenario.operation)
    scenario.check(fresh)
    # The lock of the operation before the lock of the row: the engine, which takes them the other
    # way round, holds the former already.
    job = begin_job(
        BeginJob(
            vault_id=fresh.vault_id,
            scenario=scenario.scenario,
            friendly_name=scenario.friendly_name,
            target=JobTarget(
                "ProtectionEntity", str(fresh.id), fresh.friendly_name, origin.target_resource
            ),
            graph=scenario.plan(fresh),
            locks=(item_lock(fresh.id),),
            queue=QueueName.FAILOVER,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            arguments={"item_id": str(fresh.id), "committed": _committed(fresh)},
        ),
        now,
    )
    if job.created_at == now:
        _enter(scenario, fresh)
    return job


def _enter(scenario: _Scenario, seen: ProtectedItem) -> None:
    """Moves the item on, now that no other operation can begin on it.

    Raises:
        RefusedError: Another operation has come and gone since the item was read.
    """
    before, event = ProtectionState(seen.state), scenario.event(seen)
    item = record_event(seen.id, event, only_in=[before])
    if item.state != next_state(before, event):
        raise refuse(
            "OperationNotAllowed",
            f"{seen.friendly_name} changed while {scenario.operation} was asked for.",
            causes=[f"Its state was {before} and is {item.state}."],
            action="Look at the item's state, then try again.",
            status=409,
        )


def _committed(item: ProtectedItem) -> bool:
    return item.state in {ProtectionState.COMMITTED, ProtectionState.REVERSING_FAILED}


def _check_direction(item: ProtectedItem, direction: FailoverDirection | None) -> None:
    active = ActiveLocation(item.active_location)
    if direction is not None and direction.source is not active:
        raise refuse(
            "FailoverDirectionNotPossible",
            f"{item.friendly_name} cannot fail over {direction}: it runs on the {active} side.",
            causes=["A failover goes from the side a machine runs on to the other."],
            action="Choose the other direction.",
            status=409,
            field="failoverDirection",
        )


def _snapshot(item: ProtectedItem, *, with_networks: bool = False) -> MachineSnapshot:
    active = ActiveLocation(item.active_location)
    return MachineSnapshot(
        vm_id=item.vm_id,
        active=_side(item, active),
        passive=_side(item, active.other),
        authentication_type=Authentication(item.pairing.policy.authentication_type),
        replication_port=item.pairing.policy.replication_port,
        networks=failover_networks(item) if with_networks else FailoverNetworks(),
    )


def _side(item: ProtectedItem, location: ActiveLocation) -> Side:
    side = side_of_item(item, location)
    return Side(
        provider_id=side.provider_id,
        host=side.host,
        connection_point=side.connection_point,
        certificate_thumbprint=side.certificate_thumbprint,
    )
