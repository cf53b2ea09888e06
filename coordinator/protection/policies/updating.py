"""Changing a policy that clouds use, and applying it to their hosts and items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import cast
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, Q

from coordinator.fabrics.models import Host
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.jobs.queries import running_job_for, running_jobs_for, succeeded_steps
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
from coordinator.protection.inventory import connected_provider_of
from coordinator.protection.models import PairedHost, Pairing, Policy, ProtectedItem
from coordinator.protection.pairing.coverage import windows_of
from coordinator.protection.pairing.generations import host_generation_errors
from coordinator.protection.pairing.host_steps import Receiver
from coordinator.protection.pairing.keys import RETIRE_TASK, pairing_lock
from coordinator.protection.pairing.prerequisite_facts import prerequisite_failures
from coordinator.protection.pairing.receivers import (
    fabric_at,
    names_of_pairings,
    paired_receivers,
    with_authorizations,
    with_certificates,
)
from coordinator.protection.pairing.records import record_hosts
from coordinator.protection.pairing.retirement import SETTLED
from coordinator.protection.pairing.services import (
    listening_of,
    locks_of,
    refuse_other_listener,
    refuse_second_of_generation,
    several,
)
from coordinator.protection.policies.changes import REPLICATION_COLUMNS, changed_policy
from coordinator.protection.policies.rules import (
    Authentication,
    InitialReplicationMethod,
    InstanceType,
    PolicyFields,
    read_policy,
)
from coordinator.protection.policies.update_planner import (
    FRIENDLY_NAME,
    SCENARIO,
    PolicyItem,
    PolicySettings,
    PolicyUpdate,
    plan_update,
)
from coordinator.protection.replication.evaluation import lock_items
from coordinator.protection.requests import BY_ITSELF, RequestOrigin
from coordinator.protection.retry_pauses import note_failure, note_success, paused
from coordinator.protection.sides import host_of_side
from coordinator.protection.states import ActiveLocation, PairingState
from coordinator.protection.transitions import item_lock

log = structlog.get_logger(__name__)

APPLY_TASK = "protection.apply_policies"
# So many items change in one job, which holds all of them until it ends: nothing else can be done
# with them meanwhile, not even a failover. The others follow in the next job.
MOST_AT_ONCE = 100


def update_policy(
    policy: Policy,
    given: Mapping[str, object],
    origin: RequestOrigin,
    now: datetime,
    *,
    whole: bool = False,
) -> Job | None:
    """Changes a policy; what replicates by it already follows, by a job.

    The new values hold for everything that begins from now on. Items that are busy, failed over or
    out of reach at this moment follow later by themselves.

    Args:
        policy: The policy.
        given: ASR's fields as the client sent them.
        origin: Who asked.
        now: The time.
        whole: Fields that are not given take their defaults; else they stay.

    Returns:
        The job UpdateProtectionProfile; None when nothing that replicates is concerned.

    Raises:
        RefusedError: InvalidPolicyField (400); or status 409: hosts of its clouds that the new host
            version does not name (each by name), HostUsesOtherPort, ProviderNotConnected, or 532
            while a job runs on the policy, its pairings or their hosts. Nothing is changed then.

    Idempotent: With equal values, and by the origin's client request id.

    Source: SPEC PO-2, PO-4.
    """
    begun = begun_job(policy.vault_id, SCENARIO, str(policy.id), origin.client_request_id)
    if begun is not None:
        return begun
    held = Policy.objects.select_for_update().get(id=policy.id)
    refuse_if_busy(policy_lock(held))
    wanted = read_policy(given) if whole else changed_policy(fields_of(held), given)
    changed = {
        name: str(value) if isinstance(value, str) else value
        for name, value in asdict(wanted).items()
        if getattr(held, name) != value
    }
    if not changed:
        return None
    for name, value in changed.items():
        setattr(held, name, value)
    _refuse_unfit(held)
    if changed.keys() & REPLICATION_COLUMNS:
        held.revision += 1
    held.save()
    # What its pairings cover follows what it names.
    held.pairings.exclude(instance_type=held.instance_type).update(instance_type=held.instance_type)
    return _apply(held, origin, now)


def apply_policies(now: datetime, at_once: int = MOST_AT_ONCE) -> None:
    """Begins the job for each policy that hosts or settled items do not follow yet.

    Args:
        now: The time.
        at_once: So many items at most in one job.
    """
    outdated = Q(pairings__items__policy_revision__lt=F("revision"))
    outdated &= Q(pairings__items__state__in=SETTLED, pairings__state=PairingState.PAIRED)
    for policy in Policy.objects.filter(outdated | _stale("pairings__")).distinct():
        if paused(pause_key(policy), now) or running_job_for(policy_lock(policy)) is not None:
            continue
        try:
            with transaction.atomic():
                _apply(policy, BY_ITSELF, now, at_once)
        except RefusedError as refused:
            log.info("policy.waits", policy=policy.name, reason=refused.failure.code)


def policy_lock(policy: Policy) -> str:
    """Key of the lock that the one job of a policy holds."""
    return f"policy:{policy.id}"


def pause_key(policy: Policy) -> str:
    """Key of the pause after failures."""
    return f"policy:{policy.id}"


def fields_of(policy: Policy) -> PolicyFields:
    """The stored fields of a policy."""
    stored = {each.name: getattr(policy, each.name) for each in fields(PolicyFields)}
    return PolicyFields(
        **{
            **stored,
            "instance_type": InstanceType(policy.instance_type),
            "authentication_type": Authentication(policy.authentication_type),
            "initial_replication_method": InitialReplicationMethod(
                policy.initial_replication_method
            ),
        }
    )


def policy_hosts_configured(call: RecordCall) -> Mapping[str, object]:
    """The hosts of a pairing listen as its policy said when the job began."""
    pairing = Pairing.objects.select_for_update(no_key=True).get(id=str(call.inputs["pairing_id"]))
    record_hosts(pairing, cast("list[Mapping[str, object]]", call.inputs["hosts"]), call.now)
    pairing.configured_port = cast("int", call.arguments["port"])
    pairing.configured_authentication = str(call.arguments["authentication"])
    pairing.save(update_fields=["configured_port", "configured_authentication"])
    enqueue(RETIRE_TASK, QueueName.INVENTORY, now=call.now)
    return {}


def update_finished(job: FinishedJob) -> None:
    """Items whose replication was changed follow the policy; for the others it is tried again.

    At once as long as it helps some of them; later when none could be changed.
    """
    policy_id = str(job.arguments["policy_id"])
    changed = [
        key.removeprefix("change/") for key in succeeded_steps(job.job_id, "change_replication")
    ]
    lock_items([UUID(item_id) for item_id in changed])
    ProtectedItem.objects.filter(
        id__in=changed, policy_revision__lt=cast("int", job.arguments["revision"])
    ).update(policy_revision=cast("int", job.arguments["revision"]))
    if job.failures and not changed:
        note_failure(f"policy:{policy_id}", job.now)
        return
    note_success(f"policy:{policy_id}")
    enqueue(APPLY_TASK, QueueName.REPLICATION, now=job.now)


def _refuse_unfit(policy: Policy) -> None:
    """Looks at every pairing of the policy as if it were made now (PO-2)."""
    for pairing in _pairings(policy):
        rows = PairedHost.objects.filter(pairing=pairing).select_related("host")
        hosts = [row.host for row in rows]
        if pairing.instance_type != policy.instance_type:
            pairing.instance_type = policy.instance_type
            refuse_second_of_generation(pairing)
            _refuse_other_generation(pairing, hosts)
        refuse_other_listener(policy, hosts)


def _pairings(policy: Policy) -> Iterable[Pairing]:
    return policy.pairings.select_related("primary_cloud__fabric", "recovery_cloud__fabric")


def _refuse_other_generation(pairing: Pairing, hosts: Iterable[Host]) -> None:
    """Hosts that are configured must run what the policy names now, and some must be there."""
    generation = InstanceType(pairing.instance_type)
    unfit = list(
        host_generation_errors(generation, [(one.fqdn, one.version) for one in windows_of(hosts)])
    )
    clouds = (pairing.primary_cloud, pairing.recovery_cloud)
    found = prerequisite_failures(*clouds, generation)
    unfit += [each for each in found if each.code == "HostGenerationNotSupported"]
    unfit = list(dict.fromkeys(unfit))
    if unfit:
        raise RefusedError(unfit[0] if len(unfit) == 1 else several(unfit), status=409)


def _stale(prefix: str = "") -> Q:
    """Pairings whose hosts were configured by another port or authentication."""
    policy = "" if prefix else "policy__"
    same = Q(
        **{
            f"{prefix}configured_port": F(f"{policy}replication_port"),
            f"{prefix}configured_authentication": F(f"{policy}authentication_type"),
        }
    )
    known = Q(**{f"{prefix}configured_port__isnull": False, f"{prefix}state": PairingState.PAIRED})
    return known & ~same


def _apply(
    policy: Policy, origin: RequestOrigin, now: datetime, at_once: int = MOST_AT_ONCE
) -> Job | None:
    stale = list(
        Pairing.objects.filter(_stale(), policy=policy).select_related(
            "policy", "primary_fabric", "recovery_fabric"
        )
    )
    items = _free_items(policy, at_once)
    if not items and not stale:
        return None
    receivers, members = _receivers(policy, stale, now)
    listening = listening_of(policy)
    update = PolicyUpdate(
        listening=listening,
        settings=PolicySettings(
            instance_type=InstanceType(policy.instance_type),
            frequency_seconds=policy.replication_frequency_seconds,
            recovery_points=policy.recovery_points,
            application_consistent_hours=policy.application_consistent_hours,
            compression=policy.compression,
        ),
        items=_policy_items(policy, items, now),
        receivers=tuple(receivers),
        pairings=members,
    )
    return begin_job(
        BeginJob(
            vault_id=policy.vault_id,
            scenario=SCENARIO,
            friendly_name=FRIENDLY_NAME,
            target=JobTarget(
                "ProtectionProfile", str(policy.id), policy.name, origin.target_resource
            ),
            graph=plan_update(update),
            locks=(
                policy_lock(policy),
                *(pairing_lock(pairing) for pairing in stale),
                *locks_of(receivers),
                *(item_lock(item.id) for item in items),
            ),
            queue=QueueName.REPLICATION,
            started_by=origin.started_by,
            client_request_id=origin.client_request_id,
            correlation_id=origin.correlation_id,
            arguments={
                "policy_id": str(policy.id),
                "revision": policy.revision,
                "port": listening.replication_port,
                "authentication": listening.authentication_type,
            },
        ),
        now,
    )


def _free_items(policy: Policy, at_once: int) -> list[ProtectedItem]:
    """Some items that do not follow the policy yet, replicate, and have no job.

    Whichever: items that are busy, or cannot be changed, must not keep the others from their turn.
    """
    items = list(
        ProtectedItem.objects.filter(
            pairing__policy=policy,
            pairing__state=PairingState.PAIRED,
            policy_revision__lt=policy.revision,
            state__in=SETTLED,
        )
        .select_related("pairing__primary_fabric", "pairing__recovery_fabric")
        .order_by("?")[: 2 * at_once]
    )
    busy = running_jobs_for([item_lock(item.id) for item in items])
    free = [item for item in items if item_lock(item.id) not in busy][:at_once]
    return sorted(free, key=lambda item: (item.friendly_name, item.id))


def _policy_items(
    policy: Policy, items: Iterable[ProtectedItem], now: datetime
) -> tuple[PolicyItem, ...]:
    rows = PairedHost.objects.filter(pairing__policy=policy)
    thumbprints = {
        (pairing_id, host): thumbprint
        for pairing_id, host, thumbprint in rows.values_list(
            "pairing_id", "host__name", "certificate_thumbprint"
        )
    }
    providers: dict[object, str] = {}
    found = []
    for item in items:
        location = ActiveLocation(item.active_location)
        fabric = fabric_at(item.pairing, location)
        if fabric.id not in providers:
            providers[fabric.id] = str(connected_provider_of(fabric, now).id)
        host = host_of_side(item, location)
        found.append(
            PolicyItem(
                item_id=str(item.id),
                vm_id=item.vm_id,
                host=host,
                provider_id=providers[fabric.id],
                certificate_thumbprint=thumbprints.get((item.pairing_id, host), ""),
            )
        )
    return tuple(found)


def _receivers(
    policy: Policy, stale: Sequence[Pairing], now: datetime
) -> tuple[list[Receiver], dict[str, tuple[str, ...]]]:
    """Receivers to configure anew, each once, and by pairing the names of its own."""
    if not stale:
        return [], {}
    found: dict[str, Receiver] = {}
    members: dict[str, tuple[str, ...]] = {}
    for pairing in stale:
        rows = PairedHost.objects.filter(pairing=pairing, host__gone_at=None)
        own = paired_receivers(rows.select_related("host__fabric"))
        for location in {receiver.location for receiver in own}:
            connected_provider_of(fabric_at(pairing, location), now)
        members[str(pairing.id)] = tuple(receiver.name for receiver in own)
        found |= {receiver.name: receiver for receiver in own}
    known = list(found.values())
    if policy.authentication_type == Authentication.CERTIFICATE:
        known = with_certificates(known, now)
    return with_authorizations(known, names_of_pairings(policy.vault_id)), members
