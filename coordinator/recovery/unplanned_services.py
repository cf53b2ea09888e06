"""Unplanned failover of single machines, change of point, cancelling, and abandoning it."""

from __future__ import annotations

from datetime import datetime

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.protection.models import ProtectedItem
from coordinator.protection.queries import points_of
from coordinator.protection.rules import Operation
from coordinator.protection.services import RequestOrigin, is_failed_over
from coordinator.protection.states import FailoverType, ItemEvent, ProtectionState
from coordinator.recovery import abandon_failover as abandonment
from coordinator.recovery import cancel_failover as cancellation
from coordinator.recovery import change_recovery_point as point_change
from coordinator.recovery import unplanned_failover as unplanned
from coordinator.recovery.directions import check_direction
from coordinator.recovery.machines import snapshot
from coordinator.recovery.options import ChangePointOptions, RecoveryTag, UnplannedFailoverOptions
from coordinator.recovery.prepared import (
    Kind,
    PreparedOperation,
    begin_once,
    checked_item,
    prepared,
)
from coordinator.recovery.recovery_points import Point, missing_point_failure

BEGUN_BEFORE = frozenset(
    {
        ProtectionState.PLANNED_FAILOVER_FAILED,
        ProtectionState.UNPLANNED_FAILOVER_FAILED,
        ProtectionState.FAILOVER_ABANDONED,
    }
)
FAILED_BEFORE = frozenset(
    {*BEGUN_BEFORE, ProtectionState.CHANGING_POINT_FAILED, ProtectionState.CANCELLING_FAILED}
)


def prepare_unplanned_failover(
    item: ProtectedItem, options: UnplannedFailoverOptions, now: datetime
) -> PreparedOperation:
    """Checks and plans an unplanned failover; writes nothing.

    Args:
        item: The protected item.
        options: How.
        now: Time of the request; which providers are connected then decides what is done at the
            source.

    Raises:
        RefusedError: 532 while a job runs on the item; OperationNotAllowed (409) with what would
            allow it; FailoverDirectionNotPossible (409); RecoveryPointNotFound (400) naming those
            there are; ProviderNotRegistered, HostNotPaired.

    Source: SPEC FO-3, FO-6.
    """
    fresh = checked_item(item, Operation.UNPLANNED_FAILOVER)
    check_direction(fresh, options.direction)
    check_point(fresh, options.recovery_tag, options.recovery_point_id)
    return prepared(
        fresh,
        Kind(
            Operation.UNPLANNED_FAILOVER,
            unplanned.SCENARIO,
            unplanned.FRIENDLY_NAME,
            ItemEvent.UNPLANNED_FAILOVER_BEGAN,
        ),
        unplanned.plan_unplanned_failover(
            snapshot(fresh, now, with_networks=True),
            source_site_operations=options.source_site_operations,
            tag=options.recovery_tag,
            point_id=options.recovery_point_id,
            repeated=fresh.state in BEGUN_BEFORE,
        ),
    )


def prepare_change_recovery_point(
    item: ProtectedItem, options: ChangePointOptions, now: datetime
) -> PreparedOperation:
    """Checks and plans a change of recovery point; writes nothing.

    Raises:
        RefusedError: As `prepare_unplanned_failover`.

    Source: SPEC FO-4, FO-6.
    """
    fresh = checked_item(item, Operation.CHANGE_PIT)
    check_point(fresh, options.recovery_tag, options.recovery_point_id)
    return prepared(
        fresh,
        Kind(
            Operation.CHANGE_PIT,
            point_change.SCENARIO,
            point_change.FRIENDLY_NAME,
            ItemEvent.POINT_CHANGE_BEGAN,
        ),
        point_change.plan_change_recovery_point(
            snapshot(fresh, now), tag=options.recovery_tag, point_id=options.recovery_point_id
        ),
        {"failed_before": fresh.state in FAILED_BEFORE},
    )


def prepare_cancel_failover(item: ProtectedItem, now: datetime) -> PreparedOperation:
    """Checks and plans the cancellation of a failover; writes nothing.

    Raises:
        RefusedError: As `prepare_unplanned_failover`; SourceNotConnected (409) after a planned
            failover, whose source nobody could start.

    Source: SPEC FO-4, FO-6.
    """
    fresh = checked_item(item, Operation.CANCEL_FAILOVER)
    machine = snapshot(fresh, now)
    failed_over = is_failed_over(fresh)
    source = machine.passive if failed_over else machine.active
    if not source.connected and fresh.failover_type != FailoverType.UNPLANNED:
        raise _source_not_connected(
            fresh,
            "cancelled",
            "Wait until the server is connected; or leave the machine where it is and commit.",
        )
    return prepared(
        fresh,
        Kind(
            Operation.CANCEL_FAILOVER,
            cancellation.SCENARIO,
            cancellation.FRIENDLY_NAME,
            ItemEvent.CANCELLING_BEGAN,
        ),
        cancellation.plan_cancel_failover(machine, failed_over=failed_over),
        {
            "failed_before": fresh.state in FAILED_BEFORE,
            "abandoned": fresh.state == ProtectionState.FAILOVER_ABANDONED,
        },
    )


def prepare_abandon_failover(item: ProtectedItem, now: datetime) -> PreparedOperation:
    """Checks and plans to bring a machine back without its failed-over copy; writes nothing.

    Raises:
        RefusedError: As `prepare_unplanned_failover`; SourceNotConnected (409).

    Source: SPEC FO-4, FO-6, FO-7.
    """
    fresh = checked_item(item, Operation.ABANDON_FAILOVER)
    machine = snapshot(fresh, now)
    if not machine.passive.connected:
        raise _source_not_connected(fresh, "abandoned", "Wait until the server is connected.")
    return prepared(
        fresh,
        Kind(
            Operation.ABANDON_FAILOVER,
            abandonment.SCENARIO,
            abandonment.FRIENDLY_NAME,
            ItemEvent.CANCELLING_BEGAN,
        ),
        abandonment.plan_abandon_failover(machine),
        {"failed_before": fresh.state in FAILED_BEFORE},
    )


def unplanned_failover(
    item: ProtectedItem, options: UnplannedFailoverOptions, origin: RequestOrigin, now: datetime
) -> Job:
    """Brings a machine up on its other side without counting on the side it ran on.

    Args:
        item: The protected item.
        options: How.
        origin: Who asks.
        now: Time of the request.

    Raises:
        RefusedError: As `prepare_unplanned_failover`.

    Idempotent: By the origin's client request id.

    Source: SPEC FO-3, FO-6.
    """
    return begin_once(
        item,
        unplanned.SCENARIO,
        lambda: prepare_unplanned_failover(item, options, now),
        origin,
        now,
    )


def change_recovery_point(
    item: ProtectedItem, options: ChangePointOptions, origin: RequestOrigin, now: datetime
) -> Job:
    """Takes a failed-over machine to another recovery point; what it wrote since is lost.

    Raises:
        RefusedError: As `prepare_change_recovery_point`.

    Idempotent: By the origin's client request id.

    Source: SPEC FO-4, FO-6.
    """
    return begin_once(
        item,
        point_change.SCENARIO,
        lambda: prepare_change_recovery_point(item, options, now),
        origin,
        now,
    )


def cancel_failover(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Takes a failover back: the machine runs where it did; what it wrote since is lost.

    Raises:
        RefusedError: As `prepare_cancel_failover`.

    Idempotent: By the origin's client request id.

    Source: SPEC FO-4, FO-6.
    """
    return begin_once(
        item, cancellation.SCENARIO, lambda: prepare_cancel_failover(item, now), origin, now
    )


def abandon_failover(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Starts a machine where it came from, without the failed-over copy, whose site is lost.

    What was written in that copy is lost, once the failover is cancelled. Until then it is held.

    Raises:
        RefusedError: As `prepare_abandon_failover`.

    Idempotent: By the origin's client request id.

    Source: SPEC FO-4, FO-6, FO-7.
    """
    return begin_once(
        item, abandonment.SCENARIO, lambda: prepare_abandon_failover(item, now), origin, now
    )


def _source_not_connected(item: ProtectedItem, what: str, action: str) -> RefusedError:
    return refuse(
        "SourceNotConnected",
        f"The failover of {item.friendly_name} cannot be {what}: the server of the side it came "
        "from is not connected, so that it would run on neither side.",
        causes=[
            "The provider's service is stopped, or its server is down.",
            "The network between it and the coordinator is interrupted.",
        ],
        action=action,
        status=409,
    )


def check_point(item: ProtectedItem, tag: RecoveryTag, point_id: str) -> None:
    """Refuses a recovery point that is not there, by what the replica's host told last.

    The job looks again.

    Raises:
        RefusedError: RecoveryPointNotFound, naming those there are.
    """
    if not point_id and tag is not RecoveryTag.LATEST_APPLICATION_CONSISTENT:
        return
    known = [Point(row.point_id, row.time, row.type) for row in points_of(item)]
    failure = missing_point_failure(known, tag, point_id)
    if failure is not None:
        raise refuse(
            failure.code,
            f"{item.friendly_name}: {failure.message}",
            causes=list(failure.possible_causes),
            action=failure.recommended_action,
            field="recoveryPointId" if point_id else "recoveryTag",
        )
