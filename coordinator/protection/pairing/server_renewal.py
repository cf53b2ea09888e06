"""Renewing the certificates of all hosts of one server, whichever pairings they are in."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from coordinator.fabrics.models import Fabric
from coordinator.failures import refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job, begun_job
from coordinator.protection.inventory import connected_provider_of
from coordinator.protection.models import PairedHost
from coordinator.protection.pairing.receivers import (
    names_of_pairings,
    paired_receivers,
    with_authorizations,
)
from coordinator.protection.pairing.renewal_planner import (
    RENEW_FRIENDLY_NAME,
    RENEW_SCENARIO,
    plan_renewal,
)
from coordinator.protection.pairing.services import listening_of, locks_of
from coordinator.protection.policies.rules import Authentication
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.states import PairingState


def renew_server_certificates(fabric: Fabric, origin: RequestOrigin, now: datetime) -> Job:
    """Gives all hosts of a server that replicate with certificates new ones, due or not.

    Returns:
        The job RenewReplicationCertificates; removing the superseded ones follows by itself.

    Raises:
        RefusedError: Status 409: NoCertificatesInUse, CertificatesOfSeveralPorts,
            ProviderNotConnected, or 532 while a job runs on one of the hosts.

    Idempotent: By the origin's client request id.

    Source: SPEC PO-3.
    """
    known = begun_job(fabric.vault_id, RENEW_SCENARIO, str(fabric.id), origin.client_request_id)
    if known is not None:
        return known
    found = PairedHost.objects.filter(
        host__fabric=fabric,
        host__gone_at=None,
        pairing__state=PairingState.PAIRED,
        pairing__policy__authentication_type=Authentication.CERTIFICATE,
    ).select_related("host__fabric", "pairing__policy")
    # A host in several pairings has one certificate, and one port.
    rows = {row.host_id: row for row in found.order_by("pk")}
    if not rows:
        raise refuse(
            "NoCertificatesInUse",
            f"No host of {fabric.friendly_name} replicates with a certificate.",
            causes=[
                "Its clouds are in no pair.",
                "The policies of its clouds authenticate with Kerberos.",
            ],
            action="There is nothing to renew; the agent renews its own certificate by itself.",
            status=409,
        )
    listenings = {listening_of(row.pairing.policy) for row in rows.values()}
    if len(listenings) > 1:
        ports = ", ".join(
            str(port) for port in sorted(each.replication_port for each in listenings)
        )
        raise refuse(
            "CertificatesOfSeveralPorts",
            f"The hosts of {fabric.friendly_name} receive on different ports: {ports}.",
            causes=["Its clouds are paired under policies with different ports."],
            action="Renew the certificates pair by pair: POST renewCertificates of each mapping.",
            status=409,
        )
    connected_provider_of(fabric, now)
    renewed = tuple(
        replace(receiver, certificate_thumbprint="", certificate_not_after="")
        for receiver in with_authorizations(
            paired_receivers(rows.values()), names_of_pairings(fabric.vault_id)
        )
    )
    return begin_job(
        BeginJob(
            vault_id=fabric.vault_id,
            scenario=RENEW_SCENARIO,
            friendly_name=RENEW_FRIENDLY_NAME,
            target=JobTarget(
                "Server", str(fabric.id), fabric.friendly_name, origin.target_resource
            ),
            graph=plan_renewal(listenings.pop(), renewed),
            locks=locks_of(renewed),
            queue=QueueName.INVENTORY,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
            arguments={"names": [receiver.name for receiver in renewed]},
        ),
        now,
    )
