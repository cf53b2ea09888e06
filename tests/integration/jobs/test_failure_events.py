"""Which failed jobs are events, and the id that all a job causes is found by."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from opensiterecovery.provider.v1 import command_pb2
from structlog.contextvars import get_contextvars

from coordinator.events.models import Event
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Command, Job
from coordinator.jobs.queues import QueueName
from coordinator.jobs.registry import RecordCall, Registry
from coordinator.jobs.services import begin_job
from coordinator.jobs.states import JobState
from tests.integration.jobs.fake_provider import FakeProvider
from tests.integration.jobs.jobs_for_tests import Clock, command, record, request

pytestmark = pytest.mark.django_db


def break_(_call: RecordCall) -> dict[str, object]:
    raise RuntimeError("a fault")


def fail(provider: FakeProvider, clock: Clock, queue: QueueName) -> Job:
    wanted = request(provider.vault_id, record("a", action="break"))
    job = begin_job(replace(wanted, queue=queue), clock())
    advance(job.id, Registry(records={"break": break_}), clock)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    return job


@pytest.mark.spec("EV-1")
def test_a_failed_failover_stands_open(provider: FakeProvider, clock: Clock) -> None:
    job = fail(provider, clock, QueueName.FAILOVER)
    event = Event.objects.get()
    assert (event.severity, event.code, event.type) == ("Critical", "JobFailed", "JobStatus")
    assert event.key == f"job:{job.id}"
    assert event.cleared_at is None
    assert event.told_at is None


@pytest.mark.spec("EV-1")
@pytest.mark.parametrize("queue", [QueueName.REPLICATION, QueueName.INVENTORY])
def test_of_another_job_it_is_noted_that_it_failed(
    provider: FakeProvider, clock: Clock, queue: QueueName
) -> None:
    job = fail(provider, clock, queue)
    event = Event.objects.get()
    assert (event.severity, event.code) == ("Warning", "JobFailed")
    assert event.cleared_at == event.occurred_at == job.finished_at
    assert event.failure["possibleCauses"]
    assert event.failure["recommendedAction"]
    assert "GoldVM1" in event.failure["message"]


def test_commands_and_what_domains_log_carry_the_jobs_correlation_id(
    provider: FakeProvider, clock: Clock
) -> None:
    seen: list[object] = []

    def note(_call: RecordCall) -> dict[str, object]:
        seen.append(get_contextvars().get("correlation_id"))
        return {}

    steps = (record("note"), command("refresh", provider.id, "note"))
    wanted = replace(request(provider.vault_id, *steps), correlation_id="trace-1")
    job = begin_job(wanted, clock())
    advance(job.id, Registry(records={"note": note}), clock)
    assert seen == ["trace-1"]
    assert "correlation_id" not in get_contextvars()
    body = command_pb2.Command.FromString(bytes(Command.objects.get().body))
    assert body.correlation_id == "trace-1"


def test_a_job_that_begins_by_itself_has_an_id_of_its_own(
    provider: FakeProvider, clock: Clock
) -> None:
    jobs = [
        begin_job(
            replace(request(provider.vault_id, record("a")), locks=(), client_request_id=""),
            clock(),
        )
        for _ in range(2)
    ]
    first, second = (UUID(job.correlation_id) for job in jobs)
    assert first != second
