"""A process may die at any statement to the database: nothing is done twice, nothing skipped."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count

import pytest
from django.db import transaction
from structlog.testing import capture_logs

from coordinator.jobs import outbox
from coordinator.jobs.domain_tasks import carry_out
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Command, Job, OperationLock, OutboxMessage, Step
from coordinator.jobs.queues import QueueName
from coordinator.jobs.registry import FinishedJob, RecordCall, Registry
from coordinator.jobs.services import begin_job
from coordinator.jobs.states import JobState
from coordinator.jobs.sweep import sweep
from coordinator.vaults.models import Vault
from tests.integration.jobs.dying import ProcessDied, dying_at
from tests.integration.jobs.fake_provider import FakeProvider
from tests.integration.jobs.jobs_for_tests import Clock, command, record, request

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("JB-3")]


def note(call: RecordCall) -> dict[str, object]:
    """Leaves one letter for each time it took effect."""
    vault = Vault.objects.get(id=call.vault_id)
    vault.location += str(call.inputs["letter"])
    vault.save()
    return {}


def finish(job: FinishedJob) -> None:
    vault = Vault.objects.get(id=job.vault_id)
    vault.location += "."
    vault.save()


REGISTRY = Registry(records={"note": note}, finishers={"PlannedFailover": finish})


def begin(provider: FakeProvider, clock: Clock) -> Job:
    with transaction.atomic():
        return begin_job(
            request(
                provider.vault_id,
                command("c1", provider.id),
                record("r1", "c1", inputs={"letter": "1"}),
                command("c2", provider.id, "r1"),
                command("c3", provider.id, "r1"),
                record("r2", "c2", "c3", inputs={"letter": "2"}),
            ),
            clock(),
        )


def check_ended_right(job: Job, vault: Vault) -> None:
    job.refresh_from_db()
    vault.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert vault.location == "here12.", "each record and the finisher took effect once, in order"
    assert list(Command.objects.order_by("step__key").values_list("step__key", flat=True)) == [
        "c1",
        "c2",
        "c3",
    ]
    assert not OperationLock.objects.exists()


def test_nothing_is_logged_of_what_was_not_committed(provider: FakeProvider, clock: Clock) -> None:
    job = begin(provider, clock)
    with capture_logs() as lines:
        with transaction.atomic():
            advance(job.id, REGISTRY, clock)
            transaction.set_rollback(True)
        assert lines == []
        advance(job.id, REGISTRY, clock)
    assert [(line["event"], line["step_key"]) for line in lines] == [("step.begun", "c1")]


def test_an_advance_that_dies_at_any_statement_is_repeated_without_a_trace(
    provider: FakeProvider, vault: Vault, clock: Clock
) -> None:
    job = begin(provider, clock)
    deaths = 0
    for _ in range(3):
        for statement in count():
            before = list(Step.objects.values_list("key", "state")), Command.objects.count()
            try:
                with dying_at(statement):
                    advance(job.id, REGISTRY, clock)
                break
            except ProcessDied:
                deaths += 1
            assert before == (
                list(Step.objects.values_list("key", "state")),
                Command.objects.count(),
            )
        for sent in provider.fetch():
            provider.answer(sent, clock())
    advance(job.id, REGISTRY, clock)
    check_ended_right(job, vault)
    assert deaths > 20


class Chance:
    """Whatever may happen to a job, in an order of chance, with deaths in between."""

    def __init__(self, seed: int, job: Job, provider: FakeProvider, clock: Clock) -> None:
        self.random = random.Random(seed)
        self.job = job
        self.provider = provider
        self.clock = clock

    def answer_one(self) -> None:
        """Any command ever received may be answered, again and again: the agent's journal."""
        if self.provider.received:
            self.provider.answer(self.random.choice(self.provider.received), self.clock())

    def something(self) -> None:
        happening: Callable[[], object] = self.random.choice(
            [
                lambda: advance(self.job.id, REGISTRY, self.clock),
                lambda: advance(self.job.id, REGISTRY, self.clock),
                lambda: self.provider.fetch(limit=1),
                self.provider.reconnect,
                self.answer_one,
                self.answer_one,
                lambda: sweep(self.clock()),
            ]
        )
        self.clock.pass_(self.random.random())
        if self.random.random() < 0.5:
            happening()
            return
        try:
            with dying_at(self.random.randrange(16)):
                happening()
        except ProcessDied:
            # A gateway that died comes back as another session.
            self.provider.fence += 1


@pytest.mark.parametrize("seed", range(12))
def test_a_job_ends_right_whoever_dies_whenever(
    seed: int, provider: FakeProvider, vault: Vault, clock: Clock
) -> None:
    job = begin(provider, clock)
    chance = Chance(seed, job, provider, clock)
    for _ in range(600):
        chance.something()
        job.refresh_from_db()
        if JobState(job.state).ended:
            break
    check_ended_right(job, vault)


def test_an_outbox_row_s_work_that_dies_at_any_statement_is_done_once(
    vault: Vault, clock: Clock
) -> None:
    def finalize(_now: object, vault_id: str) -> None:
        Vault.objects.filter(id=vault_id).update(location=vault.location + "+")

    with transaction.atomic():
        outbox.enqueue("protection.finalize", QueueName.REPLICATION, str(vault.id), now=clock())
    message_id = OutboxMessage.objects.get().pk
    for statement in count():
        try:
            with dying_at(statement):
                carry_out(message_id, {"protection.finalize": finalize}, clock)
            break
        except ProcessDied:
            assert Vault.objects.get().location == "here"
    assert Vault.objects.get().location == "here+"
    assert not OutboxMessage.objects.exists()
    assert statement > 2
