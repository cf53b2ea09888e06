"""Routes of protected items, and what can be done with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from coordinator.api.addresses import ContainerPath, ItemPath, VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.containers import require_cloud
from coordinator.api.errors import NotFoundError
from coordinator.api.filters import parse_filter
from coordinator.api.long_operations import accepted, operation_result
from coordinator.api.openapi.parameters import filters, taking
from coordinator.api.paging import page
from coordinator.api.paths import (
    CONTAINER,
    POLICY,
    PROTECTABLE_ITEM,
    PROTECTED_ITEM,
    PROVIDER,
    VAULT,
)
from coordinator.api.policies import require_policy
from coordinator.api.protectable_items import require_machine
from coordinator.api.references import names_in_reference
from coordinator.api.responses import begins, lists, results, shows
from coordinator.api.shapes.envelope import ArmId, Resource
from coordinator.api.shapes.protected_items import (
    ItemContext,
    ProtectedItemResource,
    protected_item_resource,
)
from coordinator.api.shapes.running_replication import running_details
from coordinator.fabrics import queries as fabrics
from coordinator.failures import refuse
from coordinator.jobs.models import Job
from coordinator.protection.models import ProtectedItem
from coordinator.protection.queries import (
    adapters_of_items,
    find_item,
    items_of,
    picture_of,
    read_sides,
    running_jobs,
)
from coordinator.protection.rules import allowed_operations
from coordinator.protection.services import (
    ProtectionRequest,
    disable_protection,
    enable_protection,
    is_tested,
    remove_from_vault,
    start_now,
)
from coordinator.protection.states import ProtectionState
from coordinator.recovery.plans.queries import plans_with

router = Router()

FILTERS = (
    "sourceFabricName",
    "sourceFabricLocation",
    "targetFabricLocation",
    "recoveryPlanName",
    "vCenterName",
    "instanceType",
    "multiVmGroupCreateOption",
)


# Of those, what only items in Azure or from VMware have.
NOWHERE = frozenset(
    {"sourceFabricLocation", "targetFabricLocation", "vCenterName", "multiVmGroupCreateOption"}
)


class OperationPath(ItemPath):
    job_name: str


class EnableInputProperties(RequestPart):
    """Which machine; the policy, if it is named, must be the clouds' for its host's generation."""

    protectableItemId: ArmId  # noqa: N815 - the API's name
    policyId: ArmId | None = None  # noqa: N815 - the API's name


class EnableInput(RequestPart):
    """A machine to protect; providerSpecificDetails say nothing that VMM does not."""

    properties: EnableInputProperties


class DisableInput(RequestPart):
    """Why protection is disabled, and words of other replication providers: nothing depends on it.

    What becomes of the replica is the policy's to say.
    """

    properties: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it


@router.get(
    f"{VAULT}/replicationProtectedItems",
    response=lists(ProtectedItemResource),
    openapi_extra=taking(filters(FILTERS)),
)
@served
def list_items(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """All protected items."""
    call = open_vault(request, path)
    wanted = parse_filter(request.GET.get("$filter", ""), FILTERS)
    return _list(call, _narrowed(items_of(call.vault.id, wanted.get("sourceFabricName")), wanted))


@router.get(f"{CONTAINER}/replicationProtectedItems", response=lists(ProtectedItemResource))
@served
def list_items_of_container(request: HttpRequest, path: Path[ContainerPath]) -> Answer:
    """Protected items of a cloud."""
    call = open_vault(request, path)
    require_cloud(call, path.fabric_name, path.container_name)
    return _list(call, items_of(call.vault.id, path.fabric_name, path.container_name))


@router.get(PROTECTED_ITEM, response=shows(ProtectedItemResource))
@served
def get_item(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    call = open_vault(request, path)
    return _resources(call, [require_item(call, path)])[0]


@router.put(PROTECTED_ITEM, response=begins())
@served
def put_item(request: HttpRequest, path: Path[ItemPath], body: EnableInput) -> Answer:
    """Protects a machine: begins the job that enables its replication."""
    call = open_vault(request, path)
    wanted = body.properties
    names = names_in_reference(
        call, PROTECTABLE_ITEM, wanted.protectableItemId, "protectableItemId"
    )
    own = (names["fabric_name"].lower(), names["container_name"].lower())
    if own != (path.fabric_name.lower(), path.container_name.lower()):
        raise refuse(
            "InvalidResourceReference",
            "protectableItemId is not a machine of the cloud the item is to be in.",
            causes=["The id in the body and the address name different clouds or servers."],
            action="Use the cloud of the machine in the address.",
            field="protectableItemId",
        )
    cloud = require_cloud(call, path.fabric_name, path.container_name)
    policy = None
    if wanted.policyId:
        policy_names = names_in_reference(call, POLICY, wanted.policyId, "policyId")
        policy = require_policy(call, policy_names["policy_name"])
    machine = require_machine(call, cloud, names["protectable_item_name"])
    protection = ProtectionRequest(name=path.item_name, machine=machine, policy=policy)
    _, job = enable_protection(protection, call.origin(_id(call, path)), call.now)
    return accepted(call, _id(call, path), job)


@router.post(f"{PROTECTED_ITEM}/startInitialReplication", response=begins())
@served
def start_initial_replication(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """Begins a first copy now that waits for its time of day; the job that enables goes on."""
    call = open_vault(request, path)
    item = require_item(call, path)
    return accepted(call, _id(call, path), start_now(item, call.now))


@router.post(f"{PROTECTED_ITEM}/remove", response=begins(or_nothing=True))
@served
def remove_item(
    request: HttpRequest, path: Path[ItemPath], body: DisableInput | None = None
) -> Answer:
    """Disables protection: begins the job that takes replication apart on both sides."""
    del body
    call = open_vault(request, path)
    item = find_item(call.vault.id, path.fabric_name, path.container_name, path.item_name)
    if item is None:
        return HttpResponse(status=204)
    plans = plans_with([item.id]).get(item.id, ())
    job = disable_protection(
        item,
        call.origin(_id(call, path)),
        call.now,
        affected={f"Recovery plan {name}": "leaves the machine out" for name in plans},
    )
    return accepted(call, _id(call, path), job)


@router.delete(PROTECTED_ITEM, response=begins(or_nothing=True))
@served
def purge_item(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """Removes an item from the vault only; the job's details say how to clean up by hand."""
    call = open_vault(request, path)
    item = find_item(call.vault.id, path.fabric_name, path.container_name, path.item_name)
    if item is None:
        return HttpResponse(status=204)
    job = remove_from_vault(item, call.origin(_id(call, path)), call.now)
    return accepted(call, _id(call, path), job)


@router.get(
    f"{PROTECTED_ITEM}/operationresults/{{job_name}}", response=results(ProtectedItemResource)
)
@served
def get_item_operation(request: HttpRequest, path: Path[OperationPath]) -> Answer:
    """How the operation on an item stands."""
    call = open_vault(request, path)
    item = find_item(call.vault.id, path.fabric_name, path.container_name, path.item_name)
    resource = None if item is None else _resources(call, [item])[0]
    return operation_result(call, _id(call, path), path.job_name, resource)


def require_item(call: Call, path: ItemPath) -> ProtectedItem:
    """The cloud's protected item of that name.

    Raises:
        NotFoundError: There is none.
    """
    item = find_item(call.vault.id, path.fabric_name, path.container_name, path.item_name)
    if item is None:
        raise NotFoundError(_id(call, path))
    return item


def item_resource(call: Call, item: ProtectedItem) -> Resource:
    """One item as the API shows it."""
    return _resources(call, [item])[0]


def _narrowed(rows: QuerySet[ProtectedItem], wanted: Mapping[str, str]) -> QuerySet[ProtectedItem]:
    """What the filter leaves of all items; nothing here comes from Azure or vCenter."""
    if "instanceType" in wanted:
        rows = rows.filter(pairing__policy__instance_type__iexact=wanted["instanceType"])
    if "recoveryPlanName" in wanted:
        rows = rows.filter(plan_members__plan__name__iexact=wanted["recoveryPlanName"])
    if wanted.keys() & NOWHERE:
        return rows.none()
    return rows


def _list(call: Call, rows: QuerySet[ProtectedItem]) -> Answer:
    return page(
        call.request,
        lambda start, end: _resources(call, list(rows[start:end])),
        lambda shape: shape,
    )


def _resources(call: Call, items: Sequence[ProtectedItem]) -> list[Resource]:
    read_sides(items)
    running = running_jobs([item.id for item in items])
    adapters = adapters_of_items([item.id for item in items])
    plans = plans_with([item.id for item in items])
    sizes = fabrics.disk_sizes_bytes(call.vault.id, [item.vm_id for item in items])
    providers = {
        provider.fabric_id: call.ids.child(
            PROVIDER, fabric_name=provider.fabric.name, provider_name=provider.name
        )
        for provider in fabrics.list_providers(call.vault.id)
    }
    return [
        protected_item_resource(
            call.ids,
            item,
            replace(
                _context(item, running, providers.get(item.pairing.primary_fabric_id)),
                adapters=adapters[item.id],
                running=running_details(
                    item,
                    call.now,
                    sizes.get((item.pairing.primary_fabric_id, item.vm_id), {}),
                ),
                recovery_plans=plans.get(item.id, ()),
            ),
        )
        for item in items
    ]


def _context(
    item: ProtectedItem, running: Mapping[UUID, Job], provider_id: str | None
) -> ItemContext:
    job = running.get(item.id)
    state = ProtectionState(item.state)
    allowed = (
        ()
        if job is not None
        else allowed_operations(state, picture_of(item), testing=is_tested(item))
    )
    return ItemContext([operation.value for operation in allowed], job, provider_id)


def _id(call: Call, path: ItemPath) -> str:
    return call.ids.child(
        PROTECTED_ITEM,
        fabric_name=path.fabric_name,
        container_name=path.container_name,
        item_name=path.item_name,
    )
