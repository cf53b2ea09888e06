"""Storage classifications and their mappings in answers."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import TypedDict

from coordinator.api.paths import STORAGE_CLASSIFICATION, STORAGE_MAPPING, VaultId
from coordinator.api.shapes.envelope import ArmId, Envelope, resource
from coordinator.fabrics.models import FabricObject
from coordinator.protection.models import StorageMapping
from coordinator.protection.queries import StoragePlace


class StorageLocation(TypedDict):
    """A place of a classification, and which hosts reach it."""

    path: str
    freeBytes: int | None
    hosts: list[str]


class ClassificationProperties(TypedDict):
    friendlyName: str
    fabricFriendlyName: str
    description: str
    locations: list[StorageLocation]


class ClassificationResource(Envelope):
    """A storage classification."""

    properties: ClassificationProperties


class StorageMappingProperties(TypedDict):
    targetStorageClassificationId: ArmId


class StorageMappingResource(Envelope):
    """A mapping of a storage classification to one of the other server."""

    properties: StorageMappingProperties


def classification_id(ids: VaultId, fabric_name: str, external_id: str) -> str:
    return ids.child(
        STORAGE_CLASSIFICATION, fabric_name=fabric_name, storage_classification_name=external_id
    )


def classification_resource(
    ids: VaultId, classification: FabricObject, places: Sequence[StoragePlace]
) -> ClassificationResource:
    """A storage classification; ASR's has the name only, the rest is ours."""
    return resource(
        classification_id(ids, classification.fabric.name, classification.external_id),
        {
            "friendlyName": classification.name,
            "fabricFriendlyName": classification.fabric.friendly_name,
            "description": classification.details.get("description") or "",
            "locations": [
                {"path": place.path, "freeBytes": place.free_bytes, "hosts": sorted(place.hosts)}
                for place in places
            ],
        },
    )


def storage_mapping_id(ids: VaultId, mapping: StorageMapping) -> str:
    return ids.child(
        STORAGE_MAPPING,
        fabric_name=mapping.source_fabric.name,
        storage_classification_name=mapping.source_external_id,
        storage_mapping_name=mapping.name,
    )


def storage_mapping_resource(ids: VaultId, mapping: StorageMapping) -> StorageMappingResource:
    """A storage mapping; it comes with both servers."""
    return resource(
        storage_mapping_id(ids, mapping),
        {
            "targetStorageClassificationId": classification_id(
                ids, mapping.target_fabric.name, mapping.target_external_id
            )
        },
    )
