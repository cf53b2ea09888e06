"""Dissociating two clouds: taking back what pairing configured, or only forgetting it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from coordinator.fabrics.models import Host
from coordinator.failures import RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import (
    BeginJob,
    JobTarget,
    QueueName,
    begin_job,
    begun_job,
    refuse_if_busy,
)
from coordinator.protection.disabling.clean_up import pairing_clean_up
from coordinator.protection.inventory import brokers_of_clusters, provider_of
from coordinator.protection.models import PairedHost, Pairing
from coordinator.protection.pairing.authorizations import (
    PairedNames,
    groups_on,
    wanted_authorizations,
)
from coordinator.protection.pairing.coverage import hosts_covered
from coordinator.protection.pairing.host_certificates import thumbprints_on
from coordinator.protection.pairing.host_steps import Receiver
from coordinator.protection.pairing.keys import pairing_lock, trust_group_of
from coordinator.protection.pairing.receivers import (
    fabric_at,
    names_of_pairings,
    paired_receivers,
    receivers_of,
    with_authorizations,
)
from coordinator.protection.pairing.services import locks_of
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
from coordinator.protection.states import ActiveLocation, PairingState


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
    receivers = receivers_of_pairing(fresh)
    snapshot = UnpairingSnapshot(trust_group_of(fresh), unpairing_hosts(fresh, receivers))
    job = begin_job(
        BeginJob(
            vault_id=fresh.vault_id,
            scenario=SCENARIO,
            friendly_name=FRIENDLY_NAME,
            target=_target(fresh, origin),
            graph=plan_unpairing(snapshot),
            locks=(pairing_lock(fresh), *locks_of(receivers)),
            queue=QueueName.REPLICATION,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
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
    commands = _clean_up(fresh)
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
            correlation_id=origin.correlation_id,
            arguments={"affected_objects": dict(commands)},
        ),
        now,
    )
    _hold_unused(fresh).delete()
    return job


def receivers_of_pairing(pairing: Pairing) -> list[Receiver]:
    """Receivers that the pairing configured or may have begun to; gone hosts are left out.

    Raises:
        RefusedError: ProviderNotRegistered.
    """
    rows = PairedHost.objects.filter(pairing=pairing, host__gone_at=None)
    found = {each.name: each for each in paired_receivers(rows.select_related("host__fabric"))}
    if pairing.state != PairingState.PAIRED:
        for location in ActiveLocation:
            hosts = hosts_covered(pairing, location)
            known = {node.host_id for each in found.values() for node in each.nodes}
            begun = [host for host in hosts if host.pk not in known]
            provider = provider_of(fabric_at(pairing, location))
            for each in receivers_of(begun, location, str(provider.id), _points(begun)):
                found.setdefault(each.name, each)
    return [found[name] for name in sorted(found)]


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


def _clean_up(pairing: Pairing) -> Mapping[str, str]:
    """What to run by hand, by host: entries as they are with the pairing, and without it."""
    receivers = receivers_of_pairing(pairing)
    names = [receiver.name for receiver in receivers]
    present = wanted_authorizations(
        names_of_pairings(pairing.vault_id, joining={pairing.id: receivers}), names
    )
    left = wanted_authorizations(names_of_pairings(pairing.vault_id, without=[pairing.id]), names)
    kept = {name: {entry.primary_server for entry in left[name]} for name in names}
    return pairing_clean_up(
        {
            name: [
                entry.primary_server
                for entry in present[name]
                if entry.primary_server not in kept[name]
            ]
            for name in names
        },
        {
            name: {
                entry.primary_server: entry.trust_group
                for entry in left[name]
                if entry not in present[name]
            }
            for name in names
        },
    )


def _points(hosts: list[Host]) -> dict[int, str]:
    """Connection points, for a cluster without a broker the nodes' own names: none was set up."""
    brokers = brokers_of_clusters({host.fabric_id for host in hosts})
    return {
        host.pk: brokers.get((host.fabric_id, host.cluster_fqdn.lower()), "") or host.name
        for host in hosts
    }


def unpairing_hosts(pairing: Pairing, receivers: list[Receiver]) -> tuple[UnpairingHost, ...]:
    """What the pairing's removal means for each receiver: what stays on it, what goes."""
    names = names_of_pairings(pairing.vault_id, without=[pairing.id])
    others = _other_users(pairing)
    return tuple(
        _unpairing_host(pairing, receiver, names, others)
        for receiver in with_authorizations(receivers, names)
    )


def _unpairing_host(
    pairing: Pairing,
    receiver: Receiver,
    names: list[PairedNames],
    others: dict[int, list[PairedHost]],
) -> UnpairingHost:
    ids = [node.host_id for node in receiver.nodes]
    users = [row for host_id in ids for row in others.get(host_id, ())]
    ports = {port_of(row.pairing) for row in users}
    port = port_of(pairing)
    return UnpairingHost(
        receiver=receiver,
        storage_location=users[0].storage_location if users else "",
        trust_groups=groups_on(names, receiver.name),
        shared=bool(users),
        thumbprints=() if users else tuple(thumbprints_on(ids)),
        closed_port=0 if port in ports else port,
    )


def port_of(pairing: Pairing) -> int:
    """The port its hosts listen on."""
    return pairing.configured_port or pairing.policy.replication_port


def _other_users(pairing: Pairing) -> dict[int, list[PairedHost]]:
    """By host the rows of the vault's other pairings."""
    rows = (
        PairedHost.objects.filter(pairing__vault_id=pairing.vault_id)
        .exclude(pairing=pairing)
        .select_related("pairing__policy")
        .order_by("pairing__created_at")
    )
    found: dict[int, list[PairedHost]] = {}
    for row in rows:
        found.setdefault(row.host_id, []).append(row)
    return found
