"""Recovery points as the replicas' hosts have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from hashlib import blake2b
from uuid import UUID

from opensiterecovery.provider.v1 import replication_pb2

from coordinator.protection.models import RecoveryPoint

POINT_ID_LENGTH = 64
CRASH_CONSISTENT = "CrashConsistent"
# By Hyper-V's SnapshotType; what is not there is crash-consistent.
POINT_TYPES = {"AppConsistentReplica": "ApplicationConsistent"}

NO_POINTS = b"-"
"""Digest of a replica that was seen to have none."""


def digest_points(points: Sequence[replication_pb2.RecoveryPoint]) -> bytes:
    """Differs when the points do."""
    if not points:
        return NO_POINTS
    return blake2b("\n".join(point.id for point in points).encode(), digest_size=8).digest()


def keep_points(reported: Mapping[UUID, Sequence[replication_pb2.RecoveryPoint]]) -> None:
    """Makes the points of each item those its replica's host has."""
    kept = {
        item_id: {point.id: point for point in points if _can_be_kept(point)}
        for item_id, points in reported.items()
    }
    known: dict[UUID, dict[str, int]] = {item_id: {} for item_id in kept}
    rows = RecoveryPoint.objects.filter(item_id__in=list(kept))
    for key, item_id, point_id in rows.values_list("id", "item_id", "point_id"):
        known[item_id][point_id] = key
    gone = [
        key
        for item_id, points in known.items()
        for point_id, key in points.items()
        if point_id not in kept[item_id]
    ]
    if gone:
        RecoveryPoint.objects.filter(id__in=gone).delete()
    RecoveryPoint.objects.bulk_create(
        [
            RecoveryPoint(
                item_id=item_id,
                point_id=point.id,
                time=point.created_at.ToDatetime(tzinfo=UTC),
                type=POINT_TYPES.get(point.type, CRASH_CONSISTENT),
            )
            for item_id, points in kept.items()
            for point in points.values()
            if point.id not in known[item_id]
        ],
        ignore_conflicts=True,
    )


def _can_be_kept(point: replication_pb2.RecoveryPoint) -> bool:
    return len(point.id) <= POINT_ID_LENGTH and point.HasField("created_at")
