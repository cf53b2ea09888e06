"""Routes of recovery plans: keeping them; running them is beside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Path, Router

from coordinator.api.addresses import PlanPath, VaultPath
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.fabrics import require_fabric
from coordinator.api.long_operations import accepted, operation_result
from coordinator.api.openapi.parameters import IF_MATCH, taking
from coordinator.api.paging import page
from coordinator.api.paths import FABRIC, RECOVERY_PLAN, VAULT
from coordinator.api.plan_bodies import (
    CloneInput,
    PlanInput,
    PlanInputProperties,
    PlanUpdate,
    deployment_model,
    group_drafts,
    refuse_provider_input,
)
from coordinator.api.references import names_in_reference
from coordinator.api.responses import begins, lists, results, shows
from coordinator.api.shapes.envelope import Resource
from coordinator.api.shapes.recovery_plans import (
    PlanContext,
    PlanResource,
    RevisionResource,
    plan_etag,
    plan_id,
    plan_resource,
    revision_resource,
)
from coordinator.fabrics.models import Fabric
from coordinator.failures import refuse
from coordinator.recovery.models import RecoveryPlan
from coordinator.recovery.plans.queries import (
    find_plan,
    load_plans,
    member_names,
    plan_operations,
    plans_of,
    revisions_with_changes,
    running_plan_jobs,
)
from coordinator.recovery.plans.services import (
    PlanRequest,
    clone_plan,
    create_plan,
    delete_plan,
    restore_plan,
    update_plan,
)

router = Router()

# Plans with all their machines: a page of the largest ones is still an answer.
PAGE_PLANS = 50
ETAG = re.compile(r'(?:W/)?"?(\d{1,9})"?', re.ASCII)


class PlanOperationPath(PlanPath):
    job_name: str


class RevisionPath(PlanPath):
    number: str


@router.get(f"{VAULT}/replicationRecoveryPlans", response=lists(PlanResource))
@served
def list_plans(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Recovery plans with their groups, by name."""
    call = open_vault(request, path)
    rows = plans_of(call.vault.id)
    return page(
        request,
        lambda start, end: _resources(call, list(rows[start:end])),
        lambda shape: shape,
        page_items=PAGE_PLANS,
    )


@router.get(RECOVERY_PLAN, response=shows(PlanResource))
@served
def get_plan(request: HttpRequest, path: Path[PlanPath]) -> Answer:
    call = open_vault(request, path)
    plan = require_plan(call, path.plan_name)
    response = JsonResponse(_resources(call, [plan])[0])
    response["ETag"] = plan_etag(plan)
    return response


@router.put(RECOVERY_PLAN, response=begins(), openapi_extra=taking(IF_MATCH))
@served
def put_plan(request: HttpRequest, path: Path[PlanPath], body: PlanInput) -> Answer:
    """Makes a plan; of one that is there the groups are changed, the servers cannot be."""
    call = open_vault(request, path)
    wanted = body.properties
    refuse_provider_input(wanted.providerSpecificInput, "properties.providerSpecificInput")
    model = deployment_model(wanted.failoverDeploymentModel)
    primary, recovery = _servers(call, wanted)
    resource_id = plan_id(call.ids, path.plan_name)
    known = find_plan(call.vault.id, path.plan_name)
    groups = group_drafts(call, wanted.groups)
    if known is not None:
        _refuse_other_servers(known, primary, recovery)
        job = update_plan(
            known,
            groups,
            call.origin(resource_id),
            call.now,
            expected_revision=_expected_revision(request),
        )
        return accepted(call, resource_id, job)
    plan = PlanRequest(
        vault=call.vault,
        name=path.plan_name,
        primary_fabric=primary,
        recovery_fabric=recovery,
        groups=groups,
        failover_deployment_model=model,
    )
    _, job = create_plan(plan, call.origin(resource_id), call.now)
    return accepted(call, resource_id, job)


@router.patch(RECOVERY_PLAN, response=begins(or_shows=PlanResource), openapi_extra=taking(IF_MATCH))
@served
def patch_plan(request: HttpRequest, path: Path[PlanPath], body: PlanUpdate) -> Answer:
    """Gives a plan other groups; If-Match says which revision they were made from."""
    call = open_vault(request, path)
    plan = require_plan(call, path.plan_name)
    if body.properties.groups is None:
        return _resources(call, [plan])[0]
    groups = group_drafts(call, body.properties.groups)
    resource_id = plan_id(call.ids, plan.name)
    job = update_plan(
        plan,
        groups,
        call.origin(resource_id),
        call.now,
        expected_revision=_expected_revision(request),
    )
    return accepted(call, resource_id, job)


@router.delete(RECOVERY_PLAN, response=begins(or_nothing=True))
@served
def remove_plan(request: HttpRequest, path: Path[PlanPath]) -> Answer:
    """Deletes a plan; deleting one that is gone changes nothing."""
    call = open_vault(request, path)
    plan = find_plan(call.vault.id, path.plan_name)
    if plan is None:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    resource_id = plan_id(call.ids, plan.name)
    return accepted(call, resource_id, delete_plan(plan, call.origin(resource_id), call.now))


@router.post(f"{RECOVERY_PLAN}/clone", response=begins())
@served
def begin_clone(request: HttpRequest, path: Path[PlanPath], body: CloneInput) -> Answer:
    """Makes a plan of the same groups; not of ASR's API."""
    call = open_vault(request, path)
    plan = require_plan(call, path.plan_name)
    resource_id = plan_id(call.ids, body.properties.name)
    _, job = clone_plan(plan, body.properties.name, call.origin(resource_id), call.now)
    return accepted(call, resource_id, job)


@router.get(f"{RECOVERY_PLAN}/revisions", response=lists(RevisionResource))
@served
def list_revisions(request: HttpRequest, path: Path[PlanPath]) -> Answer:
    """The kept saves of a plan, newest first, each with what it changed; not of ASR's API."""
    call = open_vault(request, path)
    plan = require_plan(call, path.plan_name)
    found = revisions_with_changes(plan)
    return page(
        request,
        lambda start, end: found[start:end],
        lambda row: revision_resource(call.ids, plan, row[0], [str(each) for each in row[1]]),
    )


@router.post(f"{RECOVERY_PLAN}/revisions/{{number}}/restore", response=begins())
@served
def begin_restoring(request: HttpRequest, path: Path[RevisionPath]) -> Answer:
    """Makes a plan what it was at a save; not of ASR's API."""
    call = open_vault(request, path)
    plan = require_plan(call, path.plan_name)
    number = path.number
    kept = [row for row, _ in revisions_with_changes(plan) if str(row.number) == number]
    resource_id = plan_id(call.ids, plan.name)
    if not kept:
        raise NotFoundError(f"{resource_id}/revisions/{number}")
    return accepted(
        call, resource_id, restore_plan(plan, kept[0], call.origin(resource_id), call.now)
    )


@router.get(f"{RECOVERY_PLAN}/operationresults/{{job_name}}", response=results(PlanResource))
@served
def get_plan_operation(request: HttpRequest, path: Path[PlanOperationPath]) -> Answer:
    """How the operation on a plan stands, also when the plan is gone."""
    call = open_vault(request, path)
    plan = find_plan(call.vault.id, path.plan_name)
    shape = None if plan is None else _resources(call, [plan])[0]
    return operation_result(call, plan_id(call.ids, path.plan_name), path.job_name, shape)


def require_plan(call: Call, name: str) -> RecoveryPlan:
    """The vault's plan of that name.

    Raises:
        NotFoundError: There is none.
    """
    plan = find_plan(call.vault.id, name)
    if plan is None:
        raise NotFoundError(plan_id(call.ids, name))
    return plan


def _resources(call: Call, plans: Sequence[RecoveryPlan]) -> list[Resource]:
    plan_ids = [plan.id for plan in plans]
    records = load_plans(plans)
    names = member_names(plan_ids)
    running = running_plan_jobs(plan_ids)
    operations = plan_operations(plan_ids)
    return [
        plan_resource(
            call.ids,
            plan,
            PlanContext(
                record=records[plan.id],
                names=names,
                allowed_operations=() if plan.id in running else operations[plan.id],
                running_job=running.get(plan.id),
            ),
        )
        for plan in plans
    ]


def _servers(call: Call, wanted: PlanInputProperties) -> tuple[Fabric, Fabric]:
    primary, recovery = (
        require_fabric(
            call, names_in_reference(call, FABRIC, given, f"properties.{field}")["fabric_name"]
        )
        for field, given in (
            ("primaryFabricId", wanted.primaryFabricId),
            ("recoveryFabricId", wanted.recoveryFabricId),
        )
    )
    return primary, recovery


def _refuse_other_servers(plan: RecoveryPlan, primary: Fabric, recovery: Fabric) -> None:
    if (plan.primary_fabric_id, plan.recovery_fabric_id) == (primary.id, recovery.id):
        return
    raise refuse(
        "RecoveryPlanServersFixed",
        f"The recovery plan {plan.name} is of the servers {plan.primary_fabric.friendly_name} and "
        f"{plan.recovery_fabric.friendly_name}, which cannot be changed.",
        causes=["All machines of a plan are protected by one pair of servers."],
        action="Make another plan for the other servers.",
        status=HTTPStatus.CONFLICT,
        field="properties.primaryFabricId",
    )


def _expected_revision(request: HttpRequest) -> int | None:
    """The revision that If-Match names; None without it, and for "*"."""
    given = request.headers.get("If-Match", "").strip()
    if given in {"", "*"}:
        return None
    found = ETAG.fullmatch(given)
    if found is None:
        raise refuse(
            "InvalidIfMatch",
            "If-Match is not the etag of a recovery plan.",
            causes=["It was altered, or is the etag of something else."],
            action="Use the etag of the plan as it was read, or leave the header out.",
            field="If-Match",
        )
    return int(found[1])
