"""Record functions and the finisher of DisableDr."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from coordinator.fabrics.queries import fabrics_of_providers
from coordinator.fabrics.services import settle_machine
from coordinator.failures import Failure
from coordinator.jobs.queries import last_finished
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
    passive = ActiveLocation(item.active_location).other
    deleted = bool((item.disabling or {}).get("delete_replica"))
    settle_machine(
        item.vm_id,
        _ended_at(call.job_id),
        call.now,
        (fabric_of_side(item.pairing, passive).id, host_of_side(item, passive))
        if deleted
        else None,
    )
    forget_item(item, call.now)
    return {}


def _ended_at(job_id: UUID) -> dict[UUID, datetime]:
    """By server, when its last command of the job ended."""
    by_provider = last_finished(job_id)
    found: dict[UUID, datetime] = {}
    for provider_id, fabric_id in fabrics_of_providers(by_provider).items():
        at = by_provider[provider_id]
        found[fabric_id] = max(at, found.get(fabric_id, at))
    return found


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
