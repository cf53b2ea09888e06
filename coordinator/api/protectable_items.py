"""Routes of protectable items: machines VMM has in its clouds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import ContainerPath, ProtectableItemPath
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.containers import require_cloud
from coordinator.api.errors import NotFoundError
from coordinator.api.filters import parse_filter, unknown_value
from coordinator.api.openapi.parameters import filters, taking
from coordinator.api.paging import page
from coordinator.api.paths import CONTAINER, PROTECTABLE_ITEM, PROVIDER
from coordinator.api.responses import lists, shows
from coordinator.api.shapes.envelope import Resource
from coordinator.api.shapes.protectable_items import (
    ProtectableItemResource,
    protectable_item_resource,
)
from coordinator.api.shapes.protected_items import protected_item_id
from coordinator.fabrics import queries
from coordinator.fabrics.models import Cloud, VirtualMachine
from coordinator.protection.queries import items_of_machines, readiness_of

router = Router()

STATES = {state.lower(): state for state in ("Protected", "Unprotected")}


@router.get(
    f"{CONTAINER}/replicationProtectableItems",
    response=lists(ProtectableItemResource),
    openapi_extra=taking(filters(["state"])),
)
@served
def list_protectable_items(request: HttpRequest, path: Path[ContainerPath]) -> Answer:
    """Machines of a cloud; `$filter=state eq 'Unprotected'` leaves out the protected ones."""
    call = open_vault(request, path)
    cloud = require_cloud(call, path.fabric_name, path.container_name)
    wanted = parse_filter(request.GET.get("$filter", ""), ["state"]).get("state", "")
    if wanted and wanted.lower() not in STATES:
        raise unknown_value("state", wanted, STATES.values())
    rows = queries.machines_of_cloud(cloud)
    if wanted:
        protected = items_of_machines(call.vault.id, [row.vm_id for row in rows])
        rows = [row for row in rows if (row.vm_id in protected) == (wanted.lower() == "protected")]

    def fetch(start: int, end: int) -> Iterable[Resource]:
        return _resources(call, cloud, rows[start:end])

    return page(request, fetch, lambda shape: shape)


@router.get(PROTECTABLE_ITEM, response=shows(ProtectableItemResource))
@served
def get_protectable_item(request: HttpRequest, path: Path[ProtectableItemPath]) -> Answer:
    call = open_vault(request, path)
    cloud = require_cloud(call, path.fabric_name, path.container_name)
    machine = require_machine(call, cloud, path.protectable_item_name)
    return _resources(call, cloud, [machine])[0]


def require_machine(call: Call, cloud: Cloud, name: str) -> VirtualMachine:
    """The cloud's machine of that name.

    Raises:
        NotFoundError: There is none.
    """
    machine = queries.find_machine(cloud.fabric_id, name)
    if machine is None or machine.gone_at is not None or not is_in(machine, cloud):
        names = {
            "fabric_name": cloud.fabric.name,
            "container_name": cloud.external_id,
            "protectable_item_name": name,
        }
        raise NotFoundError(call.ids.child(PROTECTABLE_ITEM, **names))
    return machine


def is_in(machine: VirtualMachine, cloud: Cloud) -> bool:
    return machine.cloud_external_id.lower() == cloud.external_id.lower()


def _resources(call: Call, cloud: Cloud, machines: Sequence[VirtualMachine]) -> list[Resource]:
    protected = items_of_machines(call.vault.id, [machine.vm_id for machine in machines])
    provider = queries.provider_for_fabric(cloud.fabric_id)
    provider_id = None
    if provider is not None:
        names = {"fabric_name": cloud.fabric.name, "provider_name": provider.name}
        provider_id = call.ids.child(PROVIDER, **names)
    readiness = readiness_of(cloud.fabric_id, machines)
    shapes: list[Resource] = []
    for machine in machines:
        item = protected.get(machine.vm_id)
        shapes.append(
            protectable_item_resource(
                call.ids,
                cloud,
                machine,
                protected_item_id=None if item is None else protected_item_id(call.ids, item),
                provider_id=provider_id,
                readiness=readiness[machine.id],
            )
        )
    return shapes
