"""The rows of what sides said last: reading what is known of a report's machines, writing it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

# One statement for however many machines; the ORM's objects took most of the time of a report.
KNOWN = """
SELECT item.id, item.vm_id, item.state, item.active_location, item.primary_host,
       item.recovery_host, pairing.primary_fabric_id, pairing.recovery_fabric_id,
       side.location, side.observed_at, side.signature, side.points_digest, side.mode, side.state
FROM protection_protecteditem AS item
JOIN protection_pairing AS pairing ON pairing.id = item.pairing_id
LEFT JOIN protection_replicationside AS side ON side.item_id = item.id
WHERE item.vault_id = %s AND item.vm_id = ANY(%s)
"""

# The newer observation wins whatever the order they come in. The peak of a span of RPO history
# (300 seconds, `rpo.SPAN`) is the longest time between two moments that the replica reached in it,
# or at its end how long ago the last one was.
WRITE = """
INSERT INTO protection_replicationside AS side (
    item_id, location, observed_at, mode, state, observed, last_replicated_at, signature,
    points_digest, rpo_span
)
SELECT * FROM unnest(
    %s::uuid[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::bytea[],
    %s::timestamptz[], %s::bytea[], %s::bytea[], %s::bigint[]
)
ON CONFLICT (item_id, location) DO UPDATE SET
    observed_at = EXCLUDED.observed_at,
    mode = EXCLUDED.mode,
    state = EXCLUDED.state,
    observed = EXCLUDED.observed,
    last_replicated_at = COALESCE(EXCLUDED.last_replicated_at, side.last_replicated_at),
    signature = EXCLUDED.signature,
    points_digest = EXCLUDED.points_digest,
    rpo_span = EXCLUDED.rpo_span,
    rpo_peak_seconds = GREATEST(
        CASE WHEN side.rpo_span = EXCLUDED.rpo_span THEN side.rpo_peak_seconds END,
        EXTRACT(EPOCH FROM EXCLUDED.last_replicated_at - side.last_replicated_at)::integer
    ),
    rpo_before_seconds = CASE
        WHEN side.rpo_span = EXCLUDED.rpo_span THEN side.rpo_before_seconds
        WHEN side.rpo_span = EXCLUDED.rpo_span - 1 THEN GREATEST(
            side.rpo_peak_seconds,
            EXTRACT(
                EPOCH FROM to_timestamp(EXCLUDED.rpo_span * 300) - side.last_replicated_at
            )::integer
        )
    END
WHERE side.observed_at <= EXCLUDED.observed_at
"""


@dataclass(frozen=True)
class KnownSide:
    """What is kept of one side of an item."""

    observed_at: datetime
    signature: bytes
    points_digest: bytes
    mode: str
    state: str


@dataclass(frozen=True)
class KnownItem:
    """An item as reports need it; its sides by "Primary" and "Recovery"."""

    id: UUID
    state: str
    active_location: str
    primary_host: str
    recovery_host: str
    primary_fabric_id: UUID
    recovery_fabric_id: UUID
    sides: dict[str, KnownSide]


@dataclass(frozen=True)
class SideRow:
    """What is to be kept of one side."""

    item_id: UUID
    location: str
    observed_at: datetime
    mode: str
    state: str
    observed: bytes
    last_replicated_at: datetime | None
    signature: bytes
    points_digest: bytes
    rpo_span: int


def read_known(vault_id: UUID, vm_ids: Collection[str]) -> Mapping[str, KnownItem]:
    """The items of a vault that protect these machines, by Hyper-V's id; others have no entry."""
    found: dict[str, KnownItem] = {}
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [vault_id, list(vm_ids)])
        for row in cursor.fetchall():
            item = found.get(row[1])
            if item is None:
                item = KnownItem(row[0], row[2], row[3], row[4], row[5], row[6], row[7], {})
                found[row[1]] = item
            if row[8] is not None:
                observed_at, signature, points_digest, mode, state = row[9:]
                item.sides[row[8]] = KnownSide(
                    observed_at, bytes(signature), bytes(points_digest), mode, state
                )
    return found


def write_sides(rows: Sequence[SideRow]) -> None:
    """Keeps what was seen; at most one row for each side.

    The rows are written in one order, so that two reports at once never wait for each other
    crosswise.
    """
    if not rows:
        return
    ordered = sorted(rows, key=lambda row: (row.item_id, row.location))
    columns: list[Any] = [
        [row.item_id for row in ordered],
        [row.location for row in ordered],
        [row.observed_at for row in ordered],
        [row.mode for row in ordered],
        [row.state for row in ordered],
        [row.observed for row in ordered],
        [row.last_replicated_at for row in ordered],
        [row.signature for row in ordered],
        [row.points_digest for row in ordered],
        [row.rpo_span for row in ordered],
    ]
    with connection.cursor() as cursor:
        cursor.execute(WRITE, columns)
