"""Record functions and the finisher of DisableDr."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.fabrics.services import machine_deleted, replication_ended
from coordinator.failures import Failure
from coordinator.jobs.registry import FinishedJob, RecordCall, StepFailedError
from coordinator.jobs.states import JobState
from coordinator.protection.disabling.forgetting import forget_item
from coordinator.protection.rules import replica_deletion_failure
from coordinator.protection.sides import fabric_of_side, host_of_side
from coordinator.protection.states import ActiveLocation, ItemEvent, ProtectionState
from coordinator.protection.transitions import lock_item, record_event


def check_replica(call: RecordCall) -> Mapping[str, object]:
    """Refuses the deletion of what may be the only or the running copy."""
    item = lock_item(str(call.arguments["item_id"]))
    failure: Failure | None = replica_deletion_failure(
        item.friendly_name, str(call.inputs["machine"]), str(call.inputs["replica"])
    )
    if failure is not None:
        raise StepFailedError(failure)
    return {}


def failover_completed(call: RecordCall) -> Mapping[str, object]:
    """A repetition must not complete it again: by then the replication may be gone."""
    item = lock_item(str(call.arguments["item_id"]))
    item.disabling = {**(item.disabling or {}), "complete_failover": False}
    item.save(update_fields=["disabling"])
    item.points.all().delete()
    return {}


def disabled(call: RecordCall) -> Mapping[str, object]:
    """Nothing replicates any more: the item goes, its machine can be protected again.

    The inventory, which is looked at every minute or so, is told what the hosts have just said:
    protecting the machine again at once must not build on a replication, or a copy, that is gone.
    """
    item = lock_item(str(call.arguments["item_id"]))
    pairing = item.pairing
    replication_ended({pairing.primary_fabric_id, pairing.recovery_fabric_id}, item.vm_id)
    if (item.disabling or {}).get("delete_replica"):
        passive = ActiveLocation(item.active_location).other
        machine_deleted(
            fabric_of_side(pairing, passive).id, item.vm_id, host_of_side(item, passive), call.now
        )
    forget_item(item, call.now)
    return {}


def disabling_finished(job: FinishedJob) -> None:
    """After a failure either side may still replicate; the same request takes it up."""
    if job.state is not JobState.SUCCEEDED:
        record_event(
            str(job.arguments["item_id"]),
            ItemEvent.DISABLING_FAILED,
            only_in=[ProtectionState.DISABLING],
        )


def removed_from_vault(call: RecordCall) -> Mapping[str, object]:
    """The item went when the job began; the job keeps what is left to do by hand."""
    return {"commands": call.arguments["affected_objects"]}
