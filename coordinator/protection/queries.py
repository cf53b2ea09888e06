"""Reading what other domains and the gateway need of protection; the API's reads are beside."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q

from coordinator.protection.models import ProtectedItem
from coordinator.protection.sides import ItemSide, side_of_item

__all__ = ["ItemSide", "machines_to_watch", "side_of_item", "watched_machines"]


def watched_machines(fabric_id: UUID) -> list[str]:
    """Hyper-V ids of the machines whose replication a fabric's provider reports about, sorted."""
    items = ProtectedItem.objects.filter(
        Q(pairing__primary_fabric_id=fabric_id) | Q(pairing__recovery_fabric_id=fabric_id)
    )
    return list(items.order_by("vm_id").values_list("vm_id", flat=True))


def machines_to_watch(fabric_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """`watched_machines` of many fabrics at once; each of them is in the answer."""
    watched: dict[UUID, set[str]] = {fabric_id: set() for fabric_id in fabric_ids}
    items = ProtectedItem.objects.filter(
        Q(pairing__primary_fabric__in=watched) | Q(pairing__recovery_fabric__in=watched)
    )
    for primary, recovery, vm_id in items.values_list(
        "pairing__primary_fabric_id", "pairing__recovery_fabric_id", "vm_id"
    ):
        for fabric_id in {primary, recovery} & watched.keys():
            watched[fabric_id].add(vm_id)
    return {fabric_id: sorted(vm_ids) for fabric_id, vm_ids in watched.items()}
