"""Reading what other domains and the gateway need of protection; the API's reads are beside."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from coordinator.protection.models import ProtectedItem
from coordinator.protection.sides import ItemSide, side_of_item

__all__ = ["ItemSide", "side_of_item", "watched_machines"]


def watched_machines(fabric_id: UUID) -> list[str]:
    """Hyper-V ids of the machines whose replication a fabric's provider reports about, sorted."""
    items = ProtectedItem.objects.filter(
        Q(pairing__primary_fabric_id=fabric_id) | Q(pairing__recovery_fabric_id=fabric_id)
    )
    return list(items.order_by("vm_id").values_list("vm_id", flat=True))
