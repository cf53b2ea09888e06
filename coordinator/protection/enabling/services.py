"""Enabling protection of a machine: what is refused, and the job that begins its replication."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from coordinator.fabrics.models import VirtualMachine
from coordinator.failures import Failure, RefusedError, refuse
from coordinator.jobs.models import Job
from coordinator.jobs.services import begun_job, refuse_if_busy
from coordinator.protection.discovery.facts import fabric_facts, facts_of
from coordinator.protection.enabling.choosing import choose_pairing
from coordinator.protection.enabling.planner import (
    FRIENDLY_NAME,
    SCENARIO,
    EnablingSnapshot,
    plan_enabling,
)
from coordinator.protection.enabling.situation import recovery_hosts, situation_of
from coordinator.protection.enabling.surroundings import Surroundings
from coordinator.protection.enabling.variants import Choice, Variant, choose_variant
from coordinator.protection.inventory import provider_of
from coordinator.protection.item_jobs import ItemJob, begin_item_job
from coordinator.protection.models import Pairing, ProtectedItem
from coordinator.protection.policies.rules import Authentication
from coordinator.protection.requests import ProtectionRequest, RequestOrigin
from coordinator.protection.resource_names import check_resource_name
from coordinator.protection.rules import readiness_errors
from coordinator.protection.sides import ItemSide, side_of_host
from coordinator.protection.states import (
    ActiveLocation,
    ItemEvent,
    ProtectionState,
)
from coordinator.protection.storage.moving import storage_provider_id
from coordinator.protection.transitions import change_state, item_lock, lock_item


def enable_protection(
    request: ProtectionRequest,
    origin: RequestOrigin,
    now: datetime,
    around: Surroundings | None = None,
) -> tuple[ProtectedItem, Job]:
    """Makes a machine a protected item and begins the job that enables its replication.

    An item whose enabling failed is taken up again.

    Args:
        request: The machine, and by which policy.
        origin: Who asked.
        now: The time.
        around: What was read for other machines in this transaction.

    Returns:
        The item and the job EnableDr.

    Raises:
        RefusedError: Status 409 mostly: VirtualMachineNotInCloud, CloudNotPaired,
            VirtualMachineAlreadyProtected, a readiness error of the machine, NameInUse,
            InvalidResourceName and PolicyNotOfPairing (400), HostGenerationNotSupported naming the
            host, HostNotPaired, or 532 while a job runs on the item.

    Idempotent: By the origin's client request id.

    Source: SPEC RE-1, PR-3, PO-2.
    """
    check_resource_name(request.name)
    machine = request.machine
    known = _known_item(machine)
    if known is not None:
        job = begun_job(machine.vault_id, SCENARIO, str(known.id), origin.client_request_id)
        if job is not None:
            return known, job
        refuse_if_busy(item_lock(known.id))
        _refuse_protected(known)
    around = around or Surroundings()
    _refuse_unready(machine, around)
    pairing = choose_pairing(machine, request.policy, around)
    side = around.once(
        ("side", pairing.id, machine.host_fqdn),
        lambda: side_of_host(pairing, ActiveLocation.PRIMARY, machine.host_fqdn),
    )
    choice = _choose_variant(machine, pairing, side, around)
    item = _take_item(request, pairing, side, now)
    snapshot = _snapshot(item, pairing, side, machine)
    enabling = ItemJob(
        SCENARIO,
        FRIENDLY_NAME,
        plan_enabling(_as_chosen(snapshot, choice, item, side)),
        {
            "request": request.batch or f"{pairing.id} {origin.started_by}"[:200],
            "start_time": start_time_after(pairing.policy.online_replication_start_time, now),
        },
    )
    return item, begin_item_job(item, enabling, origin, now)


def start_time_after(time_of_day: str, now: datetime) -> str:
    """When a first copy begins that waits for a time of day (UTC); empty for now."""
    if not time_of_day:
        return ""
    start = datetime.combine(now.astimezone(UTC), time.fromisoformat(time_of_day), UTC)
    if start <= now:
        start += timedelta(days=1)
    return start.isoformat().replace("+00:00", "Z")


def _known_item(machine: VirtualMachine) -> ProtectedItem | None:
    return (
        ProtectedItem.objects.filter(vault_id=machine.vault_id, vm_id=machine.vm_id)
        .select_related("pairing__policy")
        .first()
    )


def _refuse_protected(item: ProtectedItem) -> None:
    if item.state == ProtectionState.ENABLING_FAILED:
        return
    raise refuse(
        "VirtualMachineAlreadyProtected",
        f"{item.friendly_name} is protected already (state {item.state}).",
        causes=[f"It is the protected item {item.name}."],
        action="Use the existing protected item, or disable its protection first.",
        status=409,
    )


def _refuse_unready(machine: VirtualMachine, around: Surroundings) -> None:
    fabric_id = machine.fabric_id
    facts = around.once(("fabric", fabric_id), lambda: fabric_facts(fabric_id))
    errors = readiness_errors(facts_of(machine, facts))
    if errors:
        raise RefusedError(errors[0], status=409)


def _take_item(
    request: ProtectionRequest, pairing: Pairing, side: ItemSide, now: datetime
) -> ProtectedItem:
    """The item's row in the state ENABLING: a new one, or that of an earlier failure."""
    machine = request.machine
    same_name = ProtectedItem.objects.filter(
        pairing__primary_cloud_id=pairing.primary_cloud_id, name__iexact=request.name
    )
    if same_name.exclude(vm_id=machine.vm_id).exists():
        raise refuse(
            "NameInUse",
            f"Another protected item of the cloud is called {request.name}.",
            causes=["Names of protected items are unique in a cloud."],
            action="Choose another name.",
            status=409,
        )
    item, created = ProtectedItem.objects.get_or_create(
        vault_id=machine.vault_id,
        vm_id=machine.vm_id,
        defaults={
            "pairing": pairing,
            "name": request.name,
            "friendly_name": machine.name,
            "protectable_item_id": machine.external_id,
            "state": ProtectionState.ENABLING,
            "primary_host": side.host,
            "policy_revision": pairing.policy.revision,
            "created_at": now,
        },
    )
    if created:
        return item
    item = lock_item(item.id)
    _refuse_protected(item)
    change_state(item, ItemEvent.ENABLING_BEGAN)
    item.pairing = pairing
    item.name = request.name
    item.friendly_name = machine.name
    item.protectable_item_id = machine.external_id
    item.primary_host = side.host
    item.policy_revision = pairing.policy.revision
    item.save()
    # What hosts said of the attempt before.
    item.sides.all().delete()
    return item


def _choose_variant(
    machine: VirtualMachine,
    pairing: Pairing,
    side: ItemSide,
    around: Surroundings,
) -> Choice:
    """How the first copy comes to be.

    Raises:
        RefusedError: What is there already cannot be used, with what to do about it.
    """
    names = around.once(("recovery hosts", pairing.id), lambda: recovery_hosts(pairing))
    choice = choose_variant(situation_of(machine, pairing, side, names))
    if isinstance(choice, Failure):
        raise RefusedError(choice, status=409)
    return choice


def _as_chosen(
    snapshot: EnablingSnapshot, choice: Choice, item: ProtectedItem, side: ItemSide
) -> EnablingSnapshot:
    """The snapshot of the chosen variant; a host that is only likely becomes the item's."""
    forced = choice.variant in {Variant.EXISTING_COPY, Variant.EXISTING_REPLICATION}
    if choice.recovery_host and not forced and item.recovery_host != choice.recovery_host:
        item.recovery_host = choice.recovery_host
        item.save(update_fields=["recovery_host"])
    policy, over_network = item.pairing.policy, choice.variant is Variant.OVER_NETWORK
    return replace(
        snapshot,
        variant=choice.variant,
        recovery_provider_id=""
        if over_network
        else str(provider_of(item.pairing.recovery_fabric).id),
        recovery_host=choice.recovery_host if forced else "",
        primary_server=side.connection_point,
        export_path=policy.offline_export_path,
        import_path=policy.offline_import_path,
    )


def _snapshot(
    item: ProtectedItem, pairing: Pairing, side: ItemSide, machine: VirtualMachine
) -> EnablingSnapshot:
    policy = pairing.policy
    return EnablingSnapshot(
        provider_id=side.provider_id,
        vm_id=item.vm_id,
        primary_host=side.host,
        certificate_thumbprint=side.certificate_thumbprint,
        authentication_type=Authentication(policy.authentication_type),
        replication_port=policy.replication_port,
        compression=policy.compression,
        replication_frequency_seconds=policy.replication_frequency_seconds,
        recovery_points=policy.recovery_points,
        application_consistent_hours=policy.application_consistent_hours,
        storage_provider_id=storage_provider_id(pairing, machine),
    )
