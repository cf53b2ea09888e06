"""The failover family of single machines: each operation prepared, and begun as a job of its own.

Recovery plans prepare the operations of their machines here too, and begin them as one family.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from coordinator.failures import refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import JobTarget, begun_job, refuse_if_busy
from coordinator.jobs.steps import Graph
from coordinator.protection.models import ProtectedItem
from coordinator.protection.rules import Operation
from coordinator.protection.services import RequestOrigin, item_lock, refuse_unless_allowed
from coordinator.protection.states import (
    ActiveLocation,
    FailoverDirection,
    ItemEvent,
    ProtectionState,
)
from coordinator.recovery import commit
from coordinator.recovery import planned_failover as planned
from coordinator.recovery import reverse_replication as reverse
from coordinator.recovery.machines import fresh_item, snapshot
from coordinator.recovery.options import PlannedFailoverOptions
from coordinator.recovery.prepared import PreparedOperation, begin_prepared, entering


def prepare_planned_failover(
    item: ProtectedItem, options: PlannedFailoverOptions, now: datetime
) -> PreparedOperation:
    """Checks and plans a planned failover; writes nothing.

    Args:
        item: The protected item.
        options: How.
        now: Time of the request.

    Raises:
        RefusedError: 532 while a job runs on the item; OperationNotAllowed (409) with what would
            allow it; FailoverDirectionNotPossible (409); ProviderNotRegistered, HostNotPaired.

    Source: SPEC FO-2, FO-6.
    """
    fresh = _checked(item, Operation.PLANNED_FAILOVER)
    _check_direction(fresh, options.direction)
    return _prepared(
        fresh,
        _Kind(
            Operation.PLANNED_FAILOVER,
            planned.SCENARIO,
            planned.FRIENDLY_NAME,
            ItemEvent.PLANNED_FAILOVER_BEGAN,
        ),
        planned.plan_planned_failover(snapshot(fresh, now, with_networks=True)),
    )


def prepare_commit(item: ProtectedItem, now: datetime) -> PreparedOperation:
    """Checks and plans a commit; writes nothing.

    Raises:
        RefusedError: As `prepare_planned_failover`.

    Source: SPEC FO-4, FO-6.
    """
    fresh = _checked(item, Operation.COMMIT)
    return _prepared(
        fresh,
        _Kind(Operation.COMMIT, commit.SCENARIO, commit.FRIENDLY_NAME, ItemEvent.COMMIT_BEGAN),
        commit.plan_commit(snapshot(fresh, now)),
    )


def prepare_reverse_replication(item: ProtectedItem, now: datetime) -> PreparedOperation:
    """Checks and plans a reverse replication; writes nothing.

    Raises:
        RefusedError: As `prepare_planned_failover`.

    Source: SPEC FO-5, FO-6.
    """
    fresh = _checked(item, Operation.REVERSE_REPLICATE)
    committed = _committed(fresh)
    return _prepared(
        fresh,
        _Kind(
            Operation.REVERSE_REPLICATE,
            reverse.SCENARIO,
            reverse.FRIENDLY_NAME,
            ItemEvent.REVERSING_BEGAN if committed else ItemEvent.COMMIT_BEGAN,
        ),
        reverse.plan_reverse_replication(snapshot(fresh, now), committed=committed),
    )


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
        RefusedError: As `prepare_planned_failover`.

    Idempotent: By the origin's client request id.

    Source: SPEC FO-2, FO-6.
    """
    options = PlannedFailoverOptions(direction=direction)
    return _begin(
        planned.SCENARIO, item, lambda: prepare_planned_failover(item, options, now), origin, now
    )


def commit_failover(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Makes a failover final: the other recovery points go.

    Raises:
        RefusedError: As `prepare_commit`.

    Idempotent: By the origin's client request id.

    Source: SPEC FO-4, FO-6.
    """
    return _begin(commit.SCENARIO, item, lambda: prepare_commit(item, now), origin, now)


def reverse_replicate(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Protects a failed-over machine again, towards the side it came from.

    Commits the failover first when that has not been done.

    Raises:
        RefusedError: As `prepare_reverse_replication`.

    Idempotent: By the origin's client request id.

    Source: SPEC FO-5, FO-6.
    """
    return _begin(
        reverse.SCENARIO, item, lambda: prepare_reverse_replication(item, now), origin, now
    )


@dataclass(frozen=True)
class _Kind:
    operation: Operation
    scenario: str
    friendly_name: str
    event: ItemEvent


def _begin(
    scenario: str,
    item: ProtectedItem,
    prepare: Callable[[], PreparedOperation],
    origin: RequestOrigin,
    now: datetime,
) -> Job:
    begun = begun_job(item.vault_id, scenario, str(item.id), origin.client_request_id)
    return begun if begun is not None else begin_prepared(prepare(), origin, now)


def _checked(item: ProtectedItem, operation: Operation) -> ProtectedItem:
    refuse_if_busy(item_lock(item.id))
    fresh = fresh_item(item.id)
    refuse_unless_allowed(fresh, operation)
    return fresh


def _prepared(fresh: ProtectedItem, kind: _Kind, graph: Graph) -> PreparedOperation:
    return PreparedOperation(
        scenario=kind.scenario,
        friendly_name=kind.friendly_name,
        vault_id=fresh.vault_id,
        target=JobTarget("ProtectionEntity", str(fresh.id), fresh.friendly_name),
        graph=graph,
        locks=(item_lock(fresh.id),),
        arguments={"item_id": str(fresh.id), "committed": _committed(fresh)},
        enter=entering(fresh, kind.operation, kind.event),
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
