"""Why a replica is where it is, in answers; ASR tells nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

from coordinator.protection.models import ProtectedItem


class AssessedHost(TypedDict):
    """A host that was looked at for the replica, with its score."""

    host: str
    fits: bool
    score: float
    reasons: list[str]


class Placement(TypedDict):
    """Where the replica runs, and why there. Beyond ASR's model."""

    recoveryHost: str
    hosts: list[AssessedHost]


class PlacedDisk(TypedDict):
    fileName: str
    storageClassification: str | None
    targetStorageClassification: str | None
    location: str
    reason: str


class StoragePlacement(TypedDict):
    """Where each disk of the replica goes, and why. Beyond ASR's model."""

    defaultLocation: str
    diskPaths: list[str]
    disks: list[PlacedDisk]


def placement(item: ProtectedItem) -> Placement | None:
    """The hosts that were looked at, best first; None before placement."""
    hosts: list[Mapping[str, Any]] = item.placement
    if not hosts:
        return None
    return {
        "recoveryHost": item.recovery_host,
        "hosts": [
            {
                "host": each["host"],
                "fits": each["fits"],
                "score": each["score"],
                "reasons": each["reasons"],
            }
            for each in hosts
        ],
    }


def storage_placement(item: ProtectedItem) -> StoragePlacement | None:
    """Where each disk goes and why; None before placement."""
    if not item.storage:
        return None
    disks: list[Mapping[str, Any]] = item.storage["disks"]
    return {
        "defaultLocation": item.storage["default_location"],
        "diskPaths": item.storage["disk_paths"],
        "disks": [
            {
                "fileName": disk["file_name"],
                "storageClassification": disk["classification"] or None,
                "targetStorageClassification": disk["target_classification"] or None,
                "location": disk["location"] or item.storage["default_location"],
                "reason": disk["reason"],
            }
            for disk in disks
        ],
    }
