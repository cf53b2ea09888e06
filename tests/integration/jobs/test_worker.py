"""A real Celery worker on a real Redis takes urgent work first and carries a job to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from celery import Celery
from celery.app import app_or_default
from celery.contrib.testing.worker import start_worker
from celery.signals import task_postrun
from django.db import connections, transaction

from coordinator.config.celery import make_app
from coordinator.config.configuration import Configuration
from coordinator.config.waiting import wait_for
from coordinator.jobs import outbox
from coordinator.jobs.messages import send
from coordinator.jobs.models import Job, OutboxMessage
from coordinator.jobs.queues import QueueName
from coordinator.jobs.registry import RecordCall, Registry
from coordinator.jobs.services import begin_job
from coordinator.jobs.tasks import register_domain_tasks, register_tasks
from coordinator.vaults.models import Vault
from tests.integration.jobs.fake_provider import FakeProvider
from tests.integration.jobs.jobs_for_tests import Clock, command, record, request

pytestmark = pytest.mark.django_db(transaction=True)


class Work:
    """What the worker was asked to do, in order."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.registry = Registry(records={"note": self.note})

    def note(self, call: RecordCall) -> dict[str, object]:
        self.order.append(f"job of {call.target_id}")
        return {}

    def finalize(self, _now: object, item: str) -> None:
        self.order.append(f"finalize {item}")


@pytest.fixture
def app(redis_url: str) -> Iterator[Celery]:
    before = app_or_default()
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        configuration = Configuration(state=Path("/nowhere"), database_url="", redis_url=redis_url)
        app = make_app(configuration, socket_timeout_seconds=5)
        yield app
        client.flushall()
    app.close()
    before.set_default()
    before.set_current()


@contextmanager
def worker(app: Celery, work: Work, clock: Clock) -> Iterator[None]:
    register_tasks(app, work.registry, clock)
    register_domain_tasks(app, {"protection.finalize": work.finalize}, clock)
    queues = ",".join(QueueName)

    def close_connections(**_facts: object) -> None:
        connections.close_all()

    # Runs in the thread of the worker, whose connections these are.
    task_postrun.connect(close_connections)
    try:
        with start_worker(app, pool="solo", perform_ping_check=False, queues=queues):
            yield
    finally:
        task_postrun.disconnect(close_connections)


def test_a_job_runs_through_the_worker(app: Celery, provider: FakeProvider, clock: Clock) -> None:
    work = Work()
    with transaction.atomic():
        job = begin_job(
            request(provider.vault_id, command("a", provider.id), record("b", "a")), clock()
        )
    with worker(app, work, clock):
        (sent,) = wait_for("the command", lambda: provider.fetch() or None, 20)
        provider.answer(sent, clock())
        ended = Job.objects.filter(id=job.id, state="Succeeded")
        wait_for("the job's end", ended.exists, 20)
    assert work.order == ["job of item-1"]


def test_urgent_work_goes_first_and_all_of_it_is_done(
    app: Celery, vault: Vault, clock: Clock
) -> None:
    work = Work()
    for number in range(3):
        with transaction.atomic():
            name = f"item-{number}"
            outbox.enqueue("protection.finalize", QueueName.INVENTORY, name, now=clock())
            outbox.enqueue("protection.finalize", QueueName.REPLICATION, name + "!", now=clock())
    with transaction.atomic():
        begin_job(request(vault.id, record("a")), clock())
    with worker(app, work, clock):
        wait_for("an empty outbox", lambda: not OutboxMessage.objects.exists(), 20)
    assert work.order == [
        "job of item-1",
        *[f"finalize item-{number}!" for number in range(3)],
        *[f"finalize item-{number}" for number in range(3)],
    ]


def test_the_sweep_brings_back_what_redis_lost(
    app: Celery, vault: Vault, clock: Clock, redis_url: str
) -> None:
    work = Work()
    with transaction.atomic():
        job = begin_job(request(vault.id, record("a")), clock())
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    clock.pass_(5)
    assert send("jobs.sweep", QueueName.FAILOVER)
    with worker(app, work, clock):
        ended = Job.objects.filter(id=job.id, state="Succeeded")
        wait_for("the job's end", ended.exists, 20)
    assert work.order == ["job of item-1"]
