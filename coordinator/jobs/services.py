"""The jobs domain's verbs: beginning jobs here, the gateway's from `delivery`, `enqueue`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from coordinator.failures import RefusedError, refuse
from coordinator.jobs.cancelling import cancel_waiting_job, tell_waiting_jobs
from coordinator.jobs.capabilities import refuse_unless_capable
from coordinator.jobs.delivery import (
    acknowledge_command,
    claim_commands,
    commands_to_resend,
    record_progress,
    store_result,
)
from coordinator.jobs.graph import validate_graph
from coordinator.jobs.inputs import encode_inputs
from coordinator.jobs.messages import ADVANCE_TASK, send_after_commit
from coordinator.jobs.models import Job, OperationLock, Step
from coordinator.jobs.outbox import enqueue
from coordinator.jobs.queues import QueueName
from coordinator.jobs.states import JobState
from coordinator.jobs.steps import Graph, JobTarget

__all__ = [
    "BeginJob",
    "JobTarget",
    "QueueName",
    "acknowledge_command",
    "begin_job",
    "begun_job",
    "cancel_waiting_job",
    "claim_commands",
    "commands_to_resend",
    "enqueue",
    "record_progress",
    "refuse_if_busy",
    "request_advance",
    "store_result",
    "tell_waiting_jobs",
]

log = structlog.get_logger(__name__)

# A lock seen held and then not found was released in between: so often it is tried again.
LOCK_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class BeginJob:
    """A job to begin.

    Attributes:
        vault_id: Vault of everything the job touches.
        scenario: ASR's scenario name, for example "PlannedFailover".
        friendly_name: For people, for example "Planned failover".
        target: What it is about.
        graph: What the planner returned.
        locks: Keys that only one running job may hold, for example "item:<uuid>".
        queue: Which queue its work goes to.
        started_by: Who asked, for the record.
        client_request_id: x-ms-client-request-id; a repeated one finds its job again.
        arguments: JSON, handed to record functions, conditions and the finisher.
    """

    vault_id: UUID
    scenario: str
    friendly_name: str
    target: JobTarget
    graph: Graph
    locks: tuple[str, ...] = ()
    queue: QueueName
    started_by: str
    client_request_id: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)


def begin_job(request: BeginJob, now: datetime) -> Job:
    """Writes a job with its steps and takes its locks, in the caller's transaction.

    Args:
        request: The job.
        now: Its time of creation.

    Returns:
        The new job, or the one that the same client request began before.

    Raises:
        RefusedError: 532, status 409: a lock is held by a running job, which the message names.
            Trying again helps once that job has ended. ProviderTooOld, status 409: a provider
            lacks a command that the graph needs. Nothing of this job remains when the caller lets
            the error end its transaction.
        GraphError: The graph is wrong in itself: a fault of the planner.

    Idempotent: By (vault, scenario, target, client_request_id), when there is a client_request_id.
    """
    validate_graph(request.graph)
    refuse_unless_capable(request.graph)
    if request.client_request_id:
        job, created = Job.objects.get_or_create(
            vault_id=request.vault_id,
            scenario=request.scenario,
            target_id=request.target.id,
            client_request_id=request.client_request_id,
            defaults=_job_fields(request, now),
        )
        if not created:
            return job
    else:
        job = Job.objects.create(
            vault_id=request.vault_id,
            scenario=request.scenario,
            target_id=request.target.id,
            **_job_fields(request, now),
        )
    _take_locks(job, request.locks)
    Step.objects.bulk_create(_steps(job, request.graph))
    # The row itself says that it is due (wake_at): the message only saves waiting for the sweep.
    send_after_commit(ADVANCE_TASK, job.queue, str(job.id))
    log.info(
        "job.begun",
        vault_id=str(job.vault_id),
        job_id=str(job.id),
        scenario=job.scenario,
        target_id=job.target_id,
        steps=len(request.graph.steps),
    )
    return job


def begun_job(vault_id: UUID, scenario: str, target_id: str, client_request_id: str) -> Job | None:
    """The job that this very client request began before; None without a request id.

    For services whose own checks would refuse a repeated request: its first arrival has changed
    the object's state.
    """
    if not client_request_id:
        return None
    return Job.objects.filter(
        vault_id=vault_id,
        scenario=scenario,
        target_id=target_id,
        client_request_id=client_request_id,
    ).first()


def refuse_if_busy(key: str) -> None:
    """Refuses at once when a running job holds a lock, before anything else is looked at.

    Raises:
        RefusedError: 532, status 409, naming the running job.
    """
    lock = OperationLock.objects.select_related("job").filter(key=key).first()
    if lock is not None:
        raise _busy(lock.job)


def request_advance(job_id: UUID) -> None:
    """Has the engine look at a job once the transaction commits.

    For domains that wrote something a WAIT step may be waiting for; without it the engine looks by
    itself every few seconds. Idempotent.
    """
    queue = Job.objects.filter(id=job_id).values_list("queue", flat=True).first()
    if queue is not None:
        send_after_commit(ADVANCE_TASK, queue, str(job_id))


def _job_fields(request: BeginJob, now: datetime) -> dict[str, object]:
    return {
        "friendly_name": request.friendly_name,
        "target_type": request.target.type,
        "target_name": request.target.name,
        "target_resource": request.target.resource,
        "started_by": request.started_by,
        "queue": request.queue,
        "tasks": [
            {
                "name": task.name,
                "friendly_name": task.friendly_name,
                "skipped_reason": task.skipped_reason,
            }
            for task in request.graph.tasks
        ],
        "arguments": dict(request.arguments),
        "state": JobState.NOT_STARTED,
        "created_at": now,
        "wake_at": now,
    }


def _steps(job: Job, graph: Graph) -> list[Step]:
    return [
        Step(
            job=job,
            key=spec.key,
            task=spec.task,
            position=position,
            kind=spec.kind,
            action=spec.action,
            provider_id=spec.provider,
            inputs=encode_inputs(spec.inputs),
            after=list(spec.after),
            on_failure=spec.on_failure,
            time_limit_seconds=spec.time_limit_seconds,
            attempts_allowed=spec.attempts,
            patience_seconds=spec.patience_seconds,
            point_of_no_return=spec.point_of_no_return,
        )
        for position, spec in enumerate(graph.steps)
    ]


def _take_locks(job: Job, keys: tuple[str, ...]) -> None:
    """Inserts the lock rows; waits for a transaction that is just taking or releasing one."""
    wanted = sorted(set(keys))
    for _ in range(LOCK_ROUNDS):
        OperationLock.objects.bulk_create(
            [OperationLock(key=key, job=job) for key in wanted], ignore_conflicts=True
        )
        held = OperationLock.objects.filter(key__in=wanted).select_related("job")
        owners = {lock.key: lock.job for lock in held}
        for key in wanted:
            if key in owners and owners[key].id != job.id:
                raise _busy(owners[key])
        if len(owners) == len(wanted):
            return
    raise refuse(
        "532",
        f"Another operation keeps starting on {job.target_name}.",
        causes=["Several operations are asked for at the same moment."],
        action="Wait for the running operations to end, then try again.",
        status=409,
    )


def _busy(running: Job) -> RefusedError:
    return refuse(
        "532",
        f'Another operation, "{running.friendly_name}", is in progress on {running.target_name} '
        f"(job {running.id}).",
        causes=[f"Job {running.id} was started by {running.started_by} and has not ended."],
        action=f"Wait until job {running.id} has ended, or cancel it, then try again.",
        status=409,
    )
