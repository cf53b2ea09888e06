"""Addresses that the product has chosen for replicas: no two are to choose the same one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.db import connection

from coordinator.protection.models import ItemAdapter


def hold_pools(pool_ids: Iterable[str]) -> None:
    """Lets no other transaction choose out of these pools until this one ends.

    In one order, so that two which want several do not wait for each other.
    """
    with connection.cursor() as cursor:
        for pool_id in sorted(set(pool_ids)):
            digest = hashlib.sha256(f"pool:{pool_id}".encode()).digest()
            key = int.from_bytes(digest[:8], "big", signed=True)
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def taken_by_others(row: ItemAdapter) -> list[str]:
    """Addresses of a pool that a vault's other replicas have, or are about to reserve."""
    others = ItemAdapter.objects.filter(
        pool_id=row.pool_id, item__vault__protected_items=row.item_id
    ).exclude(pk=row.pk)
    return list(others.exclude(address="").values_list("address", flat=True))
