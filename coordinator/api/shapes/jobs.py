"""Jobs in answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal, TypeAlias, cast
from uuid import UUID

from coordinator.api.paths import JOB, VaultId
from coordinator.api.shapes.envelope import NEVER, resource, written_lines, written_time
from coordinator.api.shapes.failovers import failover_of_job
from coordinator.api.shapes.job_types import (
    GroupDetails,
    JobDetails,
    JobErrorDetails,
    JobResource,
    MemberTask,
    OperationError,
    OperationStatus,
    ProviderError,
    TaskDetails,
    TaskShape,
)
from coordinator.api.shapes.test_failovers import drill_job_details
from coordinator.failures import Failure
from coordinator.jobs.queries import (
    EXPORT_SCENARIO,
    JobAction,
    JobError,
    JobView,
    MemberView,
    TaskView,
    actions_of,
)
from coordinator.jobs.states import JobState, StepState
from coordinator.jobs.steps import StepKind
from coordinator.recovery.test_failover.queries import drills_of_job

_Ended: TypeAlias = Literal["Succeeded", "Failed", "Canceled"]

TEST_SCENARIOS = frozenset({"TestFailover", "TestFailoverCleanup"})
FAILOVER_SCENARIOS = frozenset({"PlannedFailover", "UnplannedFailover", "ChangePit"})
# ASR's kinds of group tasks, by what the plan calls its groups.
GROUP_TASKS = {
    "Shutdown": "RecoveryPlanShutdownGroupTaskDetails",
    "Failover": "RecoveryPlanGroupTaskDetails",
    "Boot": "RecoveryPlanGroupTaskDetails",
}
# "LRO" states of Azure: one l in Canceled, or clients poll for ever.
OPERATION_STATES: Mapping[JobState, _Ended] = {
    JobState.SUCCEEDED: "Succeeded",
    JobState.FAILED: "Failed",
    JobState.CANCELLED: "Canceled",
}


def job_id(ids: VaultId, name: str) -> str:
    return ids.child(JOB, job_name=name)


def job_resource(ids: VaultId, job: JobView, restartable: Collection[str] = ()) -> JobResource:
    """A job as ASR gives it out.

    Args:
        ids: The vault's.
        job: The job.
        restartable: Scenarios that know how to go on after a failure.
    """
    return resource(
        job_id(ids, str(job.id)),
        {
            "activityId": job.client_request_id or str(job.id),
            "scenarioName": job.scenario,
            "friendlyName": job.friendly_name,
            "state": job.state.value,
            "stateDescription": job.state_description or job.state.value,
            "tasks": [_task(ids, job, task) for task in job.tasks],
            "errors": [_error(job.id, error, job.finished_at) for error in job.errors],
            "startTime": written_time(job.started_at or job.created_at),
            "endTime": written_time(job.finished_at),
            "allowedActions": [action.value for action in actions_of(job, restartable)],
            "targetObjectId": job.target_id,
            "targetObjectName": job.target_name,
            "targetInstanceType": job.target_type,
            "customDetails": _details(job),
            # Beyond ASR's model, for those who show progress.
            "percent": job.percent,
            "correlationId": job.correlation_id,
            "startedBy": job.started_by,
            "leftState": job.left_text,
            "parentJobId": None if job.root_id is None else job_id(ids, str(job.root_id)),
        },
    )


def operation_status(ids: VaultId, job: JobView) -> OperationStatus:
    """The status document of a long-running operation (Azure-AsyncOperation)."""
    document: OperationStatus = {
        "id": ids.child("/replicationOperationStatus/{name}", name=str(job.id)),
        "name": str(job.id),
        "status": OPERATION_STATES.get(job.state, "InProgress"),
        "startTime": written_time(job.started_at or job.created_at),
        "endTime": written_time(job.finished_at),
        "percentComplete": job.percent,
        "properties": None,
    }
    if job.state in {JobState.FAILED, JobState.CANCELLED}:
        document["error"] = operation_error(job)
    return document


def operation_error(job: JobView) -> OperationError:
    """What a failed operation's error says: the first failure outside, all of them in details."""
    failures = [error.failure for error in job.errors] or [_unexplained(job)]
    return {
        "code": failures[0].code,
        "message": failures[0].message,
        "details": [
            {
                "code": failure.code,
                "message": failure.message,
                "possibleCauses": written_lines(failure.possible_causes),
                "recommendedAction": failure.recommended_action,
                "activityId": str(job.id),
            }
            for failure in failures
        ],
    }


def _unexplained(job: JobView) -> Failure:
    if job.state is JobState.CANCELLED:
        return Failure("JobCancelled", f"The job {job.friendly_name} ({job.id}) was cancelled.")
    return Failure("JobFailed", f"The job {job.friendly_name} ({job.id}) failed.")


def _task(ids: VaultId, job: JobView, task: TaskView) -> TaskShape:
    return {
        "taskId": task.name,
        "name": task.name,
        "startTime": NEVER if task.started_at is None else written_time(task.started_at),
        "endTime": written_time(task.finished_at) if task.finished_at is not None else NEVER,
        "allowedActions": [JobAction.RESUME.value] if _asks(job, task) else [],
        "friendlyName": task.friendly_name,
        "state": task.state.value,
        "stateDescription": _task_description(task),
        "taskType": "TaskType",
        "customDetails": _task_details(job, task),
        "groupTaskCustomDetails": _group(ids, job, task),
        "errors": [
            _error(job.id, JobError(failure, task.name, "", task.finished_at), job.finished_at)
            for failure in task.failures
        ],
        # Beyond ASR's model, for those who show progress.
        "percent": task.percent,
    }


def _asks(job: JobView, task: TaskView) -> bool:
    """Whether the task waits for a person."""
    return any(
        step.task == task.name
        and step.kind == StepKind.MANUAL
        and step.state is StepState.IN_PROGRESS
        for step in job.steps
    )


def _group(ids: VaultId, job: JobView, task: TaskView) -> GroupDetails | None:
    """The machines of the task's group, each with its own job."""
    group = next((group for group in job.groups if group.task == task.name), None)
    if group is None:
        return None
    return {
        "instanceType": GROUP_TASKS.get(group.type, "RecoveryPlanGroupTaskDetails"),
        "name": task.friendly_name,
        "groupId": group.key,
        "rpGroupType": group.type,
        "childTasks": [_member(ids, task, member) for member in group.members],
    }


def _member(ids: VaultId, task: TaskView, member: MemberView) -> MemberTask:
    begun, ended = member.started_at, member.finished_at
    return {
        "taskId": f"{task.name}/{member.key}",
        "name": task.name,
        "startTime": written_time(begun) if begun is not None else NEVER,
        "endTime": written_time(ended) if ended is not None else NEVER,
        "allowedActions": [],
        "friendlyName": member.target_name,
        "state": member.state.value,
        "stateDescription": member.skipped_reason or member.state.value,
        "taskType": "VirtualMachineTask",
        "customDetails": {
            "instanceType": "VirtualMachineTaskDetails",
            "skippedReason": member.skipped_reason,
            "skippedReasonString": member.skipped_reason,
            "jobTask": {
                "jobId": job_id(ids, str(member.job_id)),
                "jobFriendlyName": member.friendly_name,
                "targetObjectId": member.target_id,
                "targetObjectName": member.target_name,
                "targetInstanceType": member.target_type,
                "jobScenarioName": member.scenario,
            },
        },
        "groupTaskCustomDetails": None,
        "errors": [
            _error(member.job_id, JobError(failure, task.name, "", ended))
            for failure in member.failures
        ],
    }


def _task_details(job: JobView, task: TaskView) -> TaskDetails | None:
    """What a step of the task has to tell, in one of ASR's shapes of task details."""
    found = (step.details for step in job.steps if step.task == task.name and step.details)
    # Whoever records a step gives its details one of these shapes.
    return cast("TaskDetails | None", next(found, None))


def _task_description(task: TaskView) -> str:
    if task.state is StepState.SUCCEEDED:
        return "Completed"
    if task.state is StepState.SKIPPED:
        return task.skipped_reason or "Skipped"
    return task.activity or task.state.value


def _error(job_id: UUID, error: JobError, otherwise_at: datetime | None = None) -> JobErrorDetails:
    failure = error.failure
    return {
        "serviceErrorDetails": {
            "code": failure.code,
            "message": failure.message,
            "possibleCauses": written_lines(failure.possible_causes),
            "recommendedAction": failure.recommended_action,
            "activityId": str(job_id),
        },
        "providerErrorDetails": _provider_error(failure),
        "errorLevel": "Error",
        "creationTime": written_time(error.at or otherwise_at),
        "taskId": error.task or None,
    }


def _provider_error(failure: Failure) -> ProviderError | None:
    """What PowerShell said; None when the failure did not come out of it."""
    error = failure.provider_error
    if error is None:
        return None
    return {
        "errorCode": None,
        "errorId": error.error_id,
        "errorMessage": error.message,
        "possibleCauses": written_lines(failure.possible_causes),
        "recommendedAction": failure.recommended_action,
        # Beyond ASR's model.
        "category": error.category,
        "cmdlet": error.cmdlet,
        "target": error.target,
    }


def _details(job: JobView) -> JobDetails:
    if job.scenario == EXPORT_SCENARIO:
        # Where the file is, whoever answers a request knows (`job_answer`).
        return {
            "instanceType": "ExportJobDetails",
            "affectedObjectDetails": dict(job.affected_objects),
            "blobUri": None,
            "sasToken": None,
        }
    if job.scenario in TEST_SCENARIOS:
        return drill_job_details(drills_of_job(job.id))
    if job.scenario not in FAILOVER_SCENARIOS:
        return {
            "instanceType": "AsrJobDetails",
            "affectedObjectDetails": dict(job.affected_objects),
        }
    return {
        "instanceType": "FailoverJobDetails",
        "affectedObjectDetails": {},
        "protectedItemDetails": [
            # Beyond ASR's model it says what was lost.
            {"name": job.target_id, "friendlyName": job.target_name, **failover_of_job(job)},
        ],
    }
