"""Record functions and finishers of test failover and its clean-up."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.events.services import clear_event
from coordinator.jobs.registry import FinishedJob, RecordCall, StepFailedError
from coordinator.jobs.states import JobState, StepState
from coordinator.protection.services import record_drill_state, record_drilled
from coordinator.protection.states import DrillState
from coordinator.recovery.left_behind import began
from coordinator.recovery.models import DrillNetwork
from coordinator.recovery.options import RecoveryTag
from coordinator.recovery.recovery_points import missing_point_failure
from coordinator.recovery.test_failover.drills import item_id, leftover_key, open_drill
from coordinator.recovery.test_failover.network_steps import CREATE, UNDO
from coordinator.recovery.test_failover.planner import UNDO_TEST
from coordinator.recovery.test_failover.rules import production_failure, replica_failure
from coordinator.recovery.test_failover.states import DrillOutcome
from coordinator.recovery.wire_values import moment, point, points


def check_test_failover(call: RecordCall) -> Mapping[str, object]:
    """Refuses a replica that no test can be made of, and production's network for two machines."""
    drill = open_drill(call.arguments)
    failure = (
        replica_failure(
            str(call.inputs["mode"]),
            str(call.inputs["state"]),
            str(call.inputs["test_vm_name"]),
        )
        or missing_point_failure(
            points(call.inputs["recovery_points"]),
            RecoveryTag(str(call.inputs["recovery_tag"])),
            str(call.inputs["recovery_point_id"]),
        )
        or production_failure(drill.item_name, drill.network, str(call.inputs["source_vm_state"]))
    )
    if failure is not None:
        raise StepFailedError(failure)
    drill.job_id = call.job_id
    drill.save(update_fields=["job_id"])
    return {}


def test_machine_made(call: RecordCall) -> Mapping[str, object]:
    """There is a test virtual machine, of that point."""
    drill = open_drill(call.arguments)
    chosen = point(call.inputs["failed_over_to"])
    drill.job_id = call.job_id
    drill.test_vm_id = str(call.inputs["test_vm_id"])
    drill.test_vm_name = str(call.inputs["test_vm_name"])
    if chosen is None:
        drill.recovery_point_time = moment(call.inputs["last_replication_time"])
    else:
        drill.recovery_point_id = chosen.id
        drill.recovery_point_time, drill.recovery_point_type = chosen.time, chosen.kind
    drill.save()
    return {"test_vm_id": drill.test_vm_id, "test_vm_name": drill.test_vm_name}


def test_is_active(call: RecordCall) -> Mapping[str, object]:
    """The test virtual machine runs: somebody looks at it, and cleans up then."""
    drill = open_drill(call.arguments)
    drill.active_at, drill.outcome = call.now, DrillOutcome.ACTIVE
    drill.save(update_fields=["active_at", "outcome"])
    record_drill_state(item_id(call.arguments), DrillState.ACTIVE)
    return {}


def test_failover_finished(job: FinishedJob) -> str | None:
    """After a failure: nothing is left where all was taken back, else it has to be cleaned up."""
    if job.state is JobState.SUCCEEDED:
        return None
    drill = open_drill(job.arguments)
    if began(job, CREATE) and job.steps.get(UNDO) is StepState.SUCCEEDED:
        DrillNetwork.objects.filter(drills=drill).update(removed_at=job.now)
    taken_back = all(
        job.steps.get(undo) is StepState.SUCCEEDED
        for begun, undo in (("test/start", UNDO_TEST), (CREATE, UNDO))
        if began(job, begun)
    )
    cancelled = job.state is JobState.CANCELLED
    drill.outcome = DrillOutcome.CANCELLED if cancelled else DrillOutcome.FAILED
    if taken_back:
        drill.ended_at = job.now
    drill.save(update_fields=["outcome", "ended_at"])
    record_drill_state(item_id(job.arguments), DrillState.NONE if taken_back else DrillState.FAILED)
    if taken_back:
        return f"Nothing is left of the test of {drill.item_name}."
    return (
        f"A test virtual machine of {drill.item_name}, or its network, may still be there: clean "
        "up the test failover."
    )


def check_clean_up(call: RecordCall) -> Mapping[str, object]:
    """Notes what whoever cleans up wrote."""
    drill = open_drill(call.arguments)
    drill.notes = str(call.arguments["comments"])
    drill.save(update_fields=["notes"])
    return {}


def test_cleaned_up(call: RecordCall) -> Mapping[str, object]:
    """Nothing is left of the test; only now it counts, if it ever ran. Source: SPEC FO-1."""
    drill = open_drill(call.arguments)
    drill.ended_at = call.now
    if drill.active_at is not None:
        drill.outcome = DrillOutcome.COMPLETED
        record_drilled(item_id(call.arguments), drill.active_at)
    drill.save(update_fields=["ended_at", "outcome"])
    record_drill_state(item_id(call.arguments), DrillState.NONE)
    clear_event(call.vault_id, leftover_key(drill.id), call.now)
    return {}


def clean_up_finished(job: FinishedJob) -> str | None:
    """After a failure there may still be something to clean up."""
    if job.state is JobState.SUCCEEDED:
        return None
    record_drill_state(
        item_id(job.arguments),
        DrillState.CLEAN_UP_FAILED,
        only_in=[DrillState.CLEANING_UP],
    )
    return "Something of the test failover may still be there: clean up again."
