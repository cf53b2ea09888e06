"""Why a replica is where it is, in answers; ASR tells nothing of it."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.protection.models import ProtectedItem


def placement(item: ProtectedItem) -> dict[str, object] | None:
    """The hosts that were looked at, best first; None before placement."""
    hosts: list[Mapping[str, object]] = item.placement
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


def storage_placement(item: ProtectedItem) -> dict[str, object] | None:
    """Where each disk goes and why; None before placement."""
    if not item.storage:
        return None
    disks: list[Mapping[str, object]] = item.storage["disks"]
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
