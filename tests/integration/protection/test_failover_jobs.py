"""Jobs beside a failover: those that only wait, and a failover cancelled as a job."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from coordinator.jobs.models import Job
from coordinator.jobs.services import cancel_job
from coordinator.jobs.states import JobState
from coordinator.protection.services import pause_replication
from coordinator.protection.states import ProtectionState
from coordinator.recovery import services as recovery
from tests.integration.protection.failover_stage import (
    ALONE,
    cancel,
    copies,
    fail_over,
    lose,
    planned,
    ready,
)
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.test_pairing import refusal
from tests.integration.protection.world import ORIGIN, World

pytestmark = pytest.mark.django_db


@pytest.fixture
def protected(world: World) -> World:
    return ready(world)


@pytest.mark.spec("FO-6")
def test_a_job_that_only_waits_never_holds_a_failover_up(protected: World) -> None:
    with transaction.atomic():
        pausing = pause_replication(protected.item(), ORIGIN, protected.now)
    protected.turn()
    pausing.refresh_from_db()
    assert pausing.finished_at is None
    copies(protected)[0].state = "Replicating"
    assert planned(protected).state == JobState.SUCCEEDED
    pausing.refresh_from_db()
    assert pausing.state == JobState.CANCELLED


@pytest.mark.spec("FO-6")
def test_a_job_whose_site_is_away_never_holds_a_failover_up(protected: World) -> None:
    lose(protected)
    with transaction.atomic():
        pausing = pause_replication(protected.item(), ORIGIN, protected.now)
    protected.turn()
    assert fail_over(protected).state == JobState.SUCCEEDED
    pausing.refresh_from_db()
    assert pausing.state == JobState.CANCELLED


@pytest.mark.spec("FO-6")
def test_a_job_that_does_something_refuses_a_failover_at_once(protected: World) -> None:
    with transaction.atomic():
        pause_replication(protected.item(), ORIGIN, protected.now)
    protected.work()
    error = refusal(lambda: fail_over(protected))
    assert (error.failure.code, error.status) == ("532", 409)
    assert "Pause replication" in error.failure.message


def begun_until(world: World, begin: Callable[[], Job], step: str) -> Job:
    """A job whose step is at its provider, unanswered."""
    with transaction.atomic():
        job = begin()
    provider = world.shanghai
    for _ in range(50):
        world.work()
        if job.steps.get(key=step).state == "InProgress":
            provider.fetch()
            return job
        for each in (world.shanghai, world.beijing):
            for command in each.fetch():
                each.answer(command, world.now, world.hyperv.answer)
    raise AssertionError(f"{step} never began")


@pytest.mark.spec("FO-2", "FO-4", "JB-2")
def test_a_cancelled_job_brings_the_source_back_and_says_so(protected: World) -> None:
    job = begun_until(
        protected,
        lambda: recovery.planned_failover(protected.item(), None, ORIGIN, protected.now),
        "prepare",
    )
    assert copies(protected)[0].vm_state == "Off"
    with transaction.atomic():
        cancel_job(job.id, "tests", protected.now)
    [command] = [each for each in protected.shanghai.received if each.step_key == "prepare"]
    protected.shanghai.answer(command, protected.now, protected.hyperv.answer)
    protected.turn()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert "brought back" in job.left_text
    item, (source, target) = protected.item(), copies(protected)
    assert (item.state, item.active_location, item.role_epoch) == ("Protected", "Primary", 1)
    assert (source.state, source.vm_state) == ("Replicating", "Running")
    assert (target.state, target.vm_state) == ("Replicating", "Off")


@pytest.mark.spec("FO-2", "FO-4")
def test_a_source_that_does_not_come_back_leaves_a_failover_to_finish_or_to_cancel(
    protected: World,
) -> None:
    protected.hyperv.broken |= {
        verb: broken() for verb in ("prepare_failover", "start_virtual_machine")
    }
    job = planned(protected)
    assert job.state == JobState.FAILED
    assert "may be off" in job.left_text
    assert protected.item().state == ProtectionState.PLANNED_FAILOVER_FAILED
    protected.hyperv.broken.clear()
    assert cancel(protected).state == JobState.SUCCEEDED
    item, (source, _) = protected.item(), copies(protected)
    assert (item.state, item.active_location) == ("Protected", "Primary")
    assert (source.state, source.vm_state) == ("Replicating", "Running")


@pytest.mark.spec("FO-4", "JB-2")
def test_past_no_return_a_failover_cannot_be_cancelled_as_a_job(protected: World) -> None:
    lose(protected)
    with transaction.atomic():
        job = recovery.unplanned_failover(protected.item(), ALONE, ORIGIN, protected.now)
    while job.steps.get(key="failover/start").state != "InProgress":
        assert protected.work()
        if job.steps.get(key="failover/start").state == "InProgress":
            break
        for command in protected.beijing.fetch():
            protected.beijing.answer(command, protected.now, protected.hyperv.answer)
    error = refusal(lambda: cancel_job(job.id, "tests", protected.now))
    assert error.failure.code == "CancelNotPossible"
    protected.turn()
    assert protected.item().state == ProtectionState.UNPLANNED_COMMIT_PENDING
