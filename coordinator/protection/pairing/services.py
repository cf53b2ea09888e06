"""Pairing two clouds: what is refused, and the job that configures their hosts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from coordinator.fabrics.models import Cloud, Host, Provider
from coordinator.failures import Failure, RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import (
    BeginJob,
    JobTarget,
    QueueName,
    begin_job,
    begun_job,
    refuse_if_busy,
)
from coordinator.protection.inventory import connected_provider_of
from coordinator.protection.models import PairedHost, Pairing, Policy
from coordinator.protection.pairing.coverage import hosts_covered
from coordinator.protection.pairing.host_steps import Listening, Receiver
from coordinator.protection.pairing.keys import host_lock_of, pairing_lock
from coordinator.protection.pairing.planner import (
    FRIENDLY_NAME,
    SCENARIO,
    PairingSnapshot,
    plan_pairing,
)
from coordinator.protection.pairing.prerequisite_facts import prerequisite_failures
from coordinator.protection.pairing.receivers import (
    names_of_pairings,
    receivers_of,
    with_authorizations,
    with_certificates,
)
from coordinator.protection.policies.rules import Authentication, InstanceType
from coordinator.protection.requests import PairingRequest, RequestOrigin
from coordinator.protection.resource_names import check_resource_name
from coordinator.protection.states import ActiveLocation, PairingState


def create_pairing(
    request: PairingRequest, origin: RequestOrigin, now: datetime
) -> tuple[Pairing, Job]:
    """Pairs two clouds under a policy; begins the job that configures their hosts.

    The pairing covers the hosts of the generation that the policy names; for others the same clouds
    are paired once more. Asked again for the same pairing it configures its hosts again: hosts
    added since, and what was changed on them outside the vault.

    Returns:
        The pairing and the job AssociateProtectionProfile.

    Raises:
        RefusedError: Status 400 or 409: InvalidResourceName, clouds that cannot be paired, a cloud
            that is in another pair or paired for the same generation (CloudAlreadyPaired),
            prerequisites that are not met (several
            at once: PairingPrerequisitesNotMet naming each), a provider
            that is not connected, or 532 while a job runs on the pairing or one of the hosts.

    Idempotent: By the origin's client request id.

    Source: SPEC PA-1 to PA-3, PO-2.
    """
    check_resource_name(request.name)
    primary, recovery = _lock_clouds(request)
    policy = _hold_policy(request.policy)
    pairing = _existing(request, primary, recovery)
    if pairing is not None:
        job = begun_job(request.vault.id, SCENARIO, str(pairing.id), origin.client_request_id)
        if job is not None:
            return pairing, job
        refuse_if_busy(pairing_lock(pairing))
        _refuse_other_policy(pairing, policy)
    else:
        pairing = Pairing(
            vault=request.vault,
            name=request.name,
            primary_fabric=primary.fabric,
            recovery_fabric=recovery.fabric,
            primary_cloud=primary,
            recovery_cloud=recovery,
            created_at=now,
        )
    pairing.policy, pairing.instance_type = policy, policy.instance_type
    refuse_second_of_generation(pairing)
    _refuse_unfit(policy, primary, recovery)
    sides = (
        hosts_covered(pairing, ActiveLocation.PRIMARY),
        hosts_covered(pairing, ActiveLocation.RECOVERY),
    )
    refuse_other_listener(policy, [*sides[0], *sides[1]])
    providers = [connected_provider_of(cloud.fabric, now) for cloud in (primary, recovery)]
    if pairing.state != PairingState.PAIRED:
        pairing.state = PairingState.PAIRING
    pairing.save()
    return pairing, _begin(pairing, sides, providers, origin, now)


def _hold_policy(policy: Policy) -> Policy:
    """The policy as it is now; nobody changes the generation it names meanwhile."""
    held = Policy.objects.select_for_update(no_key=True).filter(pk=policy.pk).first()
    if held is None:
        raise refuse(
            "PolicyNotFound",
            f"The vault has no policy {policy.name}.",
            causes=["It was deleted a moment ago."],
            action="Choose a policy that exists.",
            status=404,
            field="policyId",
        )
    return held


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
    found: Pairing | None = None
    for pairing in involved.select_related("primary_cloud", "recovery_cloud", "policy"):
        if (pairing.primary_cloud_id, pairing.recovery_cloud_id) == (primary.pk, recovery.pk):
            if pairing.name.lower() == request.name.lower():
                found = pairing
            continue
        raise refuse(
            "CloudAlreadyPaired",
            f"{primary.name} and {recovery.name} cannot be paired: "
            f"{pairing.primary_cloud.name} is paired with {pairing.recovery_cloud.name}.",
            causes=[
                f"One of them is in the pairing {pairing.name} already.",
                "A cloud is paired with one other cloud only, as source or as target.",
            ],
            action="Choose clouds that are in no pair, or dissociate the existing pair first.",
            status=409,
        )
    return found


def refuse_second_of_generation(pairing: Pairing) -> None:
    """Refuses a pairing whose clouds are paired for its generation by another one.

    Raises:
        RefusedError: CloudAlreadyPaired, status 409.

    Source: SPEC PO-2.
    """
    other = (
        Pairing.objects.filter(
            primary_cloud=pairing.primary_cloud, instance_type=pairing.instance_type
        )
        .exclude(id=pairing.id)
        .select_related("policy", "primary_cloud", "recovery_cloud")
        .first()
    )
    if other is None:
        return
    raise refuse(
        "CloudAlreadyPaired",
        f"{other.primary_cloud.name} and {other.recovery_cloud.name} are paired under "
        f"{other.policy.name} already, which names the same generation of hosts "
        f"({other.instance_type}) as {pairing.policy.name}.",
        causes=[
            f"It is the pairing {other.name}.",
            "Two clouds have one policy for each generation of Windows that their hosts run.",
        ],
        action=f"Change the policy {other.policy.name}, or dissociate the pairing {other.name} "
        "first.",
        status=409,
    )


def _refuse_other_policy(pairing: Pairing, policy: Policy) -> None:
    if pairing.policy_id == policy.id:
        return
    other_hosts = pairing.instance_type != policy.instance_type
    if other_hosts or pairing.items.exists() or pairing.state == PairingState.PAIRED:
        raise refuse(
            "PairingHasPolicy",
            f"{pairing.name} uses the policy {pairing.policy.name}; it cannot take {policy.name}.",
            causes=["A pairing has one policy: that of the hosts it configured."],
            action="For hosts of another generation pair the clouds once more, under another name; "
            "else dissociate the clouds first.",
            status=409,
        )


def _refuse_unfit(policy: Policy, primary: Cloud, recovery: Cloud) -> None:
    """Refuses for every prerequisite that is not met, all of them told at once."""
    found = prerequisite_failures(primary, recovery, InstanceType(policy.instance_type))
    if len(found) == 1:
        raise RefusedError(found[0], status=409)
    if found:
        raise RefusedError(several(found), status=409)


def several(found: Sequence[Failure]) -> Failure:
    """Several failures as the one that an answer has room for."""
    return Failure(
        "PairingPrerequisitesNotMet",
        f"{len(found)} prerequisites are not met: "
        + " ".join(f"({number}) {each.message}" for number, each in enumerate(found, 1)),
        tuple(f"{each.code}: {each.message} {' '.join(each.possible_causes)}" for each in found),
        " ".join(dict.fromkeys(each.recommended_action for each in found)),
    )


def refuse_other_listener(policy: Policy, hosts: Sequence[Host]) -> None:
    """Refuses a port other than the one that pairings of another policy set on a host.

    A host listens on one port for each kind of authentication.

    Raises:
        RefusedError: HostUsesOtherPort, status 409.
    """
    others = (
        PairedHost.objects.filter(
            host__in=hosts, pairing__policy__authentication_type=policy.authentication_type
        )
        .exclude(pairing__policy__replication_port=policy.replication_port)
        .exclude(pairing__policy=policy)
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
    found = [
        receiver
        for hosts, location, provider in zip(sides, ActiveLocation, providers, strict=True)
        for receiver in receivers_of(hosts, location, str(provider.id))
    ]
    names = names_of_pairings(pairing.vault_id, joining={pairing.id: found})
    receivers = with_authorizations(with_certificates(found, now, but_of=pairing), names)
    listening = listening_of(policy)
    return begin_job(
        BeginJob(
            vault_id=pairing.vault_id,
            scenario=SCENARIO,
            friendly_name=FRIENDLY_NAME,
            target=JobTarget(
                "ProtectionProfile", str(pairing.id), policy.name, origin.target_resource
            ),
            graph=plan_pairing(PairingSnapshot(listening, tuple(receivers))),
            locks=(pairing_lock(pairing), *locks_of(receivers)),
            queue=QueueName.REPLICATION,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
            arguments={
                "pairing_id": str(pairing.id),
                "port": listening.replication_port,
                "authentication": listening.authentication_type,
            },
        ),
        now,
    )


def listening_of(policy: Policy) -> Listening:
    """How the hosts of a policy receive."""
    return Listening(Authentication(policy.authentication_type), policy.replication_port)


def locks_of(receivers: Iterable[Receiver]) -> tuple[str, ...]:
    """Keys of the locks of all nodes."""
    return tuple(host_lock_of(node.host_id) for receiver in receivers for node in receiver.nodes)
