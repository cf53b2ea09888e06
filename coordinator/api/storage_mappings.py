"""Routes of storage classification mappings."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from coordinator.api.addresses import StorageClassificationPath, StorageMappingPath, VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.paging import page
from coordinator.api.paths import STORAGE_CLASSIFICATION, STORAGE_MAPPING, VAULT
from coordinator.api.references import names_in_reference
from coordinator.api.responses import NOTHING, lists, shows
from coordinator.api.shapes.envelope import ArmId
from coordinator.api.shapes.storage import StorageMappingResource, storage_mapping_resource
from coordinator.api.storage_classifications import require_classification
from coordinator.fabrics.models import FabricObject
from coordinator.protection.models import StorageMapping
from coordinator.protection.queries import find_storage_mapping, storage_mappings_of
from coordinator.protection.services import map_storage, unmap_storage

router = Router()

TARGET = "targetStorageClassificationId"


class StorageMappingInputProperties(RequestPart):
    """The classification that the one of the address is copied to."""

    targetStorageClassificationId: ArmId  # noqa: N815 - the API's name


class StorageMappingInput(RequestPart):
    """A mapping to make."""

    properties: StorageMappingInputProperties


@router.get(
    f"{VAULT}/replicationStorageClassificationMappings", response=lists(StorageMappingResource)
)
@served
def list_mappings(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """All storage mappings, by name."""
    return _list(open_vault(request, path), None)


@router.get(
    f"{STORAGE_CLASSIFICATION}/replicationStorageClassificationMappings",
    response=lists(StorageMappingResource),
)
@served
def list_mappings_of_classification(
    request: HttpRequest, path: Path[StorageClassificationPath]
) -> Answer:
    """Mappings of a classification as source."""
    call = open_vault(request, path)
    source = require_classification(call, path.fabric_name, path.storage_classification_name)
    return _list(call, source)


@router.get(STORAGE_MAPPING, response=shows(StorageMappingResource))
@served
def get_mapping(request: HttpRequest, path: Path[StorageMappingPath]) -> Answer:
    call = open_vault(request, path)
    mapping = _find(call, path)
    if mapping is None:
        raise NotFoundError(
            call.ids.child(
                STORAGE_MAPPING,
                fabric_name=path.fabric_name,
                storage_classification_name=path.storage_classification_name,
                storage_mapping_name=path.storage_mapping_name,
            )
        )
    return storage_mapping_resource(call.ids, mapping)


@router.put(STORAGE_MAPPING, response=shows(StorageMappingResource))
@served
def put_mapping(
    request: HttpRequest, path: Path[StorageMappingPath], body: StorageMappingInput
) -> Answer:
    """Maps a classification; done at once, so the answer is the resource."""
    call = open_vault(request, path)
    source = require_classification(call, path.fabric_name, path.storage_classification_name)
    names = names_in_reference(
        call, STORAGE_CLASSIFICATION, body.properties.targetStorageClassificationId, TARGET
    )
    target = require_classification(
        call, names["fabric_name"], names["storage_classification_name"]
    )
    mapping = map_storage(path.storage_mapping_name, source, target, call.now)
    return storage_mapping_resource(call.ids, mapping)


@router.delete(STORAGE_MAPPING, response=NOTHING)
@served
def delete_mapping(request: HttpRequest, path: Path[StorageMappingPath]) -> Answer:
    """Deletes a mapping; replicas stay. Deleting one that is gone changes nothing."""
    call = open_vault(request, path)
    mapping = _find(call, path)
    if mapping is not None:
        unmap_storage(mapping)
    return HttpResponse(status=204)


def _find(call: Call, path: StorageMappingPath) -> StorageMapping | None:
    source = require_classification(call, path.fabric_name, path.storage_classification_name)
    return find_storage_mapping(source, path.storage_mapping_name)


def _list(call: Call, source: FabricObject | None) -> Answer:
    rows = storage_mappings_of(call.vault.id, source)
    return page(
        call.request,
        lambda start, end: rows[start:end],
        lambda row: storage_mapping_resource(call.ids, row),
    )
