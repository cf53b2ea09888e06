"""Beginning jobs: their rows, those of their children, their steps and locks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

import structlog

from coordinator.jobs.capabilities import refuse_unless_capable
from coordinator.jobs.family_graph import all_steps, validate_family
from coordinator.jobs.inputs import encode_inputs
from coordinator.jobs.locks import take_locks
from coordinator.jobs.messages import ADVANCE_TASK, send_after_commit
from coordinator.jobs.models import Job, Step
from coordinator.jobs.queues import QueueName
from coordinator.jobs.states import JobState
from coordinator.jobs.steps import ChildJob, Graph, JobTarget
from coordinator.jobs.urgency import urgencies, work_seconds

log = structlog.get_logger(__name__)

SKIPPED = "Skipped"
BATCH = 1000


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
        correlation_id: What logs of all it causes are found by; empty: one of its own.
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
    correlation_id: str = ""
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
    validate_family(request.graph)
    refuse_unless_capable(all_steps(request.graph))
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
    children = [(_child(job, child, now), child) for child in request.graph.children]
    Job.objects.bulk_create([child for child, _ in children], batch_size=BATCH)
    locks = dict.fromkeys(request.locks, job.id)
    begun = [(child, spec) for child, spec in children if not spec.skipped_reason]
    for child, spec in begun:
        locks.update(dict.fromkeys(spec.locks, child.id))
    take_locks(locks, job.target_name)
    steps = _steps(job, request.graph)
    for child, spec in begun:
        steps += _steps(child, spec.graph)
    Step.objects.bulk_create(steps, batch_size=BATCH)
    # The row itself says that it is due (wake_at): the message only saves waiting for the sweep.
    send_after_commit(ADVANCE_TASK, job.queue, str(job.id))
    log.info(
        "job.begun",
        vault_id=str(job.vault_id),
        job_id=str(job.id),
        correlation_id=job.correlation_id,
        scenario=job.scenario,
        target_id=job.target_id,
        steps=len(steps),
        children=len(children),
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


def _job_fields(request: BeginJob, now: datetime) -> dict[str, object]:
    begun = [child for child in request.graph.children if not child.skipped_reason]
    return {
        **_fields(request.friendly_name, request.target, request.graph, now),
        "started_by": request.started_by,
        "queue": request.queue,
        "lock_keys": sorted(set(request.locks)),
        "arguments": dict(request.arguments),
        "correlation_id": request.correlation_id or str(uuid4()),
        "children_left": len(begun),
        "children_seconds": sum(
            work_seconds(step.kind, step.expected_seconds, step.undoes)
            for child in begun
            for step in child.graph.steps
        ),
    }


def _child(root: Job, child: ChildJob, now: datetime) -> Job:
    job = Job(
        id=uuid4(),
        vault_id=root.vault_id,
        scenario=child.scenario,
        target_id=child.target.id,
        started_by=root.started_by,
        queue=root.queue,
        arguments=dict(child.arguments),
        root=root,
        child_key=child.key,
        lock_keys=sorted(set(child.locks)),
        correlation_id=root.correlation_id,
        **_fields(child.friendly_name, child.target, child.graph, now),
    )
    if child.skipped_reason:
        job.state = JobState.SUCCEEDED
        job.state_description = SKIPPED
        job.left_text = child.skipped_reason
        job.started_at = job.finished_at = now
        job.wake_at = None
    return job


def _fields(
    friendly_name: str, target: JobTarget, graph: Graph, now: datetime
) -> dict[str, object]:
    return {
        "friendly_name": friendly_name,
        "target_type": target.type,
        "target_name": target.name,
        "target_resource": target.resource,
        "tasks": [
            {
                "name": task.name,
                "friendly_name": task.friendly_name,
                "skipped_reason": task.skipped_reason,
            }
            for task in graph.tasks
        ],
        "state": JobState.NOT_STARTED,
        "created_at": now,
        "wake_at": now,
    }


def _steps(job: Job, graph: Graph) -> list[Step]:
    urgency = urgencies(graph.steps)
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
            gate=spec.gate,
            slot=spec.slot,
            expected_seconds=spec.expected_seconds,
            urgency=urgency[spec.key],
            undoes=spec.undoes,
        )
        for position, spec in enumerate(graph.steps)
    ]
