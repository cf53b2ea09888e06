"""Jobs whose commands go to an agent of the test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from opensiterecovery.provider.v1.command_pb2 import CommandResult, HostRefreshed

from coordinator.jobs.engine import advance
from coordinator.jobs.models import Command, Job
from coordinator.jobs.queues import QueueName
from coordinator.jobs.registry import Registry
from coordinator.jobs.services import BeginJob, JobTarget, begin_job
from coordinator.jobs.states import CommandState
from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec

REGISTRY = Registry(records={}, conditions={}, finishers={})


def utc_now() -> datetime:
    return datetime.now(UTC)


def begin(vault_id: UUID, provider_id: UUID, *hosts: str) -> Callable[[], UUID]:
    """A job that refreshes hosts, its commands written; gives its id."""

    def work() -> UUID:
        steps = tuple(
            StepSpec(
                key=f"refresh/{host}",
                task="Refresh",
                kind=StepKind.COMMAND,
                action="refresh_host",
                provider=str(provider_id),
                inputs={"host": host},
            )
            for host in hosts
        )
        job = begin_job(
            BeginJob(
                vault_id=vault_id,
                scenario="RefreshServer",
                friendly_name="Refresh server",
                target=JobTarget("Fabric", "fabric", "VMM-Shanghai"),
                graph=Graph((TaskSpec("Refresh", "Refresh"),), steps),
                queue=QueueName.INVENTORY,
                started_by="tests",
            ),
            utc_now(),
        )
        advance(job.id, REGISTRY, utc_now)
        return job.id

    return work


def result_of(command_id: str) -> CommandResult:
    return CommandResult(command_id=command_id, host_refreshed=HostRefreshed(host="hv1"))


def state_of(command_id: str) -> CommandState:
    return CommandState(Command.objects.get(command_id=command_id).state)


def job_state(job_id: UUID) -> str:
    advance(job_id, REGISTRY, utc_now)
    return str(Job.objects.get(pk=job_id).state)
