"""Virtual machines that VMM knows, in answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypeAlias, cast

from typing_extensions import TypedDict

from coordinator.api.paths import PROTECTABLE_ITEM, VaultId
from coordinator.api.shapes.envelope import ArmId, Envelope, resource
from coordinator.fabrics.models import Cloud, VirtualMachine
from coordinator.failures import Failure
from coordinator.protection.queries import Readiness

BYTES_PER_MEGABYTE = 1024 * 1024
REPLICATION_PROVIDERS = ("HyperVReplica2012R2", "HyperVReplica2012")


class StoredProviderError(TypedDict):
    """PowerShell's error record behind a failure."""

    error_id: str
    category: str
    message: str
    cmdlet: str
    target: str


class StoredFailure(TypedDict):
    """What is wrong, why, and what helps."""

    code: str
    message: str
    possibleCauses: list[str]
    recommendedAction: str
    providerError: NotRequired[StoredProviderError]


class OperatingSystem(TypedDict):
    osType: Literal["Windows", "Linux", "Unknown"]
    productType: str | None
    osEdition: str | None
    oSVersion: str | None
    oSMajorVersion: str | None
    oSMinorVersion: str | None
    userSelectedOSName: str | None


class MachineDisk(TypedDict):
    maxSizeMB: int
    vhdType: str | None
    vhdId: str | None
    vhdName: str | None


class MachineAdapter(TypedDict):
    nicId: str | None
    macAddress: str | None
    vmNetworkName: str | None
    vmSubnetName: str | None
    ipAddressType: str | None
    ipAddresses: list[str]


class Relationship(TypedDict):
    """A relationship of Hyper-V Replica, whoever made it."""

    mode: str
    state: str | None
    health: str | None
    primaryServer: str | None
    replicaServer: str | None
    frequencyInSeconds: int | None


Presence: TypeAlias = Literal["Present", "NotPresent", "Unknown"]


class MachineDetails(TypedDict):
    """ASR's HyperVVirtualMachineDetails, and what more is known of a machine."""

    instanceType: str
    sourceItemId: str
    generation: str
    osDetails: OperatingSystem
    diskDetails: list[MachineDisk]
    hasPhysicalDisk: Presence
    hasFibreChannelAdapter: Presence
    hasSharedVhd: Presence
    hyperVHostId: str | None
    state: str
    highlyAvailable: bool
    checkpoints: int
    integrationServices: str | None
    encrypted: bool | None
    networkAdapters: list[MachineAdapter]
    replication: Relationship | None
    protectionRequiredInVmm: bool


class ProtectableItemProperties(TypedDict):
    friendlyName: str
    protectionStatus: Literal["Unprotected", "Protected"]
    replicationProtectedItemId: ArmId | None
    recoveryServicesProviderId: ArmId | None
    protectionReadinessErrors: list[str]
    protectionReadinessErrorDetails: list[StoredFailure]
    protectionReadinessWarnings: list[StoredFailure]
    supportedReplicationProviders: list[str]
    customDetails: MachineDetails


class ProtectableItemResource(Envelope):
    """A virtual machine that VMM has in a cloud."""

    properties: ProtectableItemProperties


def protectable_item_id(ids: VaultId, cloud: Cloud, external_id: str) -> str:
    return ids.child(
        PROTECTABLE_ITEM,
        fabric_name=cloud.fabric.name,
        container_name=cloud.external_id,
        protectable_item_name=external_id,
    )


def protectable_item_resource(
    ids: VaultId,
    cloud: Cloud,
    machine: VirtualMachine,
    *,
    protected_item_id: str | None,
    provider_id: str | None,
    readiness: Readiness,
) -> ProtectableItemResource:
    """A protectable item.

    Args:
        ids: The vault's.
        cloud: The machine's, with its fabric.
        machine: As the inventory has it.
        protected_item_id: ARM id of the item that protects it, when one does.
        provider_id: ARM id of the provider of its server, when one is registered.
        readiness: Whether it can be protected.
    """
    return resource(
        protectable_item_id(ids, cloud, machine.external_id),
        {
            "friendlyName": machine.name,
            "protectionStatus": "Unprotected" if protected_item_id is None else "Protected",
            "replicationProtectedItemId": protected_item_id,
            "recoveryServicesProviderId": provider_id,
            "protectionReadinessErrors": [_reason(failure) for failure in readiness.errors],
            # Beyond ASR's model, which has room for one text a reason.
            "protectionReadinessErrorDetails": [_stored(failure) for failure in readiness.errors],
            "protectionReadinessWarnings": [_stored(failure) for failure in readiness.warnings],
            "supportedReplicationProviders": list(REPLICATION_PROVIDERS),
            "customDetails": machine_details(machine),
        },
    )


def _stored(failure: Failure) -> StoredFailure:
    return cast("StoredFailure", failure.as_json())


def _reason(failure: Failure) -> str:
    """Code, what is wrong, and what to do, as one text."""
    return f"{failure.code}: {failure.message} {failure.recommended_action}"


def machine_details(machine: VirtualMachine) -> MachineDetails:
    """ASR's HyperVVirtualMachineDetails of a machine, and what more is known of it.

    Its VmmVirtualMachineDetails has the same properties, but Microsoft's client does not find the
    class behind that word and would show none of them.
    """
    details: Mapping[str, Any] = machine.details
    disks = disks_of(details)
    return {
        "instanceType": "HyperVVirtualMachine",
        "sourceItemId": machine.vm_id,
        "generation": str(details.get("generation", "")),
        "osDetails": {
            "osType": _os_type(str(details.get("operating_system", ""))),
            "productType": None,
            "osEdition": details.get("operating_system") or None,
            "oSVersion": None,
            "oSMajorVersion": None,
            "oSMinorVersion": None,
            "userSelectedOSName": None,
        },
        "diskDetails": [_disk(disk) for disk in disks],
        "hasPhysicalDisk": _present(disks, "pass_through", details.get("pass_through")),
        "hasFibreChannelAdapter": _present([], "", details.get("fibre_channel")),
        "hasSharedVhd": _present(disks, "shared", details.get("shared_storage")),
        "hyperVHostId": machine.host_fqdn or None,
        # Beyond ASR's model.
        "state": machine.state,
        "highlyAvailable": bool(details.get("highly_available")),
        "checkpoints": details.get("checkpoints") or 0,
        "integrationServices": details.get("integration_services") or None,
        "encrypted": details.get("encrypted"),
        "networkAdapters": _adapters(details),
        "replication": _relationship(details.get("replication")),
        "protectionRequiredInVmm": bool(details.get("dr_protection_required")),
    }


def _adapters(details: Mapping[str, object]) -> list[MachineAdapter]:
    found = details.get("adapters")
    return [
        {
            "nicId": adapter.get("id"),
            "macAddress": adapter.get("mac_address") or None,
            "vmNetworkName": adapter.get("vm_network") or None,
            "vmSubnetName": adapter.get("vm_subnet") or None,
            "ipAddressType": adapter.get("ipv4_address_type") or None,
            "ipAddresses": adapter.get("ipv4_addresses") or [],
        }
        for adapter in (found if isinstance(found, list) else [])
        if isinstance(adapter, Mapping)
    ]


def _relationship(told: object) -> Relationship | None:
    """A relationship of Hyper-V Replica, whoever made it."""
    if not isinstance(told, Mapping) or not told.get("mode"):
        return None
    return {
        "mode": told["mode"],
        "state": told.get("state"),
        "health": told.get("health"),
        "primaryServer": told.get("primary_server"),
        "replicaServer": told.get("replica_server"),
        "frequencyInSeconds": told.get("frequency_seconds"),
    }


def disks_of(details: Mapping[str, object]) -> list[Mapping[str, Any]]:
    found = details.get("disks")
    return [disk for disk in found if isinstance(disk, Mapping)] if isinstance(found, list) else []


def _disk(disk: Mapping[str, Any]) -> MachineDisk:
    # protobuf's JSON writes 64-bit numbers as text.
    size_bytes = int(str(disk.get("maximum_size_bytes") or disk.get("size_bytes") or 0))
    return {
        "maxSizeMB": size_bytes // BYTES_PER_MEGABYTE,
        "vhdType": disk.get("format") or None,
        "vhdId": disk.get("id") or None,
        "vhdName": disk.get("name") or None,
    }


def _os_type(operating_system: str) -> Literal["Windows", "Linux", "Unknown"]:
    name = operating_system.lower()
    if "windows" in name:
        return "Windows"
    return "Linux" if name and "unknown" not in name else "Unknown"


def _present(devices: Sequence[Mapping[str, object]], name: str, flag: object) -> Presence:
    """What devices are seen to be, or what VMM says of the machine; older agents say nothing."""
    if flag or any(device.get(name) for device in devices):
        return "Present"
    return "NotPresent" if devices or flag is False else "Unknown"
