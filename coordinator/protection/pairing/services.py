"""Pairing two clouds: what is refused, and the job that configures their hosts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Cloud, Host, Provider
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
from coordinator.protection.inventory import (
    connected_provider_of,
    connection_points,
    host_message,
)
from coordinator.protection.models import PairedHost, Pairing, Policy
from coordinator.protection.pairing.planner import (
    FRIENDLY_NAME,
    SCENARIO,
    PairingHost,
    PairingSide,
    PairingSnapshot,
    plan_pairing,
)
from coordinator.protection.policies.rules import Authentication, InstanceType
from coordinator.protection.requests import PairingRequest, RequestOrigin
from coordinator.protection.resource_names import check_resource_name
from coordinator.protection.rules import host_generation_errors
from coordinator.protection.states import PairingState

# A certificate with less left than this is replaced rather than used again.
CERTIFICATE_REUSE = timedelta(days=60)


def create_pairing(
    request: PairingRequest, origin: RequestOrigin, now: datetime
) -> tuple[Pairing, Job]:
    """Pairs two clouds under a policy; begins the job that configures their hosts.

    Asked again for the same clouds it configures their hosts again: hosts added since, and what
    was changed on them outside the vault.

    Returns:
        The pairing and the job AssociateProtectionProfile.

    Raises:
        RefusedError: Status 400 or 409: InvalidResourceName, clouds that cannot be paired, a cloud
            that is in another pair (CloudAlreadyPaired), clouds without usable hosts, a provider
            that is not connected, or 532 while a job runs on the pairing or one of the hosts.

    Idempotent: By the origin's client request id.

    Source: SPEC PA-1 to PA-3, PO-2.
    """
    check_resource_name(request.name)
    primary, recovery = _lock_clouds(request)
    pairing = _existing(request, primary, recovery)
    if pairing is not None:
        job = begun_job(request.vault.id, SCENARIO, str(pairing.id), origin.client_request_id)
        if job is not None:
            return pairing, job
        refuse_if_busy(pairing_lock(pairing))
        _take_policy(pairing, request.policy)
    sides = (_usable_hosts(primary), _usable_hosts(recovery))
    _refuse_unfit_hosts(request.policy, *sides)
    providers = [connected_provider_of(cloud.fabric, now) for cloud in (primary, recovery)]
    if pairing is None:
        pairing = Pairing(
            vault=request.vault,
            name=request.name,
            policy=request.policy,
            primary_fabric=primary.fabric,
            recovery_fabric=recovery.fabric,
            primary_cloud=primary,
            recovery_cloud=recovery,
            created_at=now,
        )
    if pairing.state != PairingState.PAIRED:
        pairing.state = PairingState.PAIRING
    pairing.save()
    return pairing, _begin(pairing, sides, providers, origin, now)


def pairing_lock(pairing: Pairing) -> str:
    """Key of the lock that the one job of a pairing holds."""
    return f"pairing:{pairing.id}"


def host_lock(host: Host) -> str:
    """Key of a host's lock: it may serve several clouds, and one job at a time configures it."""
    return f"host:{host.pk}"


def trust_group_of(pairing: Pairing) -> str:
    """Label that the authorizations of a pairing carry on its hosts."""
    return f"osr-{pairing.id}"


def _lock_clouds(request: PairingRequest) -> tuple[Cloud, Cloud]:
    """Holds both clouds' rows, so that no other pairing takes one of them (PA-2)."""
    wanted = (request.primary_cloud.pk, request.recovery_cloud.pk)
    if wanted[0] == wanted[1]:
        raise refuse(
            "CloudsAreTheSame",
            f"The cloud {request.primary_cloud.name} cannot be paired with itself.",
            causes=["A pair is two different clouds."],
            action="Choose another recovery cloud.",
            field="targetProtectionContainerId",
        )
    locked = {
        cloud.pk: cloud
        for cloud in Cloud.objects.select_for_update(of=("self",), no_key=True)
        .select_related("fabric")
        .filter(vault=request.vault, pk__in=wanted, gone_at=None)
        .order_by("pk")
    }
    for cloud in (request.primary_cloud, request.recovery_cloud):
        if cloud.pk not in locked:
            raise refuse(
                "CloudNotFound",
                f"The vault has no cloud {cloud.name}.",
                causes=["It was removed from VMM, or its server was unregistered."],
                action="Refresh the server and choose a cloud that exists.",
                status=404,
            )
    return locked[wanted[0]], locked[wanted[1]]


def _existing(request: PairingRequest, primary: Cloud, recovery: Cloud) -> Pairing | None:
    """The pairing asked for, if it is there already.

    Raises:
        RefusedError: CloudAlreadyPaired.
    """
    clouds = [primary, recovery]
    involved = Pairing.objects.filter(primary_cloud__in=clouds) | Pairing.objects.filter(
        recovery_cloud__in=clouds
    )
    for pairing in involved.select_related("primary_cloud", "recovery_cloud", "policy"):
        same_clouds = (pairing.primary_cloud_id, pairing.recovery_cloud_id) == (
            primary.pk,
            recovery.pk,
        )
        if same_clouds and pairing.name.lower() == request.name.lower():
            return pairing
        raise refuse(
            "CloudAlreadyPaired",
            f"{primary.name} and {recovery.name} cannot be paired: "
            f"{pairing.primary_cloud.name} is paired with {pairing.recovery_cloud.name}.",
            causes=[
                f"One of them is in the pairing {pairing.name} already.",
                "A cloud is in one pair only, as source or as target.",
            ],
            action="Choose clouds that are in no pair, or dissociate the existing pair first.",
            status=409,
        )
    return None


def _take_policy(pairing: Pairing, policy: Policy) -> None:
    if pairing.policy_id == policy.id:
        return
    if pairing.items.exists() or pairing.state == PairingState.PAIRED:
        raise refuse(
            "PairingHasPolicy",
            f"{pairing.name} uses the policy {pairing.policy.name}; it cannot take {policy.name}.",
            causes=["A pair of clouds replicates by one policy."],
            action="Dissociate the clouds first.",
            status=409,
        )
    pairing.policy = policy


def _usable_hosts(cloud: Cloud) -> list[Host]:
    hosts = sorted(fabrics.hosts_of_cloud(cloud), key=lambda host: host.name)
    if not hosts:
        raise refuse(
            "CloudHasNoHosts",
            f"The cloud {cloud.name} has no Hyper-V host.",
            causes=["Its host groups are empty, or the server's inventory is not complete yet."],
            action="Add a host group with Hyper-V hosts to the cloud and refresh the server.",
            status=409,
        )
    return hosts


def _refuse_unfit_hosts(policy: Policy, primary: Sequence[Host], recovery: Sequence[Host]) -> None:
    shared = {host.pk for host in primary} & {host.pk for host in recovery}
    for host in primary:
        if host.pk in shared:
            raise refuse(
                "CloudsShareHost",
                f"{host.name} belongs to both clouds.",
                causes=["A host cannot hold a machine and its replica."],
                action="Choose clouds whose host groups have no host in common.",
                status=409,
            )
    versions = tuple(
        (host.name, host_message(host).operating_system_version) for host in (*primary, *recovery)
    )
    unfit = host_generation_errors(InstanceType(policy.instance_type), versions)
    if unfit:
        raise RefusedError(unfit[0], status=409)
    _refuse_other_listener(policy, [*primary, *recovery])


def _refuse_other_listener(policy: Policy, hosts: Sequence[Host]) -> None:
    """A host listens on one port per authentication: pairings that share it must agree."""
    others = (
        PairedHost.objects.filter(
            host__in=hosts, pairing__policy__authentication_type=policy.authentication_type
        )
        .exclude(pairing__policy__replication_port=policy.replication_port)
        .select_related("host", "pairing__policy")
    )
    for other in others:
        raise refuse(
            "HostUsesOtherPort",
            f"{other.host.name} receives replication on port "
            f"{other.pairing.policy.replication_port} already.",
            causes=[
                f"The pairing {other.pairing.name} configured it so.",
                f"The policy {policy.name} wants port {policy.replication_port}.",
            ],
            action="Use policies with the same port for all clouds of a host.",
            status=409,
        )


def _begin(
    pairing: Pairing,
    sides: tuple[list[Host], list[Host]],
    providers: Sequence[Provider],
    origin: RequestOrigin,
    now: datetime,
) -> Job:
    policy = pairing.policy
    primary, recovery = (
        PairingSide(str(provider.id), _planned_hosts(pairing, hosts, now))
        for hosts, provider in zip(sides, providers, strict=True)
    )
    graph = plan_pairing(
        PairingSnapshot(
            trust_group=trust_group_of(pairing),
            authentication_type=Authentication(policy.authentication_type),
            replication_port=policy.replication_port,
            primary=primary,
            recovery=recovery,
        )
    )
    host_locks = tuple(host_lock(host) for hosts in sides for host in hosts)
    return begin_job(
        BeginJob(
            vault_id=pairing.vault_id,
            scenario=SCENARIO,
            friendly_name=FRIENDLY_NAME,
            target=JobTarget(
                "ProtectionProfile", str(pairing.id), policy.name, origin.target_resource
            ),
            graph=graph,
            locks=(pairing_lock(pairing), *host_locks),
            queue=QueueName.REPLICATION,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            arguments={"pairing_id": str(pairing.id)},
        ),
        now,
    )


def _planned_hosts(
    pairing: Pairing, hosts: Sequence[Host], now: datetime
) -> tuple[PairingHost, ...]:
    """Hosts with the certificates they go on using.

    A host that another pairing configured keeps that certificate. What this pairing gave is given
    anew: who asks again wants it mended, and a certificate may be gone from its host.
    """
    points = connection_points(hosts)
    known = (
        PairedHost.objects.filter(host__in=hosts, certificate_not_after__gt=now + CERTIFICATE_REUSE)
        .exclude(certificate_thumbprint="")
        .exclude(pairing=pairing)
        .order_by("configured_at")
    )
    certificates = {
        paired.host_id: (paired.certificate_thumbprint, paired.certificate_not_after)
        for paired in known
    }
    planned = []
    for host in hosts:
        thumbprint, not_after = certificates.get(host.pk, ("", None))
        planned.append(
            PairingHost(
                host_id=host.pk,
                fqdn=host.name,
                connection_point=points[host.pk],
                certificate_thumbprint=thumbprint,
                certificate_not_after=not_after.isoformat() if not_after else "",
            )
        )
    return tuple(planned)
