"""Routes of replication bandwidth limits, which ASR has none of: ours, in its style."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router
from pydantic import WithJsonSchema

from coordinator.api.addresses import BandwidthLimitPath, FabricPath, VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.fabrics import require_fabric
from coordinator.api.long_operations import accepted, operation_result
from coordinator.api.openapi.bodies import LIMIT_SCHEDULE
from coordinator.api.paging import page
from coordinator.api.paths import BANDWIDTH_LIMIT, FABRIC, VAULT
from coordinator.api.responses import begins, lists, results, shows
from coordinator.api.shapes.bandwidth_limits import (
    BandwidthLimitResource,
    bandwidth_limit_id,
    bandwidth_limit_resource,
)
from coordinator.api.shapes.envelope import Resource
from coordinator.fabrics.models import Fabric
from coordinator.protection.models import BandwidthLimit
from coordinator.protection.queries import (
    bandwidth_limits_of,
    find_bandwidth_limit,
    limit_standing,
)
from coordinator.protection.services import remove_bandwidth_limit, set_bandwidth_limit

router = Router()


class LimitOperationPath(BandwidthLimitPath):
    job_name: str


class LimitInput(RequestPart):
    """A limit; the rules of protection read its fields, so that they can say what is wrong."""

    properties: Annotated[dict[str, Any], WithJsonSchema(LIMIT_SCHEDULE)]


@router.get(f"{VAULT}/replicationBandwidthLimits", response=lists(BandwidthLimitResource))
@served
def list_limits(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Limits of all servers."""
    return _list(open_vault(request, path), None)


@router.get(f"{FABRIC}/replicationBandwidthLimits", response=lists(BandwidthLimitResource))
@served
def list_limits_of_fabric(request: HttpRequest, path: Path[FabricPath]) -> Answer:
    """The limit of a server, if it has one."""
    call = open_vault(request, path)
    return _list(call, require_fabric(call, path.fabric_name))


@router.get(BANDWIDTH_LIMIT, response=shows(BandwidthLimitResource))
@served
def get_limit(request: HttpRequest, path: Path[BandwidthLimitPath]) -> Answer:
    call = open_vault(request, path)
    limit = find_bandwidth_limit(require_fabric(call, path.fabric_name), path.limit_name)
    if limit is None:
        raise NotFoundError(_id(call, path))
    return _resource(call, limit)


@router.put(BANDWIDTH_LIMIT, response=begins(or_shows=BandwidthLimitResource))
@served
def put_limit(request: HttpRequest, path: Path[BandwidthLimitPath], body: LimitInput) -> Answer:
    """Sets a limit: a job brings it to the hosts, if they need a change now."""
    call = open_vault(request, path)
    fabric = require_fabric(call, path.fabric_name)
    origin = call.origin(_id(call, path))
    limit, job = set_bandwidth_limit(fabric, path.limit_name, body.properties, origin, call.now)
    return _resource(call, limit) if job is None else accepted(call, _id(call, path), job)


@router.delete(BANDWIDTH_LIMIT, response=begins(or_nothing=True))
@served
def delete_limit(request: HttpRequest, path: Path[BandwidthLimitPath]) -> Answer:
    """Removes a limit: a job takes its policies from the hosts, if there are any."""
    call = open_vault(request, path)
    limit = find_bandwidth_limit(require_fabric(call, path.fabric_name), path.limit_name)
    job = None
    if limit is not None:
        job = remove_bandwidth_limit(limit, call.origin(_id(call, path)), call.now)
    return HttpResponse(status=204) if job is None else accepted(call, _id(call, path), job)


@router.get(
    f"{BANDWIDTH_LIMIT}/operationresults/{{job_name}}", response=results(BandwidthLimitResource)
)
@served
def get_limit_operation(request: HttpRequest, path: Path[LimitOperationPath]) -> Answer:
    """How the operation on a limit stands."""
    call = open_vault(request, path)
    limit = find_bandwidth_limit(require_fabric(call, path.fabric_name), path.limit_name)
    resource = None if limit is None else _resource(call, limit)
    return operation_result(call, _id(call, path), path.job_name, resource)


def _list(call: Call, fabric: Fabric | None) -> Answer:
    rows = bandwidth_limits_of(call.vault.id, fabric)
    return page(call.request, lambda start, end: rows[start:end], lambda row: _resource(call, row))


def _resource(call: Call, limit: BandwidthLimit) -> Resource:
    return bandwidth_limit_resource(call.ids, limit, limit_standing(limit, call.now))


def _id(call: Call, path: BandwidthLimitPath) -> str:
    return bandwidth_limit_id(call.ids, path.fabric_name, path.limit_name)
