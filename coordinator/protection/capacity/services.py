"""Setting and removing the replication bandwidth limit of a server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import structlog

from coordinator.fabrics.models import Fabric
from coordinator.failures import RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import begun_job, refuse_if_busy
from coordinator.protection.capacity.applying import apply_bandwidth, bandwidth_lock
from coordinator.protection.capacity.planner import SCENARIO
from coordinator.protection.capacity.rules import BadLimitError, Schedule, read_schedule
from coordinator.protection.models import BandwidthLimit
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.resource_names import check_resource_name

log = structlog.get_logger(__name__)

# Of what keeps a change from being made at once, this ends by itself.
WAITS_FOR_PROVIDER = frozenset({"ProviderNotConnected"})


def set_bandwidth_limit(
    fabric: Fabric,
    name: str,
    fields: Mapping[str, object],
    origin: RequestOrigin,
    now: datetime,
) -> tuple[BandwidthLimit, Job | None]:
    """Sets what each host of a server may send for replication, and when.

    Args:
        fabric: The server whose hosts send.
        name: The limit's name in resource ids.
        fields: Of the request; see `read_schedule`.
        origin: Who asks.
        now: The time.

    Returns:
        The limit, and the job that brings it to the hosts. No job when they need no change now,
        or when the provider is away: then it is begun when the provider returns.

    Raises:
        RefusedError: 400: InvalidResourceName, InvalidBandwidthLimit naming the field. 409: the
            server has a limit of another name (BandwidthLimitExists), no provider is registered,
            or a job changes the hosts' limits just now (532).

    Idempotent: By the origin's client request id.

    Source: SPEC CA-2.
    """
    check_resource_name(name)
    schedule = _read(fields)
    # Held until the transaction ends: a server has one limit.
    Fabric.objects.select_for_update(no_key=True).get(pk=fabric.pk)
    limit = BandwidthLimit.objects.filter(fabric=fabric).first()
    if limit is not None and limit.name.lower() != name.lower():
        raise refuse(
            "BandwidthLimitExists",
            f"{fabric.friendly_name} has the bandwidth limit {limit.name} already.",
            causes=["A server has one limit, with as many windows as it needs."],
            action=f"Change {limit.name}, or remove it first.",
            status=409,
        )
    job = begun_job(fabric.vault_id, SCENARIO, str(fabric.id), origin.client_request_id)
    if limit is not None and job is not None:
        return limit, job
    refuse_if_busy(bandwidth_lock(fabric.id))
    limit, _ = BandwidthLimit.objects.update_or_create(
        fabric=fabric,
        defaults={
            "vault_id": fabric.vault_id,
            "name": name if limit is None else limit.name,
            "time_zone": schedule.time_zone,
            "bits_per_second": schedule.bits_per_second,
            "windows": [window.as_json() for window in schedule.windows],
            "changed_at": now,
        },
    )
    log.info("bandwidth.limit_set", vault_id=str(fabric.vault_id), fabric_id=str(fabric.id))
    return limit, _apply(fabric, origin, now)


def remove_bandwidth_limit(
    limit: BandwidthLimit, origin: RequestOrigin, now: datetime
) -> Job | None:
    """Removes a limit; the job takes its policies from the hosts.

    Returns:
        The job; None when no host has a policy, or the provider is away: then they are taken from
        the hosts when it returns.

    Raises:
        RefusedError: 532, status 409, while a job changes the hosts' limits.

    Source: SPEC CA-2.
    """
    fabric = limit.fabric
    refuse_if_busy(bandwidth_lock(fabric.id))
    limit.delete()
    log.info("bandwidth.limit_removed", vault_id=str(fabric.vault_id), fabric_id=str(fabric.id))
    return _apply(fabric, origin, now)


def _apply(fabric: Fabric, origin: RequestOrigin, now: datetime) -> Job | None:
    try:
        return apply_bandwidth(fabric, now, origin)
    except RefusedError as refused:
        if refused.failure.code in WAITS_FOR_PROVIDER:
            return None
        raise


def _read(fields: Mapping[str, object]) -> Schedule:
    try:
        return read_schedule(fields)
    except BadLimitError as error:
        problem = error.problem
        raise refuse(
            "InvalidBandwidthLimit",
            problem.message,
            causes=[f"{problem.field} must be {problem.allowed}."],
            action=f"Give {problem.field} as {problem.allowed}.",
            field=problem.field,
        ) from error
