"""Graphs and requests small enough to read in a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from coordinator.jobs.models import Job
from coordinator.jobs.queues import QueueName
from coordinator.jobs.services import BeginJob, JobTarget
from coordinator.jobs.steps import Graph, StepKind, StepSpec, TaskSpec

TASKS = (TaskSpec("First", "The first task"), TaskSpec("Second", "The second task"))


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def command(key: str, provider_id: UUID, *after: str, **changes: object) -> StepSpec:
    fields: dict[str, object] = {
        "key": key,
        "task": "First",
        "kind": StepKind.COMMAND,
        "action": "refresh_host",
        "provider": str(provider_id),
        "inputs": {"host": "hv1"},
        "after": after,
        **changes,
    }
    return StepSpec(**fields)  # type: ignore[arg-type]  # names of fields, varying


def record(key: str, *after: str, **changes: object) -> StepSpec:
    fields: dict[str, object] = {
        "key": key,
        "task": "Second",
        "kind": StepKind.RECORD,
        "action": "note",
        "after": after,
        **changes,
    }
    return StepSpec(**fields)  # type: ignore[arg-type]  # names of fields, varying


def request(vault_id: UUID, *steps: StepSpec, **changes: object) -> BeginJob:
    fields: dict[str, object] = {
        "vault_id": vault_id,
        "scenario": "PlannedFailover",
        "friendly_name": "Planned failover",
        "target": JobTarget("ProtectionEntity", "item-1", "GoldVM1", "/subscriptions/x"),
        "graph": Graph(TASKS, steps),
        "locks": ("item:1",),
        "queue": QueueName.FAILOVER,
        "started_by": "tests",
        **changes,
    }
    return BeginJob(**fields)  # type: ignore[arg-type]  # names of fields, varying


def states(job: Job) -> dict[str, str]:
    """State by step, as stored."""
    return dict(job.steps.values_list("key", "state"))
