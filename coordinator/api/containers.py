"""Routes of protection containers: VMM clouds."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest
from ninja import Path, Query, Router, Schema

from coordinator.api.addresses import ContainerPath, FabricPath, VaultPath
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.fabrics import require_fabric
from coordinator.api.paging import page
from coordinator.api.paths import CONTAINER, FABRIC, POLICY, VAULT
from coordinator.api.references import names_in_reference
from coordinator.api.responses import lists, shows
from coordinator.api.shapes.containers import (
    CloudPairing,
    ContainerResource,
    container_id,
    container_resource,
)
from coordinator.api.shapes.envelope import Resource
from coordinator.api.shapes.paired_hosts import PrerequisitesResource, prerequisites_resource
from coordinator.fabrics import queries
from coordinator.fabrics.models import Cloud, Fabric
from coordinator.protection.queries import (
    CloudRole,
    cloud_roles,
    find_policy,
    prerequisite_failures,
)
from coordinator.protection.rules import InstanceType

router = Router()


@router.get(f"{VAULT}/replicationProtectionContainers", response=lists(ContainerResource))
@served
def list_containers(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Clouds of all servers."""
    return _list(open_vault(request, path), None)


@router.get(f"{FABRIC}/replicationProtectionContainers", response=lists(ContainerResource))
@served
def list_containers_of_fabric(request: HttpRequest, path: Path[FabricPath]) -> Answer:
    """Clouds of a server."""
    call = open_vault(request, path)
    return _list(call, require_fabric(call, path.fabric_name))


@router.get(CONTAINER, response=shows(ContainerResource))
@served
def get_container(request: HttpRequest, path: Path[ContainerPath]) -> Answer:
    call = open_vault(request, path)
    cloud = require_cloud(call, path.fabric_name, path.container_name)
    return _resource(call, cloud, cloud_roles(call.vault.id))


class PrerequisitesQuery(Schema):
    """The other cloud and the policy, if they are chosen already."""

    target: str = ""
    policy: str = ""


@router.get(f"{CONTAINER}/pairingPrerequisites", response=shows(PrerequisitesResource))
@served
def get_pairing_prerequisites(
    request: HttpRequest, path: Path[ContainerPath], query: Query[PrerequisitesQuery]
) -> Answer:
    """Whether a cloud can be paired, and every reason why not; an extension of our own.

    "target" is the id of the cloud to recover in, "policy" that of the policy.
    """
    call = open_vault(request, path)
    cloud = require_cloud(call, path.fabric_name, path.container_name)
    target, kind = None, None
    if query.target:
        names = names_in_reference(call, CONTAINER, query.target, "target")
        target = require_cloud(call, names["fabric_name"], names["container_name"])
    if query.policy:
        names = names_in_reference(call, POLICY, query.policy, "policy")
        policy = find_policy(call.vault.id, names["policy_name"])
        if policy is None:
            raise NotFoundError(call.ids.child(POLICY, policy_name=names["policy_name"]))
        kind = InstanceType(policy.instance_type)
    return prerequisites_resource(
        container_id(call.ids, cloud), prerequisite_failures(cloud, target, kind)
    )


def require_cloud(call: Call, fabric_name: str, container_name: str) -> Cloud:
    """The cloud of that server and name.

    Raises:
        NotFoundError: There is none.
    """
    fabric = require_fabric(call, fabric_name)
    cloud = queries.find_cloud(fabric.id, container_name)
    if cloud is None or cloud.gone_at is not None:
        names = {"fabric_name": fabric_name, "container_name": container_name}
        raise NotFoundError(call.ids.child(CONTAINER, **names))
    return cloud


def _list(call: Call, fabric: Fabric | None) -> Answer:
    roles = cloud_roles(call.vault.id)
    rows = queries.list_clouds(call.vault.id, None if fabric is None else fabric.id)
    return page(
        call.request,
        lambda start, end: rows[start:end],
        lambda cloud: _resource(call, cloud, roles),
    )


def _resource(call: Call, cloud: Cloud, roles: Mapping[int, CloudRole]) -> Resource:
    role = roles.get(cloud.id)
    if role is None:
        return container_resource(call.ids, cloud, CloudPairing())
    pairing = CloudPairing(role.role, role.state, role.protected_items)
    return container_resource(call.ids, cloud, pairing)
