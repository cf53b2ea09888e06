"""Record functions and finishers of EnableDr and of the two IrCompletion jobs."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.failures import Failure
from coordinator.jobs.registry import FinishedJob, RecordCall, StepFailedError
from coordinator.jobs.states import JobState
from coordinator.protection.copy_line.records import copy_begun
from coordinator.protection.enabling.finalizing import finalize_when_copied, note_outcome
from coordinator.protection.models import ProtectedItem
from coordinator.protection.placement.placing import place
from coordinator.protection.sides import side_of_item
from coordinator.protection.states import ActiveLocation, ItemEvent, ProtectionState
from coordinator.protection.storage.moving import storage_outputs
from coordinator.protection.transitions import lock_item, record_event

FIT_STATES = frozenset({"Running", "Off"})
# "Primary" is what an earlier run of the same job may have left; the provider sees to whom.
FIT_MODES = frozenset({"None", "", "Primary"})


def check_machine(call: RecordCall) -> Mapping[str, object]:
    """Refuses a machine that Hyper-V itself would not let replicate now."""
    state, mode = str(call.inputs["state"]), str(call.inputs["replication_mode"])
    if state not in FIT_STATES:
        raise StepFailedError(
            Failure(
                "VirtualMachineStateNotSupported",
                f"The virtual machine is in the state {state}.",
                ("A machine can be protected while it runs or is turned off.",),
                "Start the machine or shut it down, then enable protection again.",
            )
        )
    if mode not in FIT_MODES:
        raise StepFailedError(
            Failure(
                "VirtualMachineIsReplica",
                f"The virtual machine takes part in replication already, as {mode}.",
                ("It is the replica or the test copy of another machine.",),
                "Remove that replication, or protect its primary machine.",
            )
        )
    return {}


def choose_target(call: RecordCall) -> Mapping[str, object]:
    """Chooses the recovery host; returns it and the name to replicate to."""
    item = lock_item(_item_id(call.arguments))
    host = str(call.inputs.get("host", ""))
    if host:
        _place_at(item, host)
    else:
        place(item)
    side = side_of_item(item, ActiveLocation.RECOVERY)
    item.save(update_fields=["recovery_host", "placement", "storage"])
    return {
        "host": side.host,
        "replica_server": side.connection_point,
        **storage_outputs(item),
    }


def _place_at(item: ProtectedItem, host: str) -> None:
    """The host has a copy of the machine: nothing else counts; its disks stay where they are."""
    item.recovery_host = host
    reason = "it has a copy of the machine already"
    item.placement = [{"host": host, "fits": True, "score": 0.0, "reasons": [reason]}]
    item.storage = {}


def check_existing_replication(call: RecordCall) -> Mapping[str, object]:
    """Both hosts still say that the machine replicates between them. Source: SPEC RE-6."""
    sides = (call.inputs["mode"], call.inputs["replica_mode"])
    if sides != ("Primary", "Replica"):
        item = ProtectedItem.objects.get(id=_item_id(call.arguments))
        raise StepFailedError(
            Failure(
                "ExistingReplicationChanged",
                f"{item.friendly_name} is {sides[0]} on {item.primary_host} and {sides[1]} on "
                f"{call.inputs['recovery_host']}: there is no replication to take over.",
                ("It was removed, or failed over, since the servers were last looked at.",),
                "Refresh both servers, then enable protection again.",
            )
        )
    return {}


def enabled(call: RecordCall) -> Mapping[str, object]:
    """The relationship exists and the first copy has begun."""
    item = record_event(_item_id(call.arguments), ItemEvent.ENABLED)
    copy_begun(item.id, call.now)
    return {}


def enabling_finished(job: FinishedJob) -> None:
    """A small machine may be copied before the job ends; a failure frees the item to try again."""
    if job.state is JobState.SUCCEEDED:
        finalize_when_copied(lock_item(_item_id(job.arguments)), job.now)
        return
    item = record_event(
        _item_id(job.arguments),
        ItemEvent.ENABLING_FAILED,
        only_in=[ProtectionState.ENABLING, ProtectionState.READY_TO_COPY],
    )
    copy_begun(item.id, job.now)


def primary_finalized(call: RecordCall) -> Mapping[str, object]:
    """The primary's side has been seen replicating after the first copy."""
    _refuse_not_replicating(call, "Primary")
    record_event(_item_id(call.arguments), ItemEvent.PRIMARY_FINALIZED)
    return {}


def recovery_finalized(call: RecordCall) -> Mapping[str, object]:
    """Both sides have: the item is protected."""
    _refuse_not_replicating(call, "Replica")
    record_event(_item_id(call.arguments), ItemEvent.RECOVERY_FINALIZED)
    return {}


def finalizing_finished(job: FinishedJob) -> None:
    """The recovery side follows the primary's; after a failure a later report begins anew."""
    item = lock_item(_item_id(job.arguments))
    note_outcome(item, job.now, well=job.state is JobState.SUCCEEDED)
    finalize_when_copied(item, job.now)


def _item_id(arguments: Mapping[str, object]) -> str:
    return str(arguments["item_id"])


def _refuse_not_replicating(call: RecordCall, mode: str) -> None:
    seen = (call.inputs["mode"], call.inputs["state"])
    if seen != (mode, "Replicating"):
        item = ProtectedItem.objects.get(id=_item_id(call.arguments))
        raise StepFailedError(
            Failure(
                "InitialReplicationNotComplete",
                f"The first copy of {item.friendly_name} is not complete: its {mode.lower()} side "
                f"is {seen[0]} and {seen[1]}.",
                ("Replication stopped or was changed just after the first copy.",),
                "Look at the machine's replication health; finalizing is tried again by itself.",
            )
        )
