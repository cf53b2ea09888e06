"""Routes of offline first copies; ASR does not say how an import is begun."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import ItemPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.long_operations import accepted
from coordinator.api.paths import PROTECTED_ITEM
from coordinator.api.protected_items import require_item
from coordinator.api.responses import begins
from coordinator.protection.services import export_first_copy_again, import_first_copy

router = Router()


class ImportInputProperties(RequestPart):
    """Where the carried folder is, as the recovery host names it; else the policy's path."""

    importPath: str | None = None  # noqa: N815 - the API's name


class ImportInput(RequestPart):
    """An import."""

    properties: ImportInputProperties = ImportInputProperties()


@router.post(f"{PROTECTED_ITEM}/importInitialReplication", response=begins())
@served
def import_initial_replication(
    request: HttpRequest, path: Path[ItemPath], body: ImportInput | None = None
) -> Answer:
    """Begins the import of a first copy that was carried."""
    call = open_vault(request, path)
    item = require_item(call, path)
    wanted = "" if body is None else body.properties.importPath or ""
    job = import_first_copy(item, call.origin(_id(call, path)), call.now, path=wanted)
    return accepted(call, _id(call, path), job)


@router.post(f"{PROTECTED_ITEM}/exportInitialReplication", response=begins())
@served
def export_initial_replication(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """Begins the export of a first copy again, after it was broken off."""
    call = open_vault(request, path)
    item = require_item(call, path)
    job = export_first_copy_again(item, call.origin(_id(call, path)), call.now)
    return accepted(call, _id(call, path), job)


def _id(call: Call, path: ItemPath) -> str:
    return call.ids.child(
        PROTECTED_ITEM,
        fabric_name=path.fabric_name,
        container_name=path.container_name,
        item_name=path.item_name,
    )
