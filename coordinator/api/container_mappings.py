"""Routes of protection container mappings: pairs of clouds."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from coordinator.api.addresses import ContainerPath, MappingPath, VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.containers import require_cloud
from coordinator.api.errors import NotFoundError
from coordinator.api.long_operations import accepted, operation_result
from coordinator.api.paging import page
from coordinator.api.paths import CONTAINER, MAPPING, POLICY, VAULT
from coordinator.api.policies import require_policy
from coordinator.api.references import names_in_reference
from coordinator.api.responses import begins, lists, results, shows
from coordinator.api.shapes.container_mappings import ContainerMappingResource, mapping_resource
from coordinator.api.shapes.envelope import ArmId
from coordinator.api.shapes.paired_hosts import PairedHostResource, paired_host_resource
from coordinator.failures import refuse
from coordinator.protection.models import Pairing
from coordinator.protection.queries import find_pairing, hosts_of_pairing, pairings_of
from coordinator.protection.services import (
    PairingRequest,
    create_pairing,
    remove_pairing,
    remove_pairing_from_vault,
    renew_certificates,
)

router = Router()


class OperationPath(MappingPath):
    job_name: str


class MappingInputProperties(RequestPart):
    """The other cloud, and the policy to replicate by."""

    targetProtectionContainerId: ArmId  # noqa: N815 - the API's name
    policyId: ArmId  # noqa: N815 - the API's name


class MappingInput(RequestPart):
    """A pair to make."""

    properties: MappingInputProperties


class MappingUpdateProperties(RequestPart):
    """What may change about a pair; nothing does that applies to clouds of VMM."""

    providerSpecificInput: dict[str, Any] | None = None  # noqa: N815 - the API's name


class MappingUpdate(RequestPart):
    """A change of a pair."""

    properties: MappingUpdateProperties = MappingUpdateProperties()


class RemovalInput(RequestPart):
    """Words of other replication providers: nothing depends on them."""

    properties: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it


@router.get(
    f"{VAULT}/replicationProtectionContainerMappings", response=lists(ContainerMappingResource)
)
@served
def list_mappings(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """All pairs."""
    return _list(open_vault(request, path))


@router.get(
    f"{CONTAINER}/replicationProtectionContainerMappings", response=lists(ContainerMappingResource)
)
@served
def list_mappings_of_container(request: HttpRequest, path: Path[ContainerPath]) -> Answer:
    """Pairs of a cloud as source."""
    call = open_vault(request, path)
    require_cloud(call, path.fabric_name, path.container_name)
    return _list(call, path.fabric_name, path.container_name)


@router.get(MAPPING, response=shows(ContainerMappingResource))
@served
def get_mapping(request: HttpRequest, path: Path[MappingPath]) -> Answer:
    call = open_vault(request, path)
    return mapping_resource(call.ids, _require(call, path))


@router.put(MAPPING, response=begins())
@served
def put_mapping(request: HttpRequest, path: Path[MappingPath], body: MappingInput) -> Answer:
    """Pairs two clouds: begins the job that configures their hosts."""
    call = open_vault(request, path)
    wanted = body.properties
    target = names_in_reference(
        call, CONTAINER, wanted.targetProtectionContainerId, "targetProtectionContainerId"
    )
    policy = names_in_reference(call, POLICY, wanted.policyId, "policyId")
    pairing = PairingRequest(
        vault=call.vault,
        name=path.mapping_name,
        policy=require_policy(call, policy["policy_name"]),
        primary_cloud=require_cloud(call, path.fabric_name, path.container_name),
        recovery_cloud=require_cloud(call, target["fabric_name"], target["container_name"]),
    )
    _, job = create_pairing(pairing, call.origin(_id(call, path)), call.now)
    return accepted(call, _id(call, path), job)


@router.patch(MAPPING, response=shows(ContainerMappingResource))
@served
def patch_mapping(request: HttpRequest, path: Path[MappingPath], body: MappingUpdate) -> Answer:
    """Changes nothing: Microsoft's inputs of this call are of other replication providers."""
    call = open_vault(request, path)
    pairing = _require(call, path)
    if body.properties.providerSpecificInput is not None:
        kind = str(body.properties.providerSpecificInput.get("instanceType", "(none)"))[:64]
        raise refuse(
            "ProviderSpecificInputNotSupported",
            f"A pair of VMM clouds takes no providerSpecificInput of the type {kind}.",
            causes=["The input is that of another replication provider."],
            action="Leave providerSpecificInput out; to change how the clouds replicate, change "
            "their policy.",
            field="properties.providerSpecificInput",
        )
    return mapping_resource(call.ids, pairing)


@router.get(f"{MAPPING}/hosts", response=lists(PairedHostResource))
@served
def list_hosts(request: HttpRequest, path: Path[MappingPath]) -> Answer:
    """Hosts of both clouds with their certificates; an extension of our own."""
    call = open_vault(request, path)
    hosts = hosts_of_pairing(_require(call, path), call.now)
    return page(
        call.request,
        lambda start, end: hosts[start:end],
        lambda host: paired_host_resource(_id(call, path), host),
    )


@router.post(f"{MAPPING}/renewCertificates", response=begins())
@served
def renew_mapping_certificates(request: HttpRequest, path: Path[MappingPath]) -> Answer:
    """Gives all hosts new certificates; an extension of our own."""
    call = open_vault(request, path)
    job = renew_certificates(_require(call, path), call.origin(_id(call, path)), call.now)
    return accepted(call, _id(call, path), job)


@router.post(f"{MAPPING}/remove", response=begins(or_nothing=True))
@served
def remove_mapping(
    request: HttpRequest, path: Path[MappingPath], body: RemovalInput | None = None
) -> Answer:
    """Dissociates two clouds: begins the job that takes back what pairing configured."""
    del body
    call = open_vault(request, path)
    pairing = _find(call, path)
    if pairing is None:
        return HttpResponse(status=204)
    job = remove_pairing(pairing, call.origin(_id(call, path)), call.now)
    return accepted(call, _id(call, path), job)


@router.delete(MAPPING, response=begins(or_nothing=True))
@served
def purge_mapping(request: HttpRequest, path: Path[MappingPath]) -> Answer:
    """Removes a pair from the vault only; the job's details say how to clean up by hand."""
    call = open_vault(request, path)
    pairing = _find(call, path)
    if pairing is None:
        return HttpResponse(status=204)
    job = remove_pairing_from_vault(pairing, call.origin(_id(call, path)), call.now)
    return accepted(call, _id(call, path), job)


@router.get(f"{MAPPING}/operationresults/{{job_name}}", response=results(ContainerMappingResource))
@served
def get_mapping_operation(request: HttpRequest, path: Path[OperationPath]) -> Answer:
    """How the operation on a pair stands."""
    call = open_vault(request, path)
    pairing = _find(call, path)
    resource = None if pairing is None else mapping_resource(call.ids, pairing)
    return operation_result(call, _id(call, path), path.job_name, resource)


def _list(call: Call, fabric_name: str | None = None, container_name: str | None = None) -> Answer:
    rows = pairings_of(call.vault.id, fabric_name, container_name)
    return page(
        call.request,
        lambda start, end: rows[start:end],
        lambda row: mapping_resource(call.ids, row),
    )


def _find(call: Call, path: MappingPath) -> Pairing | None:
    return find_pairing(call.vault.id, path.fabric_name, path.container_name, path.mapping_name)


def _require(call: Call, path: MappingPath) -> Pairing:
    pairing = _find(call, path)
    if pairing is None:
        raise NotFoundError(_id(call, path))
    return pairing


def _id(call: Call, path: MappingPath) -> str:
    return call.ids.child(
        MAPPING,
        fabric_name=path.fabric_name,
        container_name=path.container_name,
        mapping_name=path.mapping_name,
    )
