"""Renewing the certificates of hosts before they expire, by itself or when asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast
from uuid import UUID

import structlog
from django.db import transaction

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.jobs.registry import FinishedJob, RecordCall
from coordinator.jobs.services import (
    BeginJob,
    JobTarget,
    QueueName,
    begin_job,
    begun_job,
    enqueue,
    refuse_if_busy,
)
from coordinator.jobs.states import JobState
from coordinator.protection.inventory import connected_provider_of
from coordinator.protection.models import PairedHost, Pairing
from coordinator.protection.pairing.host_certificates import record_switched
from coordinator.protection.pairing.host_steps import Receiver
from coordinator.protection.pairing.keys import RETIRE_TASK, pairing_lock
from coordinator.protection.pairing.receivers import (
    fabric_at,
    names_of_pairings,
    paired_receivers,
    with_authorizations,
)
from coordinator.protection.pairing.renewal_planner import (
    RENEW_FRIENDLY_NAME,
    RENEW_SCENARIO,
    is_due,
    plan_renewal,
)
from coordinator.protection.pairing.services import listening_of, locks_of
from coordinator.protection.policies.rules import Authentication
from coordinator.protection.requests import BY_ITSELF, RequestOrigin
from coordinator.protection.retry_pauses import note_failure, note_success, paused
from coordinator.protection.states import PairingState
from coordinator.vaults.services import HOST_CERTIFICATE_LIFETIME

log = structlog.get_logger(__name__)

RENEW_TASK = "protection.renew_certificates"
# So many jobs begin in one round: hosts paired on one day would all be due on one day.
MOST_A_ROUND = 20


def renew_due_certificates(now: datetime) -> None:
    """Begins a job for each host whose certificate has a third of its life left.

    Hosts that cannot be reached now, or that failed lately, wait for a later round; there is a long
    time left. Source: SPEC PO-3.
    """
    rows = (
        PairedHost.objects.filter(
            pairing__state=PairingState.PAIRED,
            pairing__policy__authentication_type=Authentication.CERTIFICATE,
            host__gone_at=None,
            certificate_not_after__lte=now + HOST_CERTIFICATE_LIFETIME / 3,
        )
        .exclude(certificate_thumbprint="")
        .select_related("host__fabric", "pairing__policy")
        .order_by("certificate_not_after", "pk")
    )
    begun: set[str] = set()
    for row in rows:
        if len(begun) >= MOST_A_ROUND:
            return
        name = row.connection_point or row.host.name
        key = pause_key(row.pairing.vault_id, name)
        due = row.certificate_not_after
        if key in begun or due is None or not is_due(due, HOST_CERTIFICATE_LIFETIME, now):
            continue
        if not paused(key, now) and _renew(row, name, now):
            begun.add(key)


def renew_certificates(pairing: Pairing, origin: RequestOrigin, now: datetime) -> Job:
    """Gives all hosts of a pairing new certificates, however long the present ones last.

    Returns:
        The job RenewReplicationCertificates; removing the superseded ones follows by itself.

    Raises:
        RefusedError: Status 409: PairingNotPaired, PolicyUsesKerberos, ProviderNotConnected, or 532
            while a job runs on the pairing or on one of the hosts.

    Idempotent: By the origin's client request id.
    """
    job = begun_job(pairing.vault_id, RENEW_SCENARIO, str(pairing.id), origin.client_request_id)
    if job is not None:
        return job
    refuse_if_busy(pairing_lock(pairing))
    if pairing.state != PairingState.PAIRED:
        raise refuse(
            "PairingNotPaired",
            f"The certificates of {pairing.name} cannot be renewed: its state is {pairing.state}.",
            causes=["Only hosts of clouds that are paired have certificates in use."],
            action="Pair the clouds first.",
            status=409,
        )
    if pairing.policy.authentication_type != Authentication.CERTIFICATE:
        raise refuse(
            "PolicyUsesKerberos",
            f"The policy {pairing.policy.name} of {pairing.name} authenticates with Kerberos.",
            causes=["Its hosts have no certificates."],
            action="There is nothing to renew.",
            status=409,
        )
    rows = PairedHost.objects.filter(pairing=pairing, host__gone_at=None)
    receivers = paired_receivers(rows.select_related("host__fabric"))
    for location in {receiver.location for receiver in receivers}:
        connected_provider_of(fabric_at(pairing, location), now)
    return _begin(pairing, receivers, origin, now)


def pause_key(vault_id: UUID, name: str) -> str:
    """Key of the pause after failures."""
    return f"certificate:{vault_id}:{name}"[:128]


def certificates_switched(call: RecordCall) -> Mapping[str, object]:
    """Hosts receive with new certificates: from now on every operation uses these."""
    for host in cast("list[Mapping[str, object]]", call.inputs["hosts"]):
        record_switched(
            cast("int", host["host_id"]),
            str(host["certificate_thumbprint"]),
            datetime.fromisoformat(str(host["certificate_not_after"])),
            call.now,
        )
    enqueue(RETIRE_TASK, QueueName.INVENTORY, now=call.now)
    return {}


def renewal_finished(job: FinishedJob) -> None:
    """After a failure the next attempt for these hosts waits longer each time."""
    for name in cast("list[str]", job.arguments["names"]):
        key = pause_key(job.vault_id, name)
        if job.state is JobState.SUCCEEDED:
            note_success(key)
        else:
            note_failure(key, job.now)


def _renew(row: PairedHost, name: str, now: datetime) -> bool:
    rows = PairedHost.objects.filter(pairing=row.pairing).select_related("host__fabric")
    try:
        with transaction.atomic():
            connected_provider_of(row.host.fabric, now)
            receivers = [each for each in paired_receivers(rows) if each.name == name]
            _begin(row.pairing, receivers, BY_ITSELF, now)
    except RefusedError as refused:
        log.info("certificate.renewal_waits", host=name, reason=refused.failure.code)
        return False
    return True


def _begin(
    pairing: Pairing, receivers: Iterable[Receiver], origin: RequestOrigin, now: datetime
) -> Job:
    names = names_of_pairings(pairing.vault_id)
    renewed = tuple(
        replace(receiver, certificate_thumbprint="", certificate_not_after="")
        for receiver in with_authorizations(receivers, names)
    )
    return begin_job(
        BeginJob(
            vault_id=pairing.vault_id,
            scenario=RENEW_SCENARIO,
            friendly_name=RENEW_FRIENDLY_NAME,
            target=JobTarget(
                "ProtectionProfile", str(pairing.id), pairing.policy.name, origin.target_resource
            ),
            graph=plan_renewal(listening_of(pairing.policy), renewed),
            locks=locks_of(renewed),
            queue=QueueName.INVENTORY,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
            arguments={
                "pairing_id": str(pairing.id),
                "names": [receiver.name for receiver in renewed],
            },
        ),
        now,
    )
