"""Disabling protection: taking replication apart, or only forgetting it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from coordinator.failures import refuse
from coordinator.jobs.models import Job
from coordinator.jobs.queries import results_of_steps
from coordinator.jobs.services import begun_job, refuse_if_busy
from coordinator.protection.disabling.clean_up import item_clean_up
from coordinator.protection.disabling.forgetting import forget_item
from coordinator.protection.disabling.planner import (
    FRIENDLY_NAME,
    PURGE_FRIENDLY_NAME,
    PURGE_SCENARIO,
    SCENARIO,
    DisablingSide,
    DisablingSnapshot,
    plan_disabling,
    plan_purge,
)
from coordinator.protection.from_vmm.services import is_required
from coordinator.protection.inventory import provider_of
from coordinator.protection.item_jobs import (
    ItemJob,
    begin_item_job,
    end_waiting,
    end_waiting_in_vain,
)
from coordinator.protection.models import ProtectedItem
from coordinator.protection.networks.attaching import reservations_of
from coordinator.protection.networks.planner import Release
from coordinator.protection.operations import Operation
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.rules import is_known_replica
from coordinator.protection.sides import fabric_of_side, host_of_side
from coordinator.protection.states import (
    COMMIT_PENDING_STATES,
    ActiveLocation,
    ItemEvent,
    ProtectionState,
)
from coordinator.protection.transitions import (
    change_state,
    item_lock,
    lock_item,
    refuse_unless_allowed,
)

# What enabling does with a copy, or a replication, that was there before.
TAKEN_AS_IT_WAS = ("enable_as_replica", "protection.check_existing_replication")


def disable_protection(
    item: ProtectedItem,
    origin: RequestOrigin,
    now: datetime,
    *,
    affected: Mapping[str, str] | None = None,
) -> Job:
    """Begins the job that ends a machine's replication on both sides and forgets the item.

    The replica goes too when the policy says so and the other copy is known to be one; the copy
    the machine runs on is never deleted. A provider that is away gets its command when it is back,
    if it takes weeks. A first copy that waits is given up; one that runs is stopped by its host.

    Args:
        item: The protected item.
        origin: Who asked.
        now: The time.
        affected: What else changes with it, by name, for the job to tell: recovery plans that
            leave the machine out from then on.

    Returns:
        The job DisableDr.

    Raises:
        RefusedError: 532 while a job runs on the item; OperationNotAllowed (409) in a state in
            which it is unclear what is the machine and what its replica; ProviderNotRegistered.

    Idempotent: By the origin's client request id.

    Source: SPEC RE-7.
    """
    begun = begun_job(item.vault_id, SCENARIO, str(item.id), origin.client_request_id)
    if begun is not None:
        return begun
    fresh = _free(item, now)
    refuse_unless_allowed(fresh, Operation.DISABLE_PROTECTION)
    aims = _aims(fresh)
    graph = plan_disabling(_snapshot(fresh, aims))
    arguments = {"affected_objects": dict(affected or {})}
    disabling = ItemJob(SCENARIO, FRIENDLY_NAME, graph, arguments)
    job = begin_item_job(fresh, disabling, origin, now)
    if job.created_at == now:
        _enter(fresh, aims)
    return job


def remove_from_vault(item: ProtectedItem, origin: RequestOrigin, now: datetime) -> Job:
    """Forgets an item at once and changes nothing on any host, in whatever state it is.

    Returns:
        The job, whose details say by host which commands clean up by hand.

    Raises:
        RefusedError: 532 while a job runs on the item.

    Source: SPEC RE-7.
    """
    end_waiting_in_vain(item, now)
    fresh = _free(item, now)
    active = ActiveLocation(fresh.active_location)
    commands = item_clean_up(
        fresh.vm_id,
        host_of_side(fresh, active),
        host_of_side(fresh, active.other),
        delete_replica=bool(_aims(fresh)["delete_replica"]),
        clear_mark=is_required(fresh.vm_id, fabric_of_side(fresh.pairing, active)),
        adapters=[release.adapter_id for release in _releases(fresh, active)],
    )
    arguments = {"affected_objects": dict(commands)}
    purge = ItemJob(PURGE_SCENARIO, PURGE_FRIENDLY_NAME, plan_purge(), arguments)
    job = begin_item_job(fresh, purge, origin, now)
    forget_item(lock_item(fresh.id), now)
    return job


def _free(item: ProtectedItem, now: datetime) -> ProtectedItem:
    """The item as it is now, with no job at work on it; one that only waits is ended.

    Raises:
        RefusedError: 532: a job runs on it.
    """
    parts = ("pairing__policy", "pairing__primary_fabric", "pairing__recovery_fabric")
    fresh = ProtectedItem.objects.select_related(*parts).get(id=item.id)
    end_waiting(fresh, now)
    refuse_if_busy(item_lock(fresh.id))
    return fresh


def _releases(item: ProtectedItem, active: ActiveLocation) -> tuple[Release, ...]:
    """Addresses kept for the replica; after a failover the machine itself uses them."""
    return tuple(reservations_of(item)) if active is ActiveLocation.PRIMARY else ()


def _aims(item: ProtectedItem) -> dict[str, object]:
    """What disabling sets out to do; a repetition after a failure has the aims of the first run.

    By then the hosts no longer show what was a replica.
    """
    if item.state == ProtectionState.DISABLING_FAILED and item.disabling is not None:
        return dict(item.disabling)
    active = ActiveLocation(item.active_location)
    observed = item.recovery_observed if active is ActiveLocation.PRIMARY else item.primary_observed
    known = is_known_replica(
        ProtectionState(item.state),
        str((observed or {}).get("mode", "")),
        ours=not any(results_of_steps(str(item.id), action) for action in TAKEN_AS_IT_WAS),
    )
    return {
        "complete_failover": item.state in COMMIT_PENDING_STATES,
        "delete_replica": item.pairing.policy.delete_replica and known,
    }


def _snapshot(item: ProtectedItem, aims: dict[str, object]) -> DisablingSnapshot:
    active = ActiveLocation(item.active_location)
    return DisablingSnapshot(
        vm_id=item.vm_id,
        role_epoch=item.role_epoch,
        active=_side(item, active),
        passive=_side(item, active.other) if host_of_side(item, active.other) else None,
        complete_failover=bool(aims["complete_failover"]),
        delete_replica=bool(aims["delete_replica"]),
        clear_mark=is_required(item.vm_id, fabric_of_side(item.pairing, active)),
        # A machine that runs on the recovery side goes on using what was kept for it.
        releases=_releases(item, active),
    )


def _side(item: ProtectedItem, location: ActiveLocation) -> DisablingSide:
    provider = provider_of(fabric_of_side(item.pairing, location))
    return DisablingSide(str(provider.id), host_of_side(item, location))


def _enter(seen: ProtectedItem, aims: dict[str, object]) -> None:
    """Moves the item on, now that no other operation can begin on it.

    Raises:
        RefusedError: Another operation has come and gone since the item was read.
    """
    item = lock_item(seen.id)
    before = (seen.state, seen.active_location, seen.role_epoch)
    if (item.state, item.active_location, item.role_epoch) != before:
        raise refuse(
            "OperationNotAllowed",
            f"{seen.friendly_name} changed while disabling its protection was asked for.",
            causes=[f"Its state was {seen.state} and is {item.state}."],
            action="Look at the item's state, then try again.",
            status=409,
        )
    change_state(item, ItemEvent.DISABLING_BEGAN)
    item.disabling = aims
    item.save(update_fields=["state", "disabling"])
