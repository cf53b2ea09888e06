"""The failover family of single machines: each operation prepared, and begun as a job of its own.

Recovery plans prepare the operations of their machines here too, and begin them as one family.
"""

from __future__ import annotations

from datetime import datetime

from coordinator.jobs.models import Job
from coordinator.protection.models import ProtectedItem
from coordinator.protection.rules import Operation
from coordinator.protection.services import RequestOrigin
from coordinator.protection.states import (
    FailoverDirection,
    FailoverType,
    ItemEvent,
    ProtectionState,
)
from coordinator.recovery import commit
from coordinator.recovery import planned_failover as planned
from coordinator.recovery import reverse_replication as reverse
from coordinator.recovery.directions import check_direction
from coordinator.recovery.machines import snapshot
from coordinator.recovery.options import (
    ChangePointOptions,
    PlannedFailoverOptions,
    RecoveryTag,
    UnplannedFailoverOptions,
)
from coordinator.recovery.prepared import (
    Kind,
    PreparedOperation,
    begin_once,
    checked_item,
    prepared,
)
from coordinator.recovery.unplanned_services import (
    abandon_failover,
    cancel_failover,
    change_recovery_point,
    prepare_abandon_failover,
    prepare_cancel_failover,
    prepare_change_recovery_point,
    prepare_unplanned_failover,
    unplanned_failover,
)

__all__ = [
    "ChangePointOptions",
    "PlannedFailoverOptions",
    "RecoveryTag",
    "UnplannedFailoverOptions",
    "abandon_failover",
    "cancel_failover",
    "change_recovery_point",
    "commit_failover",
    "planned_failover",
    "prepare_abandon_failover",
    "prepare_cancel_failover",
    "prepare_change_recovery_point",
    "prepare_commit",
    "prepare_planned_failover",
    "prepare_reverse_replication",
    "prepare_unplanned_failover",
    "reverse_replicate",
    "unplanned_failover",
]


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
    fresh = checked_item(item, Operation.PLANNED_FAILOVER)
    check_direction(fresh, options.direction)
    return prepared(
        fresh,
        Kind(
            Operation.PLANNED_FAILOVER,
            planned.SCENARIO,
            planned.FRIENDLY_NAME,
            ItemEvent.PLANNED_FAILOVER_BEGAN,
        ),
        planned.plan_planned_failover(
            snapshot(fresh, now, with_networks=True),
            repeated=fresh.state == ProtectionState.PLANNED_FAILOVER_FAILED,
        ),
    )


def prepare_commit(item: ProtectedItem, now: datetime) -> PreparedOperation:
    """Checks and plans a commit; writes nothing.

    Raises:
        RefusedError: As `prepare_planned_failover`.

    Source: SPEC FO-4, FO-6.
    """
    fresh = checked_item(item, Operation.COMMIT)
    return prepared(
        fresh,
        Kind(Operation.COMMIT, commit.SCENARIO, commit.FRIENDLY_NAME, ItemEvent.COMMIT_BEGAN),
        commit.plan_commit(snapshot(fresh, now)),
    )


def prepare_reverse_replication(item: ProtectedItem, now: datetime) -> PreparedOperation:
    """Checks and plans a reverse replication; writes nothing.

    Raises:
        RefusedError: As `prepare_planned_failover`.

    Source: SPEC FO-5, FO-6.
    """
    fresh = checked_item(item, Operation.REVERSE_REPLICATE)
    committed = _committed(fresh)
    return prepared(
        fresh,
        Kind(
            Operation.REVERSE_REPLICATE,
            reverse.SCENARIO,
            reverse.FRIENDLY_NAME,
            ItemEvent.REVERSING_BEGAN if committed else ItemEvent.COMMIT_BEGAN,
        ),
        reverse.plan_reverse_replication(
            snapshot(fresh, now), committed=committed, compare=_compare(fresh)
        ),
        {"committed": committed},
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
    return begin_once(
        item, planned.SCENARIO, lambda: prepare_planned_failover(item, options, now), origin, now
    )


def commit_failover(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Makes a failover final: the other recovery points go.

    Raises:
        RefusedError: As `prepare_commit`.

    Idempotent: By the origin's client request id.

    Source: SPEC FO-4, FO-6.
    """
    return begin_once(item, commit.SCENARIO, lambda: prepare_commit(item, now), origin, now)


def reverse_replicate(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Protects a failed-over machine again, towards the side it came from.

    Commits the failover first when that has not been done.

    Raises:
        RefusedError: As `prepare_reverse_replication`.

    Idempotent: By the origin's client request id.

    Source: SPEC FO-5, FO-6.
    """
    return begin_once(
        item, reverse.SCENARIO, lambda: prepare_reverse_replication(item, now), origin, now
    )


def _committed(item: ProtectedItem) -> bool:
    return item.state in {ProtectionState.COMMITTED, ProtectionState.REVERSING_FAILED}


def _compare(item: ProtectedItem) -> bool:
    """The source has changes that the failed-over copy has not."""
    return item.failover_type == FailoverType.UNPLANNED and not item.sides_in_step
