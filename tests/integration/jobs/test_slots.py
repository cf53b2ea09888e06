"""Slots of hosts: never more commands at once than there are, the most urgent first."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import connections
from opensiterecovery.provider.v1 import command_pb2

from coordinator.jobs import queries, services
from coordinator.jobs.claims import OVERTIME_SECONDS
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Command, Job
from coordinator.jobs.queues import QueueName
from coordinator.jobs.registry import Registry
from coordinator.jobs.states import CommandState, JobState
from coordinator.jobs.steps import StepSpec, host_slot
from coordinator.vaults.models import Vault
from tests.integration.jobs.fake_provider import FakeProvider, fail, register, succeed
from tests.integration.jobs.jobs_for_tests import Clock, command, request

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RP-1")]

# The default of OSR_COMMANDS_PER_HOST.
SLOTS = 6
HOST = host_slot("HV1.shanghai.test")
AGENT_OVERTIME = timedelta(seconds=60)


def begin(
    provider: FakeProvider, clock: Clock, *steps: StepSpec, queue: QueueName = QueueName.FAILOVER
) -> Job:
    job = services.begin_job(request(provider.vault_id, *steps, locks=(), queue=queue), clock())
    advance(job.id, Registry(), clock)
    return job


def commands(
    provider: FakeProvider, count: int, slot: str = HOST, prefix: str = "a"
) -> list[StepSpec]:
    return [command(f"{prefix}{number}", provider.id, slot=slot) for number in range(count)]


def keys(sent: list[command_pb2.Command]) -> list[str]:
    return [each.step_key for each in sent]


def test_a_host_gets_no_more_commands_than_it_has_slots(
    provider: FakeProvider, clock: Clock
) -> None:
    begin(provider, clock, *commands(provider, 5))
    begin(provider, clock, *commands(provider, 5, prefix="b"))
    first = provider.fetch()
    assert keys(first) == ["a0", "a1", "a2", "a3", "a4", "b0"]
    assert provider.fetch() == []
    for sent in first[:2]:
        provider.answer(sent, clock())
    assert keys(provider.fetch()) == ["b1", "b2"], "a result frees a slot without any advance"
    assert provider.fetch() == []


def test_hosts_do_not_share_slots_and_some_commands_need_none(
    provider: FakeProvider, clock: Clock
) -> None:
    begin(
        provider,
        clock,
        *commands(provider, SLOTS + 1),
        *commands(provider, SLOTS + 1, host_slot("hv2"), "b"),
        *commands(provider, 3, "", "c"),
    )
    sent = keys(provider.fetch(limit=100))
    assert len([key for key in sent if key.startswith("a")]) == SLOTS
    assert len([key for key in sent if key.startswith("b")]) == SLOTS
    assert len([key for key in sent if key.startswith("c")]) == 3


def test_the_same_host_behind_another_provider_is_another_host(
    provider: FakeProvider, vault: Vault, clock: Clock
) -> None:
    other = register(vault, "vmm-beijing", clock())
    begin(provider, clock, *commands(provider, SLOTS))
    begin(other, clock, *commands(other, SLOTS))
    assert len(provider.fetch()) == len(other.fetch()) == SLOTS


def test_the_longest_way_goes_first_then_the_older_one(
    provider: FakeProvider, clock: Clock
) -> None:
    begin(provider, clock, *commands(provider, SLOTS))
    running = provider.fetch()
    chain = [
        command("short", provider.id, slot=HOST, expected_seconds=5),
        command("long", provider.id, slot=HOST, expected_seconds=1),
        command("later", provider.id, "long", slot=HOST, expected_seconds=9),
        command("unknown", provider.id, slot=HOST),
        command("unknown-too", provider.id, slot=HOST),
    ]
    begin(provider, clock, *chain)
    for sent in running:
        provider.answer(sent, clock())
    assert keys(provider.fetch()) == ["long", "short", "unknown", "unknown-too"]


def test_emergency_work_goes_before_replication_and_that_before_inventory(
    provider: FakeProvider, clock: Clock
) -> None:
    for queue in (QueueName.INVENTORY, QueueName.REPLICATION, QueueName.FAILOVER):
        long = 100.0 if queue is QueueName.INVENTORY else 0.0
        steps = [
            command(f"{queue}{number}", provider.id, slot=HOST, expected_seconds=long)
            for number in range(3)
        ]
        begin(provider, clock, *steps, queue=queue)
    assert keys(provider.fetch()) == [
        *(f"failover{number}" for number in range(3)),
        *(f"replication{number}" for number in range(3)),
    ]


def test_a_session_that_begins_gets_what_runs_and_nothing_beyond(
    provider: FakeProvider, clock: Clock
) -> None:
    begin(provider, clock, *commands(provider, SLOTS + 4))
    first = provider.fetch()
    assert keys(provider.reconnect()) == keys(first)
    assert provider.fetch() == []
    provider.answer(first[0], clock())
    assert keys(provider.fetch()) == ["a6"]


def test_sessions_that_overlap_share_the_slots(provider: FakeProvider, clock: Clock) -> None:
    begin(provider, clock, *commands(provider, SLOTS + 4))
    older, newer = 1, 2
    taken = services.claim_commands(provider.id, older, clock(), 4)
    again = services.claim_commands(provider.id, newer, clock(), 100)
    assert len(again) == SLOTS
    assert again[: len(taken)] == taken, "what the older one took first, as it may be lost"
    assert services.claim_commands(provider.id, older, clock(), 100) == []


@pytest.mark.django_db(transaction=True)
def test_sessions_that_claim_at_the_same_moment_do_not_count_a_slot_twice(
    provider: FakeProvider, clock: Clock
) -> None:
    begin(provider, clock, *commands(provider, 40))

    def claim(fence: int) -> int:
        try:
            return len(services.claim_commands(provider.id, fence, clock(), 2))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        # All of one session: what one has taken another does not take again.
        taken = list(pool.map(claim, [1] * 16))
    assert sum(taken) == SLOTS


def test_a_command_nobody_waits_for_holds_its_slot_until_it_is_over(
    provider: FakeProvider, clock: Clock
) -> None:
    begin(provider, clock, *commands(provider, SLOTS))
    first = provider.fetch()
    ids = [UUID(sent.command_id) for sent in first[:2]]
    Command.objects.filter(command_id__in=ids).update(state=CommandState.ABANDONED)
    begin(provider, clock, *commands(provider, 4, prefix="b"))
    assert provider.fetch() == [], "the provider may still be at it"
    provider.answer(first[0], clock())
    assert keys(provider.fetch()) == ["b0"]
    provider.now = clock() + timedelta(seconds=600 + OVERTIME_SECONDS)
    assert keys(provider.fetch()) == ["b1"], "the provider has given it up"
    assert provider.fetch() == [], "the others are still waited for"


def test_a_command_never_sent_holds_no_slot(provider: FakeProvider, clock: Clock) -> None:
    begin(provider, clock, *commands(provider, SLOTS))
    Command.objects.update(state=CommandState.ABANDONED)
    begin(provider, clock, *commands(provider, SLOTS, prefix="b"))
    assert len(provider.fetch()) == SLOTS


def test_its_time_runs_from_the_claim_also_when_it_is_sent_again(
    provider: FakeProvider, clock: Clock
) -> None:
    begin(provider, clock, *commands(provider, SLOTS + 1))
    first = provider.fetch()
    provider.now = clock() + timedelta(seconds=5000)
    for sent in first:
        provider.answer(sent, provider.now)
    [waited] = provider.fetch()
    assert waited.time_limit.ToTimedelta() == timedelta(seconds=600)
    provider.now += timedelta(seconds=100)
    [again] = provider.reconnect()
    assert again.time_limit.ToTimedelta() == timedelta(seconds=500)


def test_a_step_says_that_it_waits_for_a_slot(provider: FakeProvider, clock: Clock) -> None:
    job = begin(provider, clock, *commands(provider, SLOTS + 1), command("free", provider.id))
    first = provider.fetch()

    def told() -> dict[str, str]:
        view = queries.find_job(job.vault_id, job.id)
        assert view is not None
        return {step.key: step.activity for step in view.steps if step.activity}

    assert told() == {"a6": "Waits for a slot on host hv1.shanghai.test"}
    listed = queries.list_jobs(job.vault_id)[0]
    assert {s.key for s in listed.steps if s.activity} == {"a6"}
    provider.answer(next(sent for sent in first if sent.step_key == "a0"), clock())
    provider.fetch()
    assert told() == {}


class Crowd:
    """Jobs of chains on a few hosts, whose provider comes and goes; counts what runs on each."""

    def __init__(self, seed: int, provider: FakeProvider, clock: Clock) -> None:
        self.random = random.Random(seed)
        self.provider, self.clock = provider, clock
        self.jobs: list[Job] = []
        # What the provider's journal has begun and not ended, by command id.
        self.running: dict[str, command_pb2.Command] = {}
        self.until: dict[str, datetime] = {}
        self.ended: set[str] = set()
        self.begin()

    def begin(self) -> None:
        steps = []
        for number in range(self.random.randint(1, 12)):
            before = [f"s{number - 1}"] if number and self.random.random() < 0.4 else []
            steps.append(
                command(
                    f"s{number}",
                    self.provider.id,
                    *before,
                    slot=host_slot(f"hv{self.random.randint(1, 2)}"),
                    expected_seconds=self.random.random() * 10,
                )
            )
        queue = self.random.choice(list(QueueName))
        self.jobs.append(begin(self.provider, self.clock, *steps, queue=queue))

    def take(self, sent: list[command_pb2.Command]) -> None:
        for each in sent:
            if each.command_id not in self.ended:
                self.running.setdefault(each.command_id, each)
                over = self.clock() + each.time_limit.ToTimedelta() + AGENT_OVERTIME
                self.until.setdefault(each.command_id, over)

    def fetch(self) -> None:
        limit = self.random.choice([1, 3, 100])
        sent = self.provider.fetch(limit)
        # Some of it is lost with the stream.
        self.take(sent if self.random.random() < 0.7 else [])

    def reconnect(self) -> None:
        self.take(self.provider.reconnect())

    def answer(self) -> None:
        if self.running:
            _, sent = self.running.popitem()
            self.ended.add(sent.command_id)
            how = self.random.choice([succeed, succeed, fail(transient=True)])
            self.provider.answer(sent, self.clock(), how)

    def give_up(self) -> None:
        """As agents do with what takes too long; nobody may be there to hear of it."""
        for command_id in [one for one in self.running if self.until[one] <= self.clock()]:
            sent = self.running.pop(command_id)
            self.ended.add(command_id)
            if self.random.random() < 0.5:
                self.provider.answer(sent, self.clock(), fail())

    def cancel(self) -> None:
        job = self.random.choice(self.jobs)
        job.refresh_from_db()
        if not JobState(job.state).ended and self.random.random() < 0.2:
            services.cancel_job(job.id, "somebody", self.clock())

    def advance(self) -> None:
        for job in self.jobs:
            advance(job.id, Registry(), self.clock)

    def something(self) -> None:
        happening: Callable[[], None] = self.random.choice(
            [self.begin, self.fetch, self.fetch, self.reconnect, self.answer, self.cancel]
        )
        happening()
        if self.random.random() < 0.7:
            self.advance()
        self.clock.pass_(self.random.choice([0.1, 1, 200]))
        self.provider.now = self.clock()
        self.give_up()
        self.look()

    def look(self) -> None:
        slots = dict(Command.objects.values_list("command_id", "slot"))
        for host in ("hv1", "hv2"):
            at_once = [each for each in self.running if slots[UUID(each)] == host_slot(host)]
            assert len(at_once) <= SLOTS

    def drain(self) -> None:
        for _ in range(400):
            self.take(self.provider.reconnect())
            self.take(self.provider.fetch(100))
            self.look()
            while self.running:
                self.answer()
            self.clock.pass_(61)
            self.provider.now = self.clock()
            self.advance()
            states = Job.objects.filter(id__in=[job.id for job in self.jobs])
            if all(JobState(state).ended for state in states.values_list("state", flat=True)):
                return
        raise AssertionError("the jobs do not end")


@pytest.mark.parametrize("seed", range(12))
def test_the_slots_hold_whatever_happens(seed: int, provider: FakeProvider, clock: Clock) -> None:
    crowd = Crowd(seed, provider, clock)
    for _ in range(120):
        crowd.something()
    crowd.drain()
