"""How the protected items of a whole vault fare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from coordinator.protection.models import ProtectedItem


@dataclass(frozen=True)
class AilingItem:
    """An item with health errors; the stored errors are in ASR's words."""

    item_id: UUID
    replication_health: str
    errors: tuple[Mapping[str, object], ...]


def item_healths(vault_id: UUID) -> Counter[str]:
    """How many items have each replication health."""
    rows = ProtectedItem.objects.filter(vault_id=vault_id).order_by()
    return Counter(rows.values_list("replication_health", flat=True).iterator())


def ailing_items(vault_id: UUID) -> Iterator[AilingItem]:
    """Items that have any health error, also those that only their server explains."""
    rows = ProtectedItem.objects.filter(vault_id=vault_id)
    rows = rows.exclude(Q(health_errors=[]) & Q(fabric_errors=[]))
    for item in rows.only("id", "replication_health", "health_errors", "fabric_errors").iterator():
        yield AilingItem(
            item.id, item.replication_health, (*item.fabric_errors, *item.health_errors)
        )
