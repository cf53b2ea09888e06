"""Recovery points in answers."""

from __future__ import annotations

from typing_extensions import TypedDict

from coordinator.api.shapes.envelope import Envelope, Time, resource, written_time
from coordinator.protection.models import RecoveryPoint


class RecoveryPointDetails(TypedDict):
    instanceType: str


class RecoveryPointProperties(TypedDict):
    recoveryPointTime: Time
    recoveryPointType: str
    providerSpecificDetails: RecoveryPointDetails


class RecoveryPointResource(Envelope):
    """A point in time a machine can be taken to."""

    properties: RecoveryPointProperties


def recovery_point_resource(item_id: str, point: RecoveryPoint) -> RecoveryPointResource:
    """A recovery point of the item with that ARM id."""
    return resource(
        f"{item_id}/recoveryPoints/{point.point_id}",
        {
            "recoveryPointTime": written_time(point.time),
            "recoveryPointType": point.type,
            "providerSpecificDetails": {"instanceType": "HyperVReplica2012R2"},
        },
    )
