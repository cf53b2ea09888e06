"""Reading what other domains and the gateway need of protection; the API's reads are beside."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db.models import Q

from coordinator.protection.models import ProtectedItem
from coordinator.protection.sides import ItemSide, side_of_item

__all__ = ["ItemSide", "machines_to_watch", "side_of_item"]


def machines_to_watch(fabric_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """Which machines' replication each fabric's provider reports about.

    Returns:
        By fabric Hyper-V ids, sorted; every fabric asked for is there.
    """
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
