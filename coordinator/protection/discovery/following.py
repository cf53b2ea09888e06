"""Protected items follow their machines: by Hyper-V's id, whatever happens to name and place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import structlog
from django.db.models import Q

from coordinator.fabrics.models import Fabric, VirtualMachine
from coordinator.protection.discovery.machine_errors import FoundMachine, machine_errors
from coordinator.protection.models import PairedHost, ProtectedItem, VmmRequest
from coordinator.protection.states import ActiveLocation

log = structlog.get_logger(__name__)

FOLLOWED_COLUMNS = ["friendly_name", "protectable_item_id", "primary_host", "fabric_errors"]


def follow_machines(fabric: Fabric, now: datetime) -> None:
    """Brings items up to date with what became of their machines in a fabric.

    Costs what has changed since `note_followed`, however many machines there are.

    Idempotent. Source: SPEC DI-2; the issue's "VMs renamed, moved, live-migrated to another host,
    deleted, made HA are followed".
    """
    changed = VirtualMachine.objects.filter(fabric=fabric, revision__gt=fabric.followed_revision)
    vm_ids = set(changed.exclude(vm_id="").values_list("vm_id", flat=True))
    items = _items(fabric, vm_ids)
    if items:
        machines = _machines(fabric, {item.vm_id for item in items})
        hosts = _paired_hosts(items)
        for item in items:
            follow(item, fabric, machines.get(item.vm_id, ()), hosts[item.pairing_id], now)
        ProtectedItem.objects.bulk_update(items, FOLLOWED_COLUMNS, batch_size=200)


def note_followed(fabric: Fabric) -> None:
    """Everything up to the fabric's revision, as it was read, has been followed by everybody."""
    revision = fabric.inventory_revision
    Fabric.objects.filter(pk=fabric.pk, followed_revision__lt=revision).update(
        followed_revision=revision
    )


def follow(
    item: ProtectedItem,
    fabric: Fabric,
    machines: Sequence[VirtualMachine],
    hosts: Collection[str],
    now: datetime,
) -> None:
    """Brings one item up to date; the caller holds its row and saves it.

    Args:
        item: With its pairing and the pairing's clouds.
        fabric: Whose inventory is looked at.
        machines: Of that fabric, with the item's id, also those that are gone.
        hosts: FQDNs of the hosts its pairing configured.
        now: Time of the change.
    """
    pairing = item.pairing
    active = ActiveLocation(item.active_location)
    on_primary = fabric.pk == pairing.primary_fabric_id
    both = pairing.primary_fabric_id == pairing.recovery_fabric_id
    if not both and (active is ActiveLocation.PRIMARY) != on_primary:
        # The other site's copy; what becomes of it shows in its replication.
        return
    present = [machine for machine in machines if machine.gone_at is None]
    running = _the_machine(item, present, both=both)
    found = None if running is None else _found(running)
    if running is not None:
        item.friendly_name = running.name
        if active is ActiveLocation.PRIMARY:
            item.protectable_item_id = running.external_id
            item.primary_host = running.host_fqdn or item.primary_host
    cloud = pairing.primary_cloud if active is ActiveLocation.PRIMARY else None
    known = bool(machines)
    item.fabric_errors = machine_errors(
        item.friendly_name,
        found,
        known=known,
        cloud=None if cloud is None else (cloud.external_id, cloud.name),
        hosts=hosts,
        seen_at=_seen_at(item, now),
    )


def _items(fabric: Fabric, vm_ids: Collection[str]) -> list[ProtectedItem]:
    """The items of machines that changed, held, in the order of their ids."""
    if not vm_ids:
        return []
    items = ProtectedItem.objects.select_for_update(of=("self",), no_key=True)
    return list(
        items.select_related("pairing__primary_cloud")
        .filter(Q(pairing__primary_fabric=fabric) | Q(pairing__recovery_fabric=fabric))
        .filter(vm_id__in=vm_ids)
        .order_by("id")
    )


def _machines(fabric: Fabric, vm_ids: Iterable[str]) -> Mapping[str, list[VirtualMachine]]:
    found: dict[str, list[VirtualMachine]] = {}
    rows = VirtualMachine.objects.filter(fabric=fabric, vm_id__in=list(vm_ids))
    rows = rows.select_related("vmm_request")
    for machine in rows.order_by("id"):
        found.setdefault(machine.vm_id, []).append(machine)
    return found


def _paired_hosts(items: Iterable[ProtectedItem]) -> Mapping[object, set[str]]:
    found: dict[object, set[str]] = {item.pairing_id: set() for item in items}
    rows = PairedHost.objects.filter(pairing__in=list(found))
    for pairing_id, name in rows.values_list("pairing_id", "host__name"):
        found[pairing_id].add(name)
    return found


def _the_machine(
    item: ProtectedItem, present: Sequence[VirtualMachine], *, both: bool
) -> VirtualMachine | None:
    """The copy that the machine runs on.

    Under one server its replica has the same id; and so has an old copy that somebody kept on
    another host, which is not taken for the machine while the machine is there.
    """
    primary = item.active_location == ActiveLocation.PRIMARY
    own_host, other_host = item.primary_host, item.recovery_host
    if not primary:
        own_host, other_host = other_host, own_host
    candidates = [
        machine
        for machine in present
        if not both
        or (machine.host_fqdn != other_host and not (primary and machine.details.get("recovery")))
    ]
    known = [machine for machine in candidates if machine.external_id == item.protectable_item_id]
    there = [machine for machine in candidates if machine.host_fqdn == own_host]
    return next(iter([*(known if primary else ()), *there, *candidates]), None)


def _found(machine: VirtualMachine) -> FoundMachine:
    request: VmmRequest | None = getattr(machine, "vmm_request", None)
    return FoundMachine(
        name=machine.name,
        host=machine.host_fqdn,
        cloud_id=machine.cloud_external_id.lower(),
        withdrawn=request is not None and request.withdrawn_at is not None,
    )


def _seen_at(item: ProtectedItem, now: datetime) -> dict[str, str]:
    """When each error that is there already was first seen, by its code."""
    before = {
        str(error.get("errorCode")): str(error.get("creationTimeUtc"))
        for error in item.fabric_errors
        if isinstance(error, Mapping)
    }
    return {"": now.isoformat(), **before}
