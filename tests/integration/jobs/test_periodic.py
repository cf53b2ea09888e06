"""Work that begins by itself is asked for once a period, whoever sweeps and however late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from coordinator.jobs.models import OutboxMessage
from coordinator.jobs.periodic import begin_due_work
from tests.integration.jobs.jobs_for_tests import Clock

PERIODS = {"protection.prune": timedelta(hours=1), "protection.renew": timedelta(days=1)}


def asked_for() -> list[str]:
    return sorted(OutboxMessage.objects.values_list("task", flat=True))


@pytest.mark.django_db
def test_each_period_is_asked_for_once() -> None:
    clock = Clock()
    assert begin_due_work(PERIODS, clock()) == 2
    assert begin_due_work(PERIODS, clock()) == 0
    clock.pass_(3599)
    assert begin_due_work(PERIODS, clock()) == 0
    OutboxMessage.objects.all().delete()
    clock.pass_(1)
    assert begin_due_work(PERIODS, clock()) == 1
    assert asked_for() == ["protection.prune"]


@pytest.mark.django_db
def test_what_was_asked_for_and_is_not_done_is_not_asked_for_again() -> None:
    clock = Clock()
    begin_due_work(PERIODS, clock())
    for _ in range(48):
        clock.pass_(3600)
        begin_due_work(PERIODS, clock())
    assert asked_for() == ["protection.prune", "protection.renew"]
    OutboxMessage.objects.all().delete()
    clock.pass_(3600)
    assert begin_due_work(PERIODS, clock()) == 1


@pytest.mark.django_db
def test_what_was_missed_while_nothing_swept_is_done_once() -> None:
    clock = Clock()
    begin_due_work(PERIODS, clock())
    OutboxMessage.objects.all().delete()
    clock.pass_(timedelta(days=3).total_seconds())
    assert begin_due_work(PERIODS, clock()) == 2
    assert begin_due_work(PERIODS, clock()) == 0


@pytest.mark.django_db
def test_a_task_that_is_no_longer_known_is_left_alone() -> None:
    clock = Clock()
    begin_due_work(PERIODS, clock())
    clock.pass_(timedelta(days=3).total_seconds())
    assert begin_due_work({}, clock()) == 0
