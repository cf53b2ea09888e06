"""Recovery points in answers."""

from __future__ import annotations

from coordinator.api.shapes.envelope import Resource, resource, written_time
from coordinator.protection.models import RecoveryPoint


def recovery_point_resource(item_id: str, point: RecoveryPoint) -> Resource:
    """A recovery point of the item with that ARM id."""
    return resource(
        f"{item_id}/recoveryPoints/{point.point_id}",
        {
            "recoveryPointTime": written_time(point.time),
            "recoveryPointType": point.type,
            "providerSpecificDetails": {"instanceType": "HyperVReplica2012R2"},
        },
    )
