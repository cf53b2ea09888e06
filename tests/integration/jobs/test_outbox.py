"""Work in the outbox is done exactly once, whatever becomes of the broker and the workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import redis
from celery import Celery
from celery.app import app_or_default
from django.db import connection, transaction
from structlog.testing import capture_logs

from coordinator.config.celery import make_app
from coordinator.config.configuration import Configuration
from coordinator.jobs import outbox
from coordinator.jobs.domain_tasks import carry_out
from coordinator.jobs.engine import advance
from coordinator.jobs.hints import CHANNEL, HintPublisher
from coordinator.jobs.intake import read_arrival, store_result
from coordinator.jobs.models import Command, Job, OutboxMessage
from coordinator.jobs.queues import QueueName
from coordinator.jobs.registry import Registry
from coordinator.jobs.services import begin_job
from coordinator.jobs.sweep import ask_for_due_jobs, sweep
from coordinator.vaults.models import Vault
from tests.integration.jobs.fake_provider import FakeProvider
from tests.integration.jobs.jobs_for_tests import Clock, command, record, request

NOTHING = Registry(records={"note": lambda _call: {}})


def app_for(redis_url: str) -> Celery:
    return make_app(Configuration(state=Path("/nowhere"), database_url="", redis_url=redis_url))


@pytest.fixture
def no_redis(tmp_path: Path) -> Iterator[Celery]:
    """An app whose broker is not there."""
    before = app_or_default()
    yield app_for(f"unix://{tmp_path}/redis.sock")
    before.set_default()
    before.set_current()


@pytest.fixture
def broker(redis_url: str) -> Iterator[redis.Redis]:
    """An empty Redis that the process sends to."""
    before = app_or_default()
    app_for(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client
        client.flushall()
    before.set_default()
    before.set_current()


class Finalizer:
    """A domain task that changes a row, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.calls: list[tuple[object, ...]] = []

    def __call__(self, now: datetime, vault_id: str) -> None:
        self.calls.append((now, vault_id))
        vault = Vault.objects.get(id=vault_id)
        vault.location += "+"
        vault.save()
        if len(self.calls) <= self.failures:
            raise RuntimeError("a fault")


def enqueue(vault: Vault, clock: Clock) -> int:
    outbox.enqueue("protection.finalize", QueueName.REPLICATION, str(vault.id), now=clock())
    return OutboxMessage.objects.get().pk


@pytest.mark.django_db
def test_work_is_done_once_however_often_it_is_delivered(vault: Vault, clock: Clock) -> None:
    finalize = Finalizer()
    message_id = enqueue(vault, clock)
    for _ in range(3):
        carry_out(message_id, {"protection.finalize": finalize}, clock)
    vault.refresh_from_db()
    assert finalize.calls == [(clock(), str(vault.id))]
    assert vault.location == "here+"


@pytest.mark.django_db
def test_work_that_breaks_is_undone_and_due_again_after_growing_pauses(
    vault: Vault, clock: Clock
) -> None:
    finalize = Finalizer(failures=2)
    message_id = enqueue(vault, clock)
    for failures, pause in [(1, 2), (2, 4)]:
        carry_out(message_id, {"protection.finalize": finalize}, clock)
        message = OutboxMessage.objects.get()
        assert message.failures == failures
        assert (message.due_at - clock()).total_seconds() == pause
        vault.refresh_from_db()
        assert vault.location == "here"
        clock.pass_(pause)
    carry_out(message_id, {"protection.finalize": finalize}, clock)
    assert not OutboxMessage.objects.exists()


@pytest.mark.django_db
def test_work_nobody_knows_stays(vault: Vault, clock: Clock) -> None:
    message_id = enqueue(vault, clock)
    carry_out(message_id, {}, clock)
    assert OutboxMessage.objects.get().failures == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_one_message_do_the_work_once(vault: Vault, clock: Clock) -> None:
    finalize = Finalizer()
    message_id = enqueue(vault, clock)
    together = threading.Barrier(4)

    def run(_number: int) -> None:
        together.wait()
        carry_out(message_id, {"protection.finalize": finalize}, clock)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    vault.refresh_from_db()
    assert vault.location == "here+"


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_change_sends_and_keeps_nothing(
    vault: Vault, clock: Clock, broker: redis.Redis
) -> None:
    with transaction.atomic():
        enqueue(vault, clock)
        begin_job(request(vault.id, record("a")), clock())
        transaction.set_rollback(True)
    assert broker.keys() == []
    assert not OutboxMessage.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_messages_are_sent_after_the_commit_to_their_queues(
    vault: Vault, clock: Clock, broker: redis.Redis
) -> None:
    with transaction.atomic():
        enqueue(vault, clock)
        begin_job(request(vault.id, record("a")), clock())
        assert broker.keys() == []
    assert (broker.llen("replication"), broker.llen("failover")) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_without_redis_nothing_fails_and_the_sweep_sends_later(
    vault: Vault, clock: Clock, no_redis: Celery
) -> None:
    with transaction.atomic():
        enqueue(vault, clock)
        job = begin_job(request(vault.id, record("a")), clock())
    clock.pass_(60)
    sweep(clock())
    job.refresh_from_db()
    assert job.asked_at is None
    assert OutboxMessage.objects.get().due_at < clock()


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("JB-3")
def test_what_redis_lost_is_sent_again(vault: Vault, clock: Clock, broker: redis.Redis) -> None:
    with transaction.atomic():
        enqueue(vault, clock)
        begin_job(request(vault.id, record("a")), clock())
    broker.flushall()
    clock.pass_(60)
    sweep(clock())
    assert (broker.llen("replication"), broker.llen("failover")) == (1, 1)
    sweep(clock())
    assert (broker.llen("replication"), broker.llen("failover")) == (1, 1), "not asked twice"
    broker.flushall()
    clock.pass_(60)
    sweep(clock())
    assert (broker.llen("replication"), broker.llen("failover")) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_result_whose_message_was_lost_is_found(
    provider: FakeProvider, clock: Clock, broker: redis.Redis
) -> None:
    job = begin_job(request(provider.vault_id, command("a", provider.id)), clock())
    advance(job.id, NOTHING, clock)
    (sent,) = provider.fetch()
    provider.answer(sent, clock())
    broker.flushall()
    assert ask_for_due_jobs(clock()) == 0, "its own message is still young"
    clock.pass_(3)
    assert ask_for_due_jobs(clock()) == 1
    assert broker.llen("failover") == 1
    advance(job.id, NOTHING, clock)
    assert ask_for_due_jobs(clock()) == 0


@pytest.mark.django_db
def test_jobs_are_due_when_their_time_to_wake_has_come(
    provider: FakeProvider, clock: Clock, broker: redis.Redis
) -> None:
    job = begin_job(
        request(provider.vault_id, command("a", provider.id, time_limit_seconds=60)), clock()
    )
    advance(job.id, NOTHING, clock)
    clock.pass_(74)
    assert ask_for_due_jobs(clock()) == 0
    clock.pass_(1)
    assert ask_for_due_jobs(clock()) == 1
    advance(job.id, NOTHING, clock)
    clock.pass_(1000)
    assert ask_for_due_jobs(clock()) == 0


@pytest.mark.django_db
def test_a_job_that_stands_still_is_found(vault: Vault, clock: Clock, broker: redis.Redis) -> None:
    begin_job(request(vault.id, record("a")), clock())
    Job.objects.update(wake_at=None)
    assert ask_for_due_jobs(clock()) == 1


@pytest.mark.django_db
def test_storing_a_result_without_redis_stores_it(
    provider: FakeProvider, clock: Clock, no_redis: Celery
) -> None:
    job = begin_job(request(provider.vault_id, command("a", provider.id)), clock())
    advance(job.id, NOTHING, clock)
    (sent,) = provider.fetch()
    assert provider.answer(sent, clock())
    assert Command.objects.get().result is not None
    result = bytes(Command.objects.get().result or b"")
    assert store_result(read_arrival(provider.id, result), clock())


def test_hints_name_the_providers(redis_url: str) -> None:
    first, second = UUID(int=1), uuid4()
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as subscription:
        subscription.subscribe(CHANNEL)
        assert subscription.get_message(timeout=5) is not None
        HintPublisher(redis_url)([first, second])
        messages = [subscription.get_message(timeout=5) for _ in range(2)]
    told = [message["data"].decode() for message in messages if message is not None]
    assert told == [str(first), str(second)]


def test_a_hint_without_redis_is_lost_quietly(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/redis.sock"
    with pytest.raises(redis.ConnectionError), redis.Redis.from_url(address) as client:
        client.ping()
    publish = HintPublisher(address)
    with capture_logs() as logs:
        publish([UUID(int=1)])
    assert [entry["log_level"] for entry in logs] == ["warning"]
