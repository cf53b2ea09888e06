"""How many machines are protected and how well, over all vaults: for metrics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, groupby
from operator import itemgetter
from uuid import UUID

from django.db import connection
from django.db.models import Count, Min

from coordinator.protection.models import ProtectedItem, ReplicationSide
from coordinator.protection.replication.rpo import MEASURED

# What policies ask for, and what is far from it.
RPO_LIMITS_SECONDS = (30, 60, 300, 600, 900, 1800, 3600, 14400, 86400)
# The newest moment of each machine that either side has, and how long ago that is.
BEHIND = """
WITH behind AS (
    SELECT item.vault_id, GREATEST(
        0, EXTRACT(EPOCH FROM %s::timestamptz - MAX(side.last_replicated_at))
    )::float8 AS seconds
    FROM protection_protecteditem AS item
    JOIN protection_replicationside AS side ON side.item_id = item.id
    WHERE item.state = ANY(%s) AND side.last_replicated_at IS NOT NULL
    GROUP BY item.id
)
SELECT vault_id, width_bucket(seconds, %s::float8[]), COUNT(*), SUM(seconds), MAX(seconds)
FROM behind GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True)
class RpoCount:
    """How far the replicas of a vault are behind.

    Attributes:
        machines: How many have a replica to recover to.
        total_seconds: The sum.
        worst_seconds: The longest.
        within: How many are at most so far behind, by `RPO_LIMITS_SECONDS`.
    """

    vault_id: UUID
    machines: int
    total_seconds: float
    worst_seconds: float
    within: tuple[int, ...]


def items_by_state() -> Iterable[tuple[UUID, str, str, int]]:
    """Vault, protection state, replication health and number of protected items."""
    rows = ProtectedItem.objects.order_by()
    return rows.values_list("vault_id", "state", "replication_health").annotate(count=Count("id"))


def rpo_counts(now: datetime) -> list[RpoCount]:
    """How far replicas are behind; vaults that replicate nothing have no entry."""
    measured = [state.value for state in MEASURED]
    with connection.cursor() as cursor:
        cursor.execute(BEHIND, [now, measured, list(RPO_LIMITS_SECONDS)])
        rows = cursor.fetchall()
    found = []
    for vault_id, members in groupby(rows, key=itemgetter(0)):
        buckets = list(members)
        counts = {bucket: count for _, bucket, count, *_ in buckets}
        edges = range(len(RPO_LIMITS_SECONDS))
        found.append(
            RpoCount(
                vault_id=vault_id,
                machines=sum(counts.values()),
                total_seconds=sum(total for *_, total, _ in buckets),
                worst_seconds=max(worst for *_, worst in buckets),
                within=tuple(accumulate(counts.get(edge, 0) for edge in edges)),
            )
        )
    return found


def oldest_reports() -> Iterable[tuple[UUID, datetime]]:
    """By vault, when the host of a machine that replicates was last heard of, at the earliest."""
    sides = ReplicationSide.objects.filter(item__state__in=[state.value for state in MEASURED])
    return sides.order_by().values_list("item__vault_id").annotate(oldest=Min("observed_at"))
