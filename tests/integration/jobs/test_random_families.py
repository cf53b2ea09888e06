"""Random families under random fates, with deaths at any statement and messages lost or doubled."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import pytest
from django.conf import settings
from django.db import transaction
from django.test import override_settings

from coordinator.failures import Failure, RefusedError
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Job
from coordinator.jobs.registry import FinishedJob, RecordCall, Registry, StepFailedError
from coordinator.jobs.services import (
    Confirmation,
    Engine,
    begin_job,
    cancel_job,
    restart_job,
    resume_job,
)
from coordinator.jobs.states import JobState
from coordinator.jobs.steps import Graph
from coordinator.jobs.sweep import sweep
from coordinator.vaults.models import Vault
from tests.integration.jobs.dying import ProcessDied, dying_at
from tests.integration.jobs.fake_provider import FakeProvider, fail, succeed
from tests.integration.jobs.jobs_for_tests import TASKS, Clock, request
from tests.integration.jobs.random_families import SLOTS, RandomFamily, Watcher

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("JB-3", "RP-1")]

EVENTS = 80
DRAIN = 200
ANSWERS = (succeed, succeed, succeed, succeed, fail(), fail(transient=True))


def broken(_call: RecordCall) -> Mapping[str, object]:
    raise StepFailedError(Failure("No", "It does not work.", ("A fault.",), "Try again."))


class Fate:
    """What happens to a family, in an order of chance."""

    def __init__(self, seed: int, provider: FakeProvider, vault: Vault, clock: Clock) -> None:
        self.random = random.Random(seed)
        self.provider, self.clock = provider, clock
        self.finished: list[FinishedJob] = []
        self.registry = Registry(
            records={"note": lambda _: {}, "break": broken},
            finishers={"PlannedFailover": self.finished.append},
            restarters={"PlannedFailover": lambda _: None},
        )
        self.engine = Engine(self.registry, clock)
        self.behind: set[UUID] = set()
        family = RandomFamily(self.random, provider.id)
        children = family.children()
        graph = Graph(TASKS, tuple(family.root(children)), tuple(children))
        with transaction.atomic():
            self.job = begin_job(request(vault.id, graph=graph), clock())
        self.watcher = Watcher(self.job.id)

    def advance(self) -> None:
        advance(self.job.id, self.registry, self.clock)

    def answer(self) -> None:
        """Any command ever received may be answered, also again."""
        if self.provider.received:
            sent = self.random.choice(self.provider.received)
            self.provider.answer(sent, self.clock(), self.random.choice(ANSWERS))

    def hand_in(self) -> None:
        """A gateway takes in a few results; it may have forgotten whose job they are of."""
        received = self.provider.received
        sent = {one.command_id: one for one in self.random.sample(received, min(3, len(received)))}
        if self.random.random() < 0.2:
            self.provider.roots.clear()
        how = self.random.choice(ANSWERS)
        intake = self.provider.hand_in(list(sent.values()), self.engine, how, self.behind)
        self.behind = intake.behind

    def fetch(self) -> None:
        self.provider.now = self.clock()
        self.provider.fetch(limit=self.random.randint(1, 5))

    def resume(self) -> None:
        with suppress(RefusedError), transaction.atomic():
            resume_job(self.job.id, Confirmation(by="somebody", comments="Done."), self.clock())

    def cancel(self) -> None:
        """The whole, or one of its children."""
        if self.random.random() > 0.1:
            return
        ids = [self.job.id, *Job.objects.filter(root=self.job).values_list("id", flat=True)]
        with suppress(RefusedError), transaction.atomic():
            cancel_job(self.random.choice(ids), "somebody", self.clock())

    def restart(self) -> None:
        with suppress(RefusedError), transaction.atomic():
            restart_job(self.job.id, "somebody", self.clock(), self.registry.restarters)
            self.watcher.restarted()

    def something(self) -> None:
        happening: Callable[[], object] = self.random.choice(
            [
                self.advance,
                self.advance,
                self.advance,
                self.fetch,
                self.provider.reconnect,
                self.answer,
                self.hand_in,
                self.hand_in,
                self.hand_in,
                self.resume,
                self.cancel,
                lambda: sweep(self.clock()),
            ]
        )
        self.clock.pass_(self.random.random() * 3)
        if self.random.random() < 0.6:
            happening()
            return
        try:
            with dying_at(self.random.randrange(20)):
                happening()
        except ProcessDied:
            self.provider.fence += 1
            self.behind.clear()

    def drain(self) -> None:
        """Everything goes its way from here."""
        for _ in range(DRAIN):
            self.provider.now = self.clock()
            self.provider.fetch()
            self.provider.reconnect()
            for sent in self.provider.received:
                self.provider.answer(sent, self.clock())
            self.provider.received.clear()
            self.resume()
            self.clock.pass_(61)
            self.advance()
            self.watcher.look()
            if self.ended():
                return
        raise AssertionError("the family does not end")

    def ended(self) -> bool:
        self.job.refresh_from_db()
        return JobState(self.job.state).ended

    def live(self) -> None:
        self.watcher.look()
        for _ in range(EVENTS):
            self.something()
            self.watcher.look()
            if self.ended():
                break
        self.drain()
        self.watcher.look_at_the_end()


@pytest.mark.parametrize("seed", range(16))
def test_a_family_ends_in_order_whatever_happens(
    seed: int, provider: FakeProvider, vault: Vault, clock: Clock
) -> None:
    few = replace(settings.CONFIGURATION, commands_per_host=SLOTS)
    with override_settings(CONFIGURATION=few):
        live_twice(Fate(seed, provider, vault, clock))


def live_twice(fate: Fate) -> None:
    """Until it has ended; what failed is begun anew."""
    fate.live()
    # Every job's finisher took effect once; what did so in an advance that died is not counted,
    # as it is a note in memory.
    told = {finished.job_id for finished in fate.finished}
    begun = Job.objects.filter(root=fate.job).exclude(state_description="Skipped")
    assert told >= {fate.job.id, *begun.values_list("id", flat=True)}
    restarted = fate.job.state == JobState.FAILED
    if restarted:
        fate.restart()
        fate.live()
    assert not restarted or JobState(fate.job.state).ended
