"""The context that scripts of a plan are given: JSON on one parameter (SPEC RP-4)."""

from __future__ import annotations

import json

from coordinator.recovery.plans.records import FailoverType, GroupRecord, GroupType
from coordinator.recovery.plans.runs.requests import RunMachine, RunRequest

# ASR's words in the context of its runbooks.
FAILOVER_TYPES = {
    FailoverType.TEST: "Test",
    FailoverType.PLANNED: "Planned",
    FailoverType.UNPLANNED: "Unplanned",
}


def script_context(request: RunRequest, failover_type: FailoverType, group: GroupRecord) -> str:
    """The context of a script before or after a group.

    Args:
        request: The run.
        failover_type: As what the plan runs.
        group: The script's group; VmMap has its machines, those of the whole plan in the two
            phases before the groups.

    Returns:
        JSON with the names of ASR's runbook context; hosts and addresses are ours.
    """
    boots = group.type is GroupType.BOOT
    item_ids = group.item_ids if boots else request.plan.item_ids
    machines = [request.machines[item_id] for item_id in item_ids]
    return json.dumps(
        {
            "RecoveryPlanName": request.plan.name,
            "FailoverType": FAILOVER_TYPES[failover_type],
            "FailoverDirection": "" if request.direction is None else str(request.direction),
            "GroupId": str(group.number) if boots else str(group.type),
            "VmMap": {machine.vm_id: _machine(machine) for machine in machines},
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def _machine(machine: RunMachine) -> dict[str, object]:
    return {
        "Name": machine.name,
        "SourceHost": machine.source_host,
        "TargetHost": machine.target_host,
        "IPAddresses": list(machine.addresses),
        "SkippedReason": machine.skipped_reason,
    }
