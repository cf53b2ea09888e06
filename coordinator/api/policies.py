"""Routes of replication policies."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router
from pydantic import WithJsonSchema

from coordinator.api.addresses import PolicyPath, VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.long_operations import accepted, operation_result
from coordinator.api.openapi.bodies import POLICY_SETTINGS
from coordinator.api.paging import page
from coordinator.api.paths import POLICY, VAULT
from coordinator.api.responses import NOTHING, begins, lists, results, shows
from coordinator.api.shapes.policies import PolicyResource, policy_resource
from coordinator.protection.models import Policy
from coordinator.protection.queries import find_policy, policies_of
from coordinator.protection.services import create_policy, delete_policy, update_policy

router = Router()

PolicyFields: TypeAlias = Annotated[dict[str, Any], WithJsonSchema(POLICY_SETTINGS)]


class PolicyInputProperties(RequestPart):
    """The rules of protection read the fields, so that they can say what is wrong with one."""

    providerSpecificInput: PolicyFields = {}  # noqa: N815, RUF012 - the API's name; pydantic copies it


class PolicyUpdateProperties(RequestPart):
    """Fields that are not given stay as they are."""

    replicationProviderSettings: PolicyFields | None = None  # noqa: N815 - the API's name


class PolicyUpdate(RequestPart):
    """A change of a policy."""

    properties: PolicyUpdateProperties = PolicyUpdateProperties()


class PolicyOperationPath(PolicyPath):
    job_name: str


class PolicyInput(RequestPart):
    """A policy to make."""

    properties: PolicyInputProperties


@router.get(f"{VAULT}/replicationPolicies", response=lists(PolicyResource))
@served
def list_policies(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Policies, by name."""
    call = open_vault(request, path)
    rows = policies_of(call.vault.id)
    return page(
        request, lambda start, end: rows[start:end], lambda row: policy_resource(call.ids, row)
    )


@router.get(POLICY, response=shows(PolicyResource))
@served
def get_policy(request: HttpRequest, path: Path[PolicyPath]) -> Answer:
    call = open_vault(request, path)
    return policy_resource(call.ids, require_policy(call, path.policy_name))


@router.put(POLICY, response=begins(or_shows=PolicyResource))
@served
def put_policy(request: HttpRequest, path: Path[PolicyPath], body: PolicyInput) -> Answer:
    """Makes a policy at once, so the answer is the resource; or changes all fields of one."""
    call = open_vault(request, path)
    fields = body.properties.providerSpecificInput
    known = find_policy(call.vault.id, path.policy_name)
    if known is not None:
        return _changed(call, known, fields, whole=True)
    policy = create_policy(call.vault, path.policy_name, fields, call.now)
    return policy_resource(call.ids, policy)


@router.patch(POLICY, response=begins(or_shows=PolicyResource))
@served
def patch_policy(request: HttpRequest, path: Path[PolicyPath], body: PolicyUpdate) -> Answer:
    """Changes a policy; a job applies it to what replicates by it."""
    call = open_vault(request, path)
    policy = require_policy(call, path.policy_name)
    fields = body.properties.replicationProviderSettings
    if fields is None:
        return policy_resource(call.ids, policy)
    return _changed(call, policy, fields, whole=False)


@router.get(f"{POLICY}/operationresults/{{job_name}}", response=results(PolicyResource))
@served
def get_policy_operation(request: HttpRequest, path: Path[PolicyOperationPath]) -> Answer:
    """How the operation on a policy stands."""
    call = open_vault(request, path)
    policy = find_policy(call.vault.id, path.policy_name)
    resource = None if policy is None else policy_resource(call.ids, policy)
    policy_id = call.ids.child(POLICY, policy_name=path.policy_name)
    return operation_result(call, policy_id, path.job_name, resource)


@router.delete(POLICY, response=NOTHING)
@served
def remove_policy(request: HttpRequest, path: Path[PolicyPath]) -> Answer:
    """Deletes a policy that no clouds use; deleting one that is gone changes nothing."""
    call = open_vault(request, path)
    policy = find_policy(call.vault.id, path.policy_name)
    if policy is not None:
        delete_policy(policy)
    return HttpResponse(status=204)


def _changed(call: Call, policy: Policy, fields: dict[str, Any], *, whole: bool) -> Answer:
    policy_id = call.ids.child(POLICY, policy_name=policy.name)
    job = update_policy(policy, fields, call.origin(policy_id), call.now, whole=whole)
    if job is not None:
        return accepted(call, policy_id, job)
    return policy_resource(call.ids, require_policy(call, policy.name))


def require_policy(call: Call, name: str) -> Policy:
    """The vault's policy of that name.

    Raises:
        NotFoundError: There is none.
    """
    policy = find_policy(call.vault.id, name)
    if policy is None:
        raise NotFoundError(call.ids.child(POLICY, policy_name=name))
    return policy
