"""Reading roles, for those who tell agents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

from coordinator.protection.models import ProtectedItem
from coordinator.protection.roles.rules import Role, role_of
from coordinator.protection.states import ActiveLocation


class Adapter(NamedTuple):
    """An adapter of a held copy and the switch it was taken off."""

    adapter_id: str
    name: str
    switch_name: str


class RoleOfCopy(NamedTuple):
    """What one copy of a machine may do; see role.proto."""

    item_id: str
    vm_id: str
    location: str
    host: str
    epoch: int
    role: Role
    start_action: str
    start_delay_seconds: int
    held_adapters: tuple[Adapter, ...]


COLUMNS = (
    "id",
    "vm_id",
    "state",
    "active_location",
    "failover_type",
    "role_epoch",
    "primary_host",
    "recovery_host",
    "pairing__primary_fabric_id",
    "pairing__recovery_fabric_id",
    "machine_role__start_action",
    "machine_role__start_delay_seconds",
    "machine_role__held",
)


def roles_of(fabric_ids: Collection[UUID]) -> Mapping[UUID, Sequence[RoleOfCopy]]:
    """The roles of all copies at fabrics; every fabric asked for is there."""
    found: dict[UUID, list[RoleOfCopy]] = {fabric_id: [] for fabric_id in fabric_ids}
    items = ProtectedItem.objects.filter(
        Q(pairing__primary_fabric__in=found) | Q(pairing__recovery_fabric__in=found)
    )
    for row in items.order_by("id").values_list(*COLUMNS):
        (item_id, vm_id, state, active, failover_type, epoch, *rest) = row
        primary_host, recovery_host, primary_fabric, recovery_fabric, action, delay, held = rest
        for location, host, fabric_id in (
            (ActiveLocation.PRIMARY, primary_host, primary_fabric),
            (ActiveLocation.RECOVERY, recovery_host, recovery_fabric),
        ):
            if not host or fabric_id not in found:
                continue
            found[fabric_id].append(
                RoleOfCopy(
                    item_id=str(item_id),
                    vm_id=vm_id,
                    location=str(location),
                    host=host,
                    epoch=epoch,
                    role=role_of(state, location, ActiveLocation(active), failover_type),
                    start_action=action or "",
                    start_delay_seconds=delay or 0,
                    held_adapters=_adapters(held, location),
                )
            )
    return found


def _adapters(held: Mapping[str, object] | None, location: ActiveLocation) -> tuple[Adapter, ...]:
    if held is None or held.get("location") != location:
        return ()
    kept = held.get("adapters")
    return tuple(Adapter(*each) for each in kept) if isinstance(kept, list) else ()
