"""Dissociating two clouds: taking back what pairing configured, or only forgetting it."""

from __future__ import annotations

from datetime import datetime

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Cloud, Host
from coordinator.failures import RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.jobs.queries import results_of_steps
from coordinator.jobs.services import (
    BeginJob,
    JobTarget,
    QueueName,
    begin_job,
    begun_job,
    refuse_if_busy,
)
from coordinator.protection.disabling.clean_up import pairing_clean_up
from coordinator.protection.inventory import connection_points, provider_of
from coordinator.protection.models import PairedHost, Pairing
from coordinator.protection.pairing.services import host_lock, pairing_lock, trust_group_of
from coordinator.protection.pairing.unpairing_planner import (
    FRIENDLY_NAME,
    PURGE_FRIENDLY_NAME,
    PURGE_SCENARIO,
    SCENARIO,
    UnpairingHost,
    UnpairingSnapshot,
    plan_purge,
    plan_unpairing,
)
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.rules import pairing_in_use_failure
from coordinator.protection.states import PairingState


def remove_pairing(pairing: Pairing, origin: RequestOrigin, now: datetime) -> Job:
    """Begins the job that takes back on every host what pairing configured, and forgets the pair.

    Also after a pairing that failed. What other pairings or other people use on a host stays.

    Returns:
        The job DissociateProtectionProfile.

    Raises:
        RefusedError: Status 409: PairingHasProtectedItems naming them, ProviderNotRegistered, or
            532 while a job runs on the pairing or on one of the hosts.

    Idempotent: By the origin's client request id.

    Source: SPEC PA-4.
    """
    begun = begun_job(pairing.vault_id, SCENARIO, str(pairing.id), origin.client_request_id)
    if begun is not None:
        return begun
    fresh = _unused(pairing)
    hosts = hosts_of(fresh)
    job = begin_job(
        BeginJob(
            vault_id=fresh.vault_id,
            scenario=SCENARIO,
            friendly_name=FRIENDLY_NAME,
            target=_target(fresh, origin),
            graph=plan_unpairing(_snapshot(fresh, hosts)),
            locks=(pairing_lock(fresh), *(host_lock(host) for host in hosts)),
            queue=QueueName.REPLICATION,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            arguments={"pairing_id": str(fresh.id)},
        ),
        now,
    )
    if job.created_at == now:
        held = _hold_unused(fresh)
        held.state = PairingState.UNPAIRING
        held.save(update_fields=["state"])
        # From here on the certificates may be gone: no pairing must use them again.
        PairedHost.objects.filter(pairing=held).update(certificate_not_after=None)
    return job


def remove_pairing_from_vault(pairing: Pairing, origin: RequestOrigin, now: datetime) -> Job:
    """Forgets a pairing at once and changes nothing on any host.

    Returns:
        The job, whose details say by host which commands clean up by hand.

    Raises:
        RefusedError: PairingHasProtectedItems (409), or 532 while a job runs on the pairing.

    Source: SPEC PA-4.
    """
    fresh = _unused(pairing)
    commands = pairing_clean_up(trust_group_of(fresh), [host.name for host in hosts_of(fresh)])
    job = begin_job(
        BeginJob(
            vault_id=fresh.vault_id,
            scenario=PURGE_SCENARIO,
            friendly_name=PURGE_FRIENDLY_NAME,
            target=_target(fresh, origin),
            graph=plan_purge(),
            locks=(pairing_lock(fresh),),
            queue=QueueName.REPLICATION,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            arguments={"affected_objects": dict(commands)},
        ),
        now,
    )
    _hold_unused(fresh).delete()
    return job


def hosts_of(pairing: Pairing) -> list[Host]:
    """Hosts that the pairing configured or may have begun to, by name; gone ones are left out."""
    hosts = {paired.host.pk: paired.host for paired in _paired(pairing)}
    if pairing.state != PairingState.PAIRED:
        for cloud in (pairing.primary_cloud, pairing.recovery_cloud):
            hosts |= {host.pk: host for host in fabrics.hosts_of_cloud(cloud)}
    return sorted((host for host in hosts.values() if host.gone_at is None), key=lambda h: h.name)


def _unused(pairing: Pairing) -> Pairing:
    """The pairing as it is in the database, if nothing uses it."""
    refuse_if_busy(pairing_lock(pairing))
    fresh = Pairing.objects.select_related(
        "policy",
        "primary_fabric",
        "recovery_fabric",
        "primary_cloud__fabric",
        "recovery_cloud__fabric",
    ).get(id=pairing.id)
    _refuse_in_use(fresh)
    return fresh


def _hold_unused(seen: Pairing) -> Pairing:
    """Holds the row, under which machines become protected, and looks once more.

    Raises:
        RefusedError: A machine was protected, or a job ran, since the pairing was read.
    """
    held = Pairing.objects.select_for_update().get(id=seen.id)
    _refuse_in_use(held)
    if held.state != seen.state:
        raise refuse(
            "PairingChanged",
            f"The pairing {seen.name} changed while its removal was asked for.",
            causes=[f"Its state was {seen.state} and is {held.state}."],
            action="Look at the pairing, then try again.",
            status=409,
        )
    return held


def _refuse_in_use(pairing: Pairing) -> None:
    names = pairing.items.order_by("friendly_name").values_list("friendly_name", flat=True)
    failure = pairing_in_use_failure(pairing.name, tuple(names))
    if failure is not None:
        raise RefusedError(failure, status=409)


def _target(pairing: Pairing, origin: RequestOrigin) -> JobTarget:
    return JobTarget(
        "ProtectionProfile", str(pairing.id), pairing.policy.name, origin.target_resource
    )


def _paired(pairing: Pairing) -> list[PairedHost]:
    return list(PairedHost.objects.filter(pairing=pairing).select_related("host__fabric"))


def _snapshot(pairing: Pairing, hosts: list[Host]) -> UnpairingSnapshot:
    others = _other_users(pairing, hosts)
    certificates = _certificates(pairing)
    return UnpairingSnapshot(
        trust_group_of(pairing),
        tuple(
            UnpairingHost(
                provider_id=str(provider_of(host.fabric).id),
                fqdn=host.name,
                kept_primary_servers=tuple(sorted(others.get(host.pk, ()))),
                shared=host.pk in others,
                certificate_thumbprint=certificates.get(host.name, ""),
            )
            for host in hosts
        ),
    )


def _other_users(pairing: Pairing, hosts: list[Host]) -> dict[int, set[str]]:
    """By host that another pairing uses, the names that one lets replicate to it."""
    wanted = {host.pk for host in hosts}
    used: dict[int, set[str]] = {}
    for other in (
        Pairing.objects.filter(vault_id=pairing.vault_id)
        .exclude(id=pairing.id)
        .select_related("primary_cloud__fabric", "recovery_cloud__fabric")
    ):
        sides = [_hosts_in(other, cloud) for cloud in (other.primary_cloud, other.recovery_cloud)]
        for own, opposite in (sides, sides[::-1]):
            shared = wanted & own.keys()
            if shared:
                points = set(connection_points(opposite.values()).values())
                for host_id in shared:
                    used.setdefault(host_id, set()).update(points)
    return used


def _hosts_in(pairing: Pairing, cloud: Cloud) -> dict[int, Host]:
    """Hosts of one side of a pairing: those VMM has in the cloud, and those configured as such."""
    hosts = {host.pk: host for host in fabrics.hosts_of_cloud(cloud)}
    configured = [paired.host for paired in _paired(pairing)]
    if pairing.primary_fabric_id != pairing.recovery_fabric_id:
        hosts |= {host.pk: host for host in configured if host.fabric_id == cloud.fabric_id}
    return hosts


def _certificates(pairing: Pairing) -> dict[str, str]:
    """By host's name the thumbprint of the certificate the product gave it.

    A pairing that failed has not recorded its hosts; what its jobs installed is known all the same.
    """
    installed = results_of_steps(str(pairing.id), "install_host_certificate")
    found = {str(result["host"]).lower(): str(result["thumbprint"]) for result in installed}
    recorded = {
        paired.host.name: paired.certificate_thumbprint
        for paired in _paired(pairing)
        if paired.certificate_thumbprint
    }
    return found | recorded
