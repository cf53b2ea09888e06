"""Deleting an item's row: what it held is given back."""

from __future__ import annotations

from datetime import datetime

from coordinator.events.services import clear_events_about
from coordinator.protection.copy_line.line import leave
from coordinator.protection.models import FirstCopy, ProtectedItem


def forget_item(item: ProtectedItem, now: datetime) -> None:
    """Deletes an item with all that is its own; the places of its first copy are free again.

    Args:
        item: Locked.
        now: The time.
    """
    leave(FirstCopy.objects.filter(item=item, ended_at=None), now)
    clear_events_about(item.vault_id, str(item.id), now)
    item.delete()
