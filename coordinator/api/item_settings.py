"""Routes that set what ASR keeps for a machine at its target: between two VMM sites, nothing.

A replica has the machine's name and size, its adapters are connected as the network mappings say,
and its addresses come out of VMM's pools. So an update that says what is so already is carried out,
and one that would set something else says where that is decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import ItemPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, open_vault, served
from coordinator.api.paths import PROTECTED_ITEM
from coordinator.api.protected_items import item_resource, require_item
from coordinator.api.responses import shows
from coordinator.api.shapes.protected_items import ProtectedItemResource
from coordinator.failures import refuse
from coordinator.protection.models import ItemAdapter, ProtectedItem
from coordinator.protection.queries import adapters_of_items
from coordinator.protection.rules import InstanceType

router = Router()

BY_AZURE = "leave it out: it is a property of machines in Azure"
BY_MACHINE = "leave it out: the replica has the name and size of the machine"
BY_MAPPING = "map the network (replicationNetworkMappings) that the machine is on"
BY_POOL = "give the network's subnet a static address pool in VMM; the address is taken from it"
# Words that choose nothing.
NOTHING = frozenset({"", "NotSpecified", "Never", "None"})
INPUT_TYPES = frozenset({*InstanceType, "UpdateReplicationProtectedItemProviderInput"})


class IpInput(RequestPart):
    """An address of an adapter; what else may be said of it is of Azure."""

    recoverySubnetName: str | None = None  # noqa: N815 - the API's name
    recoveryStaticIPAddress: str | None = None  # noqa: N815 - the API's name


class NicInput(RequestPart):
    """An adapter of the machine."""

    nicId: str  # noqa: N815 - the API's name
    ipConfigs: list[IpInput] | None = None  # noqa: N815 - the API's name
    selectionType: str | None = None  # noqa: N815 - the API's name


class ProviderInput(RequestPart):
    instanceType: str  # noqa: N815 - the API's name


class UpdateProperties(RequestPart):
    """ASR's settings of a machine at its target."""

    recoveryAzureVMName: str | None = None  # noqa: N815 - the API's name
    recoveryAzureVMSize: str | None = None  # noqa: N815 - the API's name
    selectedRecoveryAzureNetworkId: str | None = None  # noqa: N815 - the API's name
    selectedTfoAzureNetworkId: str | None = None  # noqa: N815 - the API's name
    selectedSourceNicId: str | None = None  # noqa: N815 - the API's name
    enableRdpOnTargetOption: str | None = None  # noqa: N815 - the API's name
    vmNics: list[NicInput] | None = None  # noqa: N815 - the API's name
    licenseType: str | None = None  # noqa: N815 - the API's name
    recoveryAvailabilitySetId: str | None = None  # noqa: N815 - the API's name
    providerSpecificDetails: ProviderInput | None = None  # noqa: N815 - the API's name


class UpdateInput(RequestPart):
    properties: UpdateProperties = UpdateProperties()


@router.patch(PROTECTED_ITEM, response=shows(ProtectedItemResource))
@served
def patch_item(request: HttpRequest, path: Path[ItemPath], body: UpdateInput) -> Answer:
    """Leaves an item as it is; what the update would change is decided elsewhere, and refused."""
    call = open_vault(request, path)
    item = require_item(call, path)
    for field, value, known, remedy in _wanted(item, body.properties):
        if str(value).lower() != str(known).lower():
            raise _refusal(field, value, known, remedy)
    return item_resource(call, item)


# Where it is in the body, what is wanted, what is so, and what to do to have it otherwise.
Wish = tuple[str, str, str, str]


def _wanted(item: ProtectedItem, given: UpdateProperties) -> Iterator[Wish]:
    texts: dict[str, Any] = given.model_dump(exclude={"vmNics", "providerSpecificDetails"})
    for name, value in texts.items():
        if value is None or value in NOTHING:
            continue
        if name == "recoveryAzureVMName":
            yield f"properties.{name}", value, item.friendly_name, BY_MACHINE
        elif name == "selectedSourceNicId":
            _adapter(item, value, f"properties.{name}")
        else:
            by_network = name.startswith("selected")
            yield f"properties.{name}", value, "", BY_MAPPING if by_network else BY_AZURE
    if given.providerSpecificDetails is not None:
        kind = given.providerSpecificDetails.instanceType
        if kind not in INPUT_TYPES:
            yield "properties.providerSpecificDetails.instanceType", kind, "", BY_AZURE
    for number, nic in enumerate(given.vmNics or ()):
        yield from _wanted_of_nic(item, nic, f"properties.vmNics[{number}]")


def _wanted_of_nic(item: ProtectedItem, nic: NicInput, field: str) -> Iterator[Wish]:
    adapter = _adapter(item, nic.nicId, f"{field}.nicId")
    connected = bool(adapter.target_network_id)
    if nic.selectionType:
        # ASR's words: NotSelected, SelectedByDefault, SelectedByUser.
        selected = "NotSelected" if not connected else "SelectedByDefault"
        wanted = nic.selectionType.replace("SelectedByUser", "SelectedByDefault")
        yield f"{field}.selectionType", wanted, selected, BY_MAPPING
    for number, address in enumerate(nic.ipConfigs or ()):
        place = f"{field}.ipConfigs[{number}]"
        if address.recoverySubnetName:
            known = adapter.target_subnet
            yield f"{place}.recoverySubnetName", address.recoverySubnetName, known, BY_MAPPING
        if address.recoveryStaticIPAddress:
            known = adapter.address if adapter.reserved else ""
            yield (
                f"{place}.recoveryStaticIPAddress",
                address.recoveryStaticIPAddress,
                known,
                BY_POOL,
            )


def _adapter(item: ProtectedItem, nic_id: str, field: str) -> ItemAdapter:
    for adapter in adapters_of_items([item.id])[item.id]:
        if adapter.device_id.lower() == nic_id.lower():
            return adapter
    raise refuse(
        "NetworkAdapterNotFound",
        f"{item.friendly_name} has no network adapter '{nic_id[:128]}'.",
        causes=["The adapter was removed from the machine.", "The id is misspelt."],
        action="Use the nicId of one of the item's vmNics.",
        field=field,
    )


def _refusal(field: str, value: str, known: str, remedy: str) -> Exception:
    name = field.rpartition(".")[2]
    so = f"it is '{known}'" if known else "it has none"
    return refuse(
        "OperationNotSupported",
        f"{name} of a machine that is protected between two VMM sites cannot be set to"
        f" '{value[:128]}'; {so}.",
        causes=["What a replica is like follows from the machine, the mappings and VMM."],
        action=f"To change {name}: {remedy}.",
        field=field,
    )
