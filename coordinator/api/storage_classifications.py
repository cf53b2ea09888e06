"""Routes of storage classifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import FabricPath, StorageClassificationPath, VaultPath
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.fabrics import require_fabric
from coordinator.api.paging import page
from coordinator.api.paths import FABRIC, STORAGE_CLASSIFICATION, VAULT
from coordinator.api.responses import lists, shows
from coordinator.api.shapes.envelope import Resource
from coordinator.api.shapes.storage import (
    ClassificationResource,
    classification_id,
    classification_resource,
)
from coordinator.fabrics.models import Fabric, FabricObject
from coordinator.protection.queries import (
    StoragePlace,
    classifications_of,
    find_classification,
    places_by_classification,
)

router = Router()


@router.get(f"{VAULT}/replicationStorageClassifications", response=lists(ClassificationResource))
@served
def list_classifications(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Storage classifications of all servers, by name."""
    return _list(open_vault(request, path), None)


@router.get(f"{FABRIC}/replicationStorageClassifications", response=lists(ClassificationResource))
@served
def list_classifications_of_fabric(request: HttpRequest, path: Path[FabricPath]) -> Answer:
    """Storage classifications of a server, by name."""
    call = open_vault(request, path)
    return _list(call, require_fabric(call, path.fabric_name))


@router.get(STORAGE_CLASSIFICATION, response=shows(ClassificationResource))
@served
def get_classification(request: HttpRequest, path: Path[StorageClassificationPath]) -> Answer:
    call = open_vault(request, path)
    found = require_classification(call, path.fabric_name, path.storage_classification_name)
    places = places_by_classification(found.fabric_id)
    return classification_resource(call.ids, found, places.get(found.name, ()))


def require_classification(call: Call, fabric_name: str, name: str) -> FabricObject:
    """The storage classification of that server and name (VMM's id).

    Raises:
        NotFoundError: There is none.
    """
    fabric = require_fabric(call, fabric_name)
    found = find_classification(fabric, name)
    if found is None:
        raise NotFoundError(classification_id(call.ids, fabric_name, name))
    return found


def _list(call: Call, fabric: Fabric | None) -> Answer:
    rows = classifications_of(call.vault.id, fabric)
    places: dict[object, Mapping[str, Sequence[StoragePlace]]] = {}

    def shape(row: FabricObject) -> Resource:
        if row.fabric_id not in places:
            places[row.fabric_id] = places_by_classification(row.fabric_id)
        return classification_resource(call.ids, row, places[row.fabric_id].get(row.name, ()))

    return page(call.request, lambda start, end: rows[start:end], shape)
