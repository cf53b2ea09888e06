"""Telling EnableDr where disks go, and keeping where they went."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.fabrics.models import Host, VirtualMachine
from coordinator.jobs.registry import RecordCall
from coordinator.protection.inventory import machine_message, provider_of
from coordinator.protection.models import Pairing, ProtectedItem
from coordinator.protection.storage.places import disk_needs
from coordinator.protection.storage.queries import mapped_names
from coordinator.protection.transitions import lock_item


def storage_provider_id(pairing: Pairing, machine: VirtualMachine) -> str:
    """The provider that moves the machine's replica; empty when no disk's storage is mapped.

    Raises:
        RefusedError: ProviderNotRegistered, status 409.
    """
    names = mapped_names(pairing.primary_fabric_id, pairing.recovery_fabric_id)
    if not names:
        return ""
    disks = disk_needs(machine, machine_message(machine))
    if not any(disk.classification in names for disk in disks):
        return ""
    return str(provider_of(pairing.recovery_fabric).id)


def storage_outputs(item: ProtectedItem) -> Mapping[str, object]:
    """What `move_steps` wants of the placement, by the wire's names.

    The machine's own files go where its first disk goes.
    """
    disks = item.storage.get("disks", ())
    moved = [disk for disk in disks if disk["location"]]
    return {
        "disks": [
            {"file_name": disk["file_name"], "storage_location": disk["location"]} for disk in moved
        ],
        "other_hosts": _neighbours(item) if moved else [],
        "configuration_location": disks[0]["location"] if disks else "",
    }


def storage_moved(call: RecordCall) -> Mapping[str, object]:
    """Keeps where the disks are, as their host said after they were moved."""
    item = lock_item(str(call.arguments["item_id"]))
    item.storage["disk_paths"] = call.inputs["disk_paths"]
    item.save(update_fields=["storage"])
    return {}


def _neighbours(item: ProtectedItem) -> list[str]:
    """The other nodes of the recovery host's cluster: its broker chooses among them."""
    hosts = Host.objects.filter(fabric_id=item.pairing.recovery_fabric_id, gone_at=None)
    own = hosts.filter(name=item.recovery_host).first()
    if own is None or not own.cluster_fqdn:
        return []
    others = hosts.filter(cluster_fqdn__iexact=own.cluster_fqdn).exclude(pk=own.pk)
    return list(others.order_by("name").values_list("name", flat=True))
