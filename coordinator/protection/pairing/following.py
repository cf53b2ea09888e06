"""Hosts follow their clouds by themselves: what joined is configured, what left is cleared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

import structlog
from django.db import transaction
from django.db.models import Q

from coordinator.fabrics.models import Fabric
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.jobs.queries import running_job_for
from coordinator.jobs.registry import FinishedJob, RecordCall
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job, enqueue
from coordinator.jobs.states import JobState
from coordinator.protection.inventory import connected_provider_of
from coordinator.protection.models import PairedHost, Pairing
from coordinator.protection.pairing.authorizations import PairedNames, groups_on
from coordinator.protection.pairing.host_certificates import forget
from coordinator.protection.pairing.host_changes import FoundChanges, find_changes
from coordinator.protection.pairing.host_changes_planner import (
    FRIENDLY_NAME,
    SCENARIO,
    HostChanges,
    plan_host_changes,
)
from coordinator.protection.pairing.host_steps import Receiver
from coordinator.protection.pairing.keys import RETIRE_TASK, pairing_lock, trust_group_of
from coordinator.protection.pairing.receivers import (
    fabric_at,
    names_of_pairings,
    paired_receivers,
    point_of,
    receivers_of,
    with_authorizations,
    with_certificates,
)
from coordinator.protection.pairing.records import record_hosts
from coordinator.protection.pairing.services import listening_of, locks_of
from coordinator.protection.pairing.unpairing_planner import UnpairingHost
from coordinator.protection.pairing.unpairing_services import unpairing_hosts
from coordinator.protection.requests import BY_ITSELF
from coordinator.protection.retry_pauses import note_failure, note_success, paused
from coordinator.protection.states import PairingState

log = structlog.get_logger(__name__)

FOLLOW_HOSTS_TASK = "protection.follow_hosts"


def follow_hosts_of(fabric: Fabric, now: datetime) -> None:
    """Follows the hosts of every pairing of a server whose inventory changed."""
    for pairing in _paired(Q(primary_fabric=fabric) | Q(recovery_fabric=fabric)):
        _follow_or_leave(pairing, now)


def follow_all_hosts(now: datetime) -> None:
    """Follows the hosts of every pairing: what could not be done when the inventory changed."""
    for pairing in _paired(Q()):
        _follow_or_leave(pairing, now)


def follow_hosts(pairing: Pairing, now: datetime) -> Job | None:
    """Begins the job that brings the hosts of a pairing in step with its clouds.

    Returns:
        The job UpdateCloudPairing; None when nothing differs, a job runs on the pairing already, or
        the last attempt failed a moment ago.

    Raises:
        RefusedError: A provider is not connected, or a job runs on one of the hosts. The next look
            tries again.

    Source: SPEC PA-3.
    """
    found = find_changes(pairing, now)
    if not found.any:
        _tell(pairing, [failure.as_json() for failure in found.unfit])
        return None
    if paused(pause_key(pairing), now) or running_job_for(pairing_lock(pairing)) is not None:
        return None
    if pairing.configured_port not in {None, pairing.policy.replication_port}:
        # Its policy was edited: first the hosts there are listen as it says now.
        return None
    changes, receivers = _plan(pairing, found, now)
    job = begin_job(
        BeginJob(
            vault_id=pairing.vault_id,
            scenario=SCENARIO,
            friendly_name=FRIENDLY_NAME,
            target=JobTarget("ProtectionProfile", str(pairing.id), pairing.policy.name),
            graph=plan_host_changes(changes),
            locks=(pairing_lock(pairing), *locks_of(receivers)),
            queue=QueueName.REPLICATION,
            started_by=BY_ITSELF.started_by,
            arguments={
                "pairing_id": str(pairing.id),
                "unfit": [failure.as_json() for failure in found.unfit],
            },
        ),
        now,
    )
    log.info(
        "pairing.hosts_changed",
        pairing=pairing.name,
        joined=[each.name for each in changes.joined],
        left=[each.receiver.name for each in changes.left],
        job_id=str(job.id),
    )
    return job


def pause_key(pairing: Pairing) -> str:
    """Key of the pause after failures."""
    return f"pairing-hosts:{pairing.id}"


def hosts_followed(call: RecordCall) -> Mapping[str, object]:
    """Records joined hosts and their peers as configured, and forgets those that left."""
    pairing = Pairing.objects.select_for_update(no_key=True).get(
        id=str(call.arguments["pairing_id"])
    )
    record_hosts(pairing, cast("list[Mapping[str, object]]", call.inputs["hosts"]), call.now)
    PairedHost.objects.filter(pk__in=cast("list[int]", call.inputs["left_rows"])).delete()
    forget(cast("list[int]", call.inputs["cleaned_host_ids"]))
    enqueue(RETIRE_TASK, QueueName.INVENTORY, now=call.now)
    return {}


def following_finished(job: FinishedJob) -> None:
    """After a failure the pairing says why, and the next attempt waits longer each time."""
    pairing = Pairing.objects.select_for_update(no_key=True).get(
        id=str(job.arguments["pairing_id"])
    )
    unfit = cast("list[dict[str, object]]", job.arguments["unfit"])
    if job.state is JobState.SUCCEEDED:
        note_success(pause_key(pairing))
        _tell(pairing, unfit)
        return
    note_failure(pause_key(pairing), job.now)
    _tell(pairing, [*unfit, *(failure.as_json() for failure in job.failures)])


def _paired(which: Q) -> Sequence[Pairing]:
    return list(
        Pairing.objects.filter(which, state=PairingState.PAIRED).select_related(
            "policy",
            "primary_fabric",
            "recovery_fabric",
            "primary_cloud__fabric",
            "recovery_cloud__fabric",
        )
    )


def _follow_or_leave(pairing: Pairing, now: datetime) -> None:
    try:
        with transaction.atomic():
            follow_hosts(pairing, now)
    except RefusedError as refused:
        log.info("pairing.hosts_wait", pairing=pairing.name, reason=refused.failure.code)


def _tell(pairing: Pairing, errors: list[dict[str, object]]) -> None:
    if pairing.host_errors != errors:
        pairing.host_errors = errors
        pairing.save(update_fields=["host_errors"])


def _plan(
    pairing: Pairing, found: FoundChanges, now: datetime
) -> tuple[HostChanges, list[Receiver]]:
    joining = [
        receiver
        for location, hosts in found.joined.items()
        if hosts
        for receiver in receivers_of(
            hosts, location, str(connected_provider_of(fabric_at(pairing, location), now).id)
        )
    ]
    names = names_of_pairings(
        pairing.vault_id,
        joining={pairing.id: joining},
        leaving=[row.pk for row in found.left],
    )
    joined = with_authorizations(with_certificates(joining, now), names)
    peers = with_authorizations(_peers(pairing, found, joining, now), names)
    left = _left(pairing, found)
    left_sides = {each.receiver.location for each in left}
    changes = HostChanges(
        trust_group=trust_group_of(pairing),
        listening=listening_of(pairing.policy),
        joined=tuple(joined),
        peers=tuple(peers),
        peers_forget=tuple(
            _forgetting(peer, names) for peer in peers if left_sides - {peer.location}
        ),
        left=left,
        left_rows=tuple(row.pk for row in found.left),
        cleaned_host_ids=tuple(
            node.host_id for each in left if not each.shared for node in each.receiver.nodes
        ),
    )
    return changes, [*joined, *peers, *(each.receiver for each in left)]


def _peers(
    pairing: Pairing, found: FoundChanges, joining: list[Receiver], now: datetime
) -> list[Receiver]:
    """Configured receivers opposite to a side that changed, but those that join anew."""
    changed = {receiver.location for receiver in joining} | {row.location for row in found.left}
    names = {receiver.name for receiver in joining}
    rows = [
        row
        for row in found.kept
        if changed - {row.location} and row.host.gone_at is None and point_of(row) not in names
    ]
    for row in rows:
        connected_provider_of(fabric_at(pairing, row.location), now)
    return paired_receivers(rows)


def _left(pairing: Pairing, found: FoundChanges) -> tuple[UnpairingHost, ...]:
    """What left, as what stays on it; a node that left a cluster takes no settings with it."""
    staying = {point_of(row) for row in found.kept}
    rows = [row for row in found.left if point_of(row) not in staying]
    return unpairing_hosts(pairing, paired_receivers(rows))


def _forgetting(peer: Receiver, names: list[PairedNames]) -> UnpairingHost:
    """A peer loses the entries of what left and keeps all it should have."""
    return UnpairingHost(receiver=peer, trust_groups=groups_on(names, peer.name), shared=True)
