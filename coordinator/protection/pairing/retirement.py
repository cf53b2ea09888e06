"""Removing the certificates that others took the place of, once no machine names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q

from coordinator.failures import RefusedError
from coordinator.jobs.queries import running_jobs_for
from coordinator.jobs.registry import FinishedJob, RecordCall
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job
from coordinator.jobs.states import JobState
from coordinator.protection.inventory import connected_provider_of
from coordinator.protection.models import HostCertificate, PairedHost, ProtectedItem
from coordinator.protection.pairing.host_certificates import forget, superseded_on
from coordinator.protection.pairing.host_steps import Node
from coordinator.protection.pairing.keys import host_lock_of
from coordinator.protection.pairing.receivers import point_of
from coordinator.protection.pairing.renewal_planner import (
    RETIRE_FRIENDLY_NAME,
    RETIRE_SCENARIO,
    ReplicatingMachine,
    Retirement,
    plan_retirement,
)
from coordinator.protection.requests import BY_ITSELF
from coordinator.protection.retry_pauses import note_failure, note_success, paused
from coordinator.protection.states import ActiveLocation, PairingState, ProtectionState
from coordinator.protection.transitions import item_lock

log = structlog.get_logger(__name__)

# States in which nothing is under way that was planned with a certificate, and in which the
# relationship of the side that sends is known.
SETTLED = frozenset(
    {
        ProtectionState.READY_TO_COPY,
        ProtectionState.INITIAL_REPLICATION,
        ProtectionState.INITIAL_REPLICATION_COMPLETED,
        ProtectionState.PROTECTED,
    }
)


def retire_certificates(now: datetime) -> None:
    """Begins a job for each host (or cluster) that has superseded certificates, if it may.

    A host is left for a later round while a job runs on one of its items, or one of them is failed
    over and not reversed: its old side still names the old certificate. Source: SPEC PO-3.
    """
    hosts = HostCertificate.objects.filter(superseded_at__isnull=False).values("host_id")
    rows = (
        PairedHost.objects.filter(host_id__in=hosts, pairing__state=PairingState.PAIRED)
        .exclude(certificate_thumbprint="")
        .select_related("host__fabric", "pairing")
        .order_by("pk")
    )
    # Vaults may know hosts of one name.
    receivers: dict[tuple[UUID, str], dict[int, PairedHost]] = {}
    for row in rows:
        key = (row.pairing.vault_id, point_of(row))
        receivers.setdefault(key, {})[row.host_id] = row
    for (vault_id, name), members in sorted(receivers.items()):
        if paused(pause_key(vault_id, name), now):
            continue
        try:
            with transaction.atomic():
                _retire(name, list(members.values()), now)
        except RefusedError as refused:
            log.info("certificate.retirement_waits", host=name, reason=refused.failure.code)


def pause_key(vault_id: UUID, name: str) -> str:
    """Key of the pause after failures."""
    return f"retirement:{vault_id}:{name}"[:128]


def certificates_removed(call: RecordCall) -> Mapping[str, object]:
    """A host no longer has these certificates."""
    forget([cast("int", call.inputs["host_id"])], cast("list[str]", call.inputs["thumbprints"]))
    return {}


def retirement_finished(job: FinishedJob) -> None:
    """After a failure the next attempt for the host waits longer each time."""
    key = pause_key(job.vault_id, str(job.arguments["name"]))
    if job.state is JobState.SUCCEEDED:
        note_success(key)
    else:
        note_failure(key, job.now)


def _retire(name: str, rows: list[PairedHost], now: datetime) -> None:
    items = _items_on([row.host.name for row in rows], rows)
    if any(ProtectionState(item.state) not in SETTLED for item in items):
        return
    if running_jobs_for([item_lock(item.id) for item in items]):
        return
    superseded = superseded_on(row.host_id for row in rows)
    provider = connected_provider_of(rows[0].host.fabric, now)
    hosts = {row.host.name for row in rows}
    retirement = Retirement(
        provider_id=str(provider.id),
        thumbprint=rows[0].certificate_thumbprint,
        superseded=tuple(
            (Node(row.host_id, row.host.name), tuple(superseded[row.host_id]))
            for row in rows
            if row.host_id in superseded
        ),
        machines=tuple(
            ReplicatingMachine(item.vm_id, _sending_host(item))
            for item in items
            if _sending_host(item) in hosts
        ),
    )
    begin_job(
        BeginJob(
            vault_id=rows[0].pairing.vault_id,
            scenario=RETIRE_SCENARIO,
            friendly_name=RETIRE_FRIENDLY_NAME,
            target=JobTarget("Host", str(rows[0].host_id), name),
            graph=plan_retirement(retirement),
            locks=tuple(host_lock_of(row.host_id) for row in rows),
            queue=QueueName.INVENTORY,
            started_by=BY_ITSELF.started_by,
            arguments={"name": name},
        ),
        now,
    )


def _items_on(hosts: Collection[str], rows: list[PairedHost]) -> list[ProtectedItem]:
    """Items with a side on one of the hosts, by name."""
    vault_id = rows[0].pairing.vault_id
    return list(
        ProtectedItem.objects.filter(
            Q(primary_host__in=hosts) | Q(recovery_host__in=hosts), vault_id=vault_id
        ).order_by("friendly_name", "id")
    )


def _sending_host(item: ProtectedItem) -> str:
    if item.active_location == ActiveLocation.PRIMARY:
        return item.primary_host
    return item.recovery_host
