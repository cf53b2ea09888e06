"""What the engine calls while a server is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coordinator.fabrics.models import Fabric
from coordinator.jobs.registry import ConditionState, RecordCall
from coordinator.protection.discovery.belief import gather
from coordinator.protection.discovery.consistency import Inconsistency, compare
from coordinator.protection.discovery.mapping_belief import gather_mappings, given_addresses
from coordinator.protection.discovery.mapping_consistency import compare_mappings

TASK_DETAILS = "ConsistencyCheckTaskDetails"


def inventory_stored(call: RecordCall) -> ConditionState:
    """Met when the vault holds the revision that a look led to, or a later one."""
    revision = int(str(call.inputs["revision"]))
    held = Fabric.objects.values_list("inventory_revision", flat=True).get(
        id=str(call.inputs["fabric_id"]), vault_id=call.vault_id
    )
    return ConditionState.MET if held >= revision else ConditionState.PENDING


def check_consistency(call: RecordCall) -> Mapping[str, object]:
    """Compares; its result is what the job's task shows. Changes nothing."""
    fabric = Fabric.objects.get(id=str(call.inputs["fabric_id"]), vault_id=call.vault_id)
    unread = call.inputs["unread_hosts"]
    hosts = [str(host) for host in unread] if isinstance(unread, list | tuple) else []
    mappings = gather_mappings(fabric, given_addresses(call.inputs.get("pools")))
    found = (*compare(gather(fabric, hosts)), *compare_mappings(mappings))
    return {"details": task_details(found)}


def task_details(found: Sequence[Inconsistency]) -> dict[str, object]:
    """ASR's ConsistencyCheckTaskDetails: the differences of each machine together."""
    machines: dict[tuple[str, str], list[Inconsistency]] = {}
    for each in found:
        machines.setdefault((each.vm_name, each.cloud_name), []).append(each)
    return {
        "instanceType": TASK_DETAILS,
        "vmDetails": [
            {
                "vmName": name,
                "cloudName": cloud,
                "details": [
                    f"In the vault: {each.in_vault}. On premises: {each.on_premises}."
                    for each in differences
                ],
                "errorIds": [each.code for each in differences],
            }
            for (name, cloud), differences in machines.items()
        ],
    }
