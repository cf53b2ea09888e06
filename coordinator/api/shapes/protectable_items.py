"""Virtual machines that VMM knows, in answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coordinator.api.paths import PROTECTABLE_ITEM, VaultId
from coordinator.api.shapes.envelope import Resource, resource
from coordinator.fabrics.models import Cloud, VirtualMachine

BYTES_PER_MEGABYTE = 1024 * 1024
REPLICATION_PROVIDERS = ("HyperVReplica2012R2", "HyperVReplica2012")


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
    readiness_errors: Sequence[str],
) -> Resource:
    """A protectable item.

    Args:
        ids: The vault's.
        cloud: The machine's, with its fabric.
        machine: As the inventory has it.
        protected_item_id: ARM id of the item that protects it, when one does.
        provider_id: ARM id of the provider of its server, when one is registered.
        readiness_errors: Why it cannot be protected; empty when it can.
    """
    return resource(
        protectable_item_id(ids, cloud, machine.external_id),
        {
            "friendlyName": machine.name,
            "protectionStatus": "Unprotected" if protected_item_id is None else "Protected",
            "replicationProtectedItemId": protected_item_id,
            "recoveryServicesProviderId": provider_id,
            "protectionReadinessErrors": list(readiness_errors),
            "supportedReplicationProviders": list(REPLICATION_PROVIDERS),
            "customDetails": machine_details(machine),
        },
    )


def machine_details(machine: VirtualMachine) -> dict[str, object]:
    """ASR's HyperVVirtualMachineDetails of a machine."""
    details: Mapping[str, object] = machine.details
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
        },
        "diskDetails": [_disk(disk) for disk in disks],
        "hasPhysicalDisk": _present(any(disk.get("pass_through") for disk in disks)),
        "hasFibreChannelAdapter": "Unknown",
        "hasSharedVhd": _present(any(disk.get("shared") for disk in disks)),
        "hyperVHostId": machine.host_fqdn or None,
    }


def disks_of(details: Mapping[str, object]) -> list[Mapping[str, object]]:
    found = details.get("disks")
    return [disk for disk in found if isinstance(disk, Mapping)] if isinstance(found, list) else []


def _disk(disk: Mapping[str, object]) -> dict[str, object]:
    # protobuf's JSON writes 64-bit numbers as text.
    size_bytes = int(str(disk.get("maximum_size_bytes") or disk.get("size_bytes") or 0))
    return {
        "maxSizeMB": size_bytes // BYTES_PER_MEGABYTE,
        "vhdType": disk.get("format") or None,
        "vhdId": disk.get("id") or None,
        "vhdName": disk.get("name") or None,
    }


def _os_type(operating_system: str) -> str:
    name = operating_system.lower()
    if "windows" in name:
        return "Windows"
    return "Linux" if name and "unknown" not in name else "Unknown"


def _present(found: bool) -> str:
    return "Present" if found else "NotPresent"
