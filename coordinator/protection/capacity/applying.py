"""Bringing hosts in step with the limit that is in force: when it changes, and when they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from coordinator.fabrics.models import Fabric, Host
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.jobs.queries import find_job, running_job_for
from coordinator.jobs.registry import FinishedJob
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job
from coordinator.jobs.states import StepState
from coordinator.protection.capacity.planner import (
    FRIENDLY_NAME,
    SCENARIO,
    STEP_PREFIX,
    HostLimits,
    plan_bandwidth,
)
from coordinator.protection.capacity.rules import Schedule, limit_in_force, schedule_of
from coordinator.protection.inventory import connected_provider_of
from coordinator.protection.models import BandwidthLimit, HostBandwidth, Pairing
from coordinator.protection.pairing.coverage import cloud_at, hosts_covered
from coordinator.protection.requests import BY_ITSELF, RequestOrigin
from coordinator.protection.retry_pauses import note_failure, note_success, paused
from coordinator.protection.states import ActiveLocation, PairingState

log = structlog.get_logger(__name__)

FOLLOW_TASK = "protection.follow_bandwidth"


@dataclass(frozen=True)
class HostStanding:
    """What a host should keep to and what it was last made to; by destination port."""

    host: Host
    wanted: Mapping[int, int]
    applied: Mapping[int, int]

    @property
    def differs(self) -> bool:
        return self.wanted != self.applied


def bandwidth_lock(fabric_id: UUID) -> str:
    """Key of the lock that the one job of a server's limit holds."""
    return f"bandwidth:{fabric_id}"


def standings(fabric: Fabric, now: datetime) -> list[HostStanding]:
    """Every host of the server that has a limit, or should have one, by name."""
    limit = BandwidthLimit.objects.filter(fabric=fabric).first()
    bits = None if limit is None else limit_in_force(_schedule(limit), now)
    wanted: dict[int, dict[int, int]] = {}
    hosts: dict[int, Host] = {}
    if bits is not None:
        for host, port in _senders(fabric):
            hosts[host.pk] = host
            wanted.setdefault(host.pk, {})[port] = bits
    applied: dict[int, dict[int, int]] = {}
    rows = HostBandwidth.objects.filter(host__fabric=fabric, host__gone_at=None)
    for row in rows.select_related("host"):
        hosts[row.host_id] = row.host
        applied[row.host_id] = {int(port): rate for port, rate in row.limits.items()}
    return [
        HostStanding(host, wanted.get(host.pk, {}), applied.get(host.pk, {}))
        for host in sorted(hosts.values(), key=lambda host: host.name)
    ]


def apply_bandwidth(fabric: Fabric, now: datetime, origin: RequestOrigin = BY_ITSELF) -> Job | None:
    """Begins the job that changes what differs on a server's hosts.

    Returns:
        The job LimitReplicationBandwidth; None when nothing differs, or when only hosts do that
        failed a moment ago and this is nobody's request.

    Raises:
        RefusedError: 409: the provider is not connected, or such a job runs (532). What differs is
            looked at again by itself.

    Source: SPEC CA-2.
    """
    differing = [
        standing
        for standing in standings(fabric, now)
        if standing.differs and (origin is not BY_ITSELF or not paused(_pause_key(standing), now))
    ]
    if not differing:
        return None
    provider = connected_provider_of(fabric, now)
    return begin_job(
        BeginJob(
            vault_id=fabric.vault_id,
            scenario=SCENARIO,
            friendly_name=FRIENDLY_NAME,
            target=JobTarget(
                "Server", str(fabric.id), fabric.friendly_name, origin.target_resource
            ),
            graph=plan_bandwidth(
                str(provider.id),
                tuple(HostLimits(each.host.name, each.wanted) for each in differing),
            ),
            locks=(bandwidth_lock(fabric.id),),
            queue=QueueName.REPLICATION,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
            arguments={
                "fabric_id": str(fabric.id),
                "hosts": {
                    each.host.name: {
                        "host_id": each.host.pk,
                        "limits": {str(port): bits for port, bits in each.wanted.items()},
                    }
                    for each in differing
                },
            },
        ),
        now,
    )


def applying_finished(job: FinishedJob) -> None:
    """Keeps what each host was made to; one that failed is left alone for a while.

    Hosts do not wait for each other, so some may have succeeded in a job that failed.
    """
    view = find_job(job.vault_id, job.job_id)
    steps = {} if view is None else {step.key: step.state for step in view.steps}
    hosts = cast("Mapping[str, Mapping[str, object]]", job.arguments["hosts"])
    for name, told in hosts.items():
        host_id = cast("int", told["host_id"])
        if steps.get(STEP_PREFIX + name) is not StepState.SUCCEEDED:
            note_failure(f"bandwidth:{host_id}", job.now)
            continue
        note_success(f"bandwidth:{host_id}")
        if told["limits"]:
            HostBandwidth.objects.update_or_create(
                host_id=host_id, defaults={"limits": told["limits"], "applied_at": job.now}
            )
        else:
            HostBandwidth.objects.filter(host_id=host_id).delete()


def follow_bandwidth_of(fabric: Fabric, now: datetime) -> None:
    """After a change of the inventory: hosts that joined get the limit, if there is one."""
    concerned = (
        BandwidthLimit.objects.filter(fabric=fabric).exists()
        or HostBandwidth.objects.filter(host__fabric=fabric).exists()
    )
    if concerned and running_job_for(bandwidth_lock(fabric.id)) is None:
        _apply_or_leave(fabric, now)


def follow_bandwidth(now: datetime) -> None:
    """Applies every limit anew: windows begin and end, providers return, hosts join and leave."""
    of_hosts = HostBandwidth.objects.values("host__fabric_id")
    of_limits = BandwidthLimit.objects.values("fabric_id")
    for fabric in Fabric.objects.filter(Q(id__in=of_limits) | Q(id__in=of_hosts)):
        follow_bandwidth_of(fabric, now)


def _apply_or_leave(fabric: Fabric, now: datetime) -> None:
    try:
        with transaction.atomic():
            apply_bandwidth(fabric, now)
    except RefusedError as refused:
        log.debug("bandwidth.change_waits", fabric_id=str(fabric.id), reason=refused.failure.code)


def _senders(fabric: Fabric) -> Iterator[tuple[Host, int]]:
    """Hosts of the server's paired clouds, whichever side, and the ports they send to."""
    pairings = Pairing.objects.filter(
        Q(primary_fabric=fabric) | Q(recovery_fabric=fabric), state=PairingState.PAIRED
    ).select_related("policy", "primary_cloud", "recovery_cloud")
    for pairing in pairings:
        for location in ActiveLocation:
            if cloud_at(pairing, location).fabric_id == fabric.id:
                for host in hosts_covered(pairing, location):
                    yield host, pairing.policy.replication_port


def _schedule(limit: BandwidthLimit) -> Schedule:
    return schedule_of(limit.bits_per_second, limit.windows, limit.time_zone)


def _pause_key(standing: HostStanding) -> str:
    return f"bandwidth:{standing.host.pk}"
