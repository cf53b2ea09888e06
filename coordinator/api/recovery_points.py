"""Routes of recovery points."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import ItemPath, PointPath
from coordinator.api.calls import Answer, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.paging import page
from coordinator.api.paths import PROTECTED_ITEM, RECOVERY_POINT
from coordinator.api.protected_items import require_item
from coordinator.api.responses import lists, shows
from coordinator.api.shapes.protected_items import protected_item_id
from coordinator.api.shapes.recovery_points import RecoveryPointResource, recovery_point_resource
from coordinator.protection.queries import points_of

router = Router()


@router.get(f"{PROTECTED_ITEM}/recoveryPoints", response=lists(RecoveryPointResource))
@served
def list_recovery_points(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """Points of an item, newest first."""
    call = open_vault(request, path)
    item = require_item(call, path)
    rows = points_of(item)
    item_id = protected_item_id(call.ids, item)
    return page(
        request,
        lambda start, end: rows[start:end],
        lambda point: recovery_point_resource(item_id, point),
    )


@router.get(RECOVERY_POINT, response=shows(RecoveryPointResource))
@served
def get_recovery_point(request: HttpRequest, path: Path[PointPath]) -> Answer:
    call = open_vault(request, path)
    item = require_item(call, path)
    point = points_of(item).filter(point_id__iexact=path.point_name).first()
    item_id = protected_item_id(call.ids, item)
    if point is None:
        raise NotFoundError(f"{item_id}/recoveryPoints/{path.point_name}")
    return recovery_point_resource(item_id, point)
