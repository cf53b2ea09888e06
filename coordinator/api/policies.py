"""Routes of replication policies."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from coordinator.api.addresses import PolicyPath, VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.paging import page
from coordinator.api.paths import POLICY, VAULT
from coordinator.api.shapes.policies import policy_resource
from coordinator.protection.models import Policy
from coordinator.protection.queries import find_policy, policies_of
from coordinator.protection.services import create_policy, delete_policy

router = Router()


class PolicyInputProperties(RequestPart):
    """The rules of protection read the fields, so that they can say what is wrong with one."""

    providerSpecificInput: dict[str, Any] = {}  # noqa: N815, RUF012 - the API's name; pydantic copies it


class PolicyInput(RequestPart):
    """A policy to make."""

    properties: PolicyInputProperties


@router.get(f"{VAULT}/replicationPolicies")
@served
def list_policies(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Policies, by name."""
    call = open_vault(request, path)
    rows = policies_of(call.vault.id)
    return page(
        request, lambda start, end: rows[start:end], lambda row: policy_resource(call.ids, row)
    )


@router.get(POLICY)
@served
def get_policy(request: HttpRequest, path: Path[PolicyPath]) -> Answer:
    call = open_vault(request, path)
    return policy_resource(call.ids, require_policy(call, path.policy_name))


@router.put(POLICY)
@served
def put_policy(request: HttpRequest, path: Path[PolicyPath], body: PolicyInput) -> Answer:
    """Makes a policy; done at once, so the answer is the resource."""
    call = open_vault(request, path)
    fields = body.properties.providerSpecificInput
    policy = create_policy(call.vault, path.policy_name, fields, call.now)
    return policy_resource(call.ids, policy)


@router.delete(POLICY)
@served
def remove_policy(request: HttpRequest, path: Path[PolicyPath]) -> Answer:
    """Deletes a policy that no clouds use; deleting one that is gone changes nothing."""
    call = open_vault(request, path)
    policy = find_policy(call.vault.id, path.policy_name)
    if policy is not None:
        delete_policy(policy)
    return HttpResponse(status=204)


def require_policy(call: Call, name: str) -> Policy:
    """The vault's policy of that name.

    Raises:
        NotFoundError: There is none.
    """
    policy = find_policy(call.vault.id, name)
    if policy is None:
        raise NotFoundError(call.ids.child(POLICY, policy_name=name))
    return policy
