"""Unplanned failovers, changes of point and cancellations that go on where they failed."""

from __future__ import annotations

import pytest
from django.db import transaction

from coordinator.jobs.models import Job
from coordinator.jobs.services import restart_job
from coordinator.jobs.states import JobState
from coordinator.protection.states import ProtectionState
from coordinator.recovery.options import ChangePointOptions, RecoveryTag
from coordinator.recovery.steps import RESTARTERS
from tests.integration.protection.failover_stage import (
    ALONE,
    WITH_SOURCE,
    cancel,
    change_point,
    copies,
    fail_over,
    lose,
    planned,
    ready,
)
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.test_pairing import refusal
from tests.integration.protection.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("JB-2")]

POINT = ChangePointOptions(recovery_tag=RecoveryTag.LATEST_APPLICATION_CONSISTENT)


@pytest.fixture
def protected(world: World) -> World:
    return ready(world)


def restart(world: World, job: Job) -> Job:
    assert job.state == JobState.FAILED
    world.hyperv.broken.clear()
    world.pass_(1)
    with transaction.atomic():
        restart_job(job.id, "tests", world.now, RESTARTERS)
    world.turn()
    job.refresh_from_db()
    return job


@pytest.mark.spec("FO-3")
@pytest.mark.parametrize("verb", ["read_replication", "start_failover", "start_virtual_machine"])
@pytest.mark.parametrize("alone", [True, False])
def test_an_unplanned_failover_goes_on_where_it_failed(
    protected: World, verb: str, *, alone: bool
) -> None:
    if alone:
        lose(protected)
    protected.hyperv.broken[verb] = broken()
    job = fail_over(protected, ALONE if alone else WITH_SOURCE)
    assert restart(protected, job).state == JobState.SUCCEEDED
    item = protected.item()
    assert (item.state, item.role_epoch) == (ProtectionState.UNPLANNED_COMMIT_PENDING, 2)
    assert copies(protected)[1].vm_state == "Running"
    assert protected.hyperv.effects.count(f"failover.started {item.recovery_host}") == 1


@pytest.mark.spec("FO-4")
@pytest.mark.parametrize(
    "verb", ["read_replication", "cancel_failover", "start_failover", "start_virtual_machine"]
)
def test_a_change_of_point_goes_on_where_it_failed(protected: World, verb: str) -> None:
    planned(protected)
    protected.hyperv.broken[verb] = broken()
    job = change_point(protected, POINT)
    assert restart(protected, job).state == JobState.SUCCEEDED
    item = protected.item()
    assert item.state == ProtectionState.UNPLANNED_COMMIT_PENDING
    assert item.failover is not None
    assert item.failover["recovery_point_type"] == "ApplicationConsistent"
    assert copies(protected)[1].vm_state == "Running"


@pytest.mark.spec("FO-4")
@pytest.mark.parametrize("verb", ["read_replication", "cancel_failover"])
@pytest.mark.parametrize("undecided", [False, True])
def test_a_cancellation_goes_on_where_it_failed(
    protected: World, verb: str, *, undecided: bool
) -> None:
    if undecided:
        protected.hyperv.broken["start_failover"] = broken()
    planned(protected)
    protected.hyperv.broken = {verb: broken()}
    job = cancel(protected)
    assert restart(protected, job).state == JobState.SUCCEEDED
    assert protected.item().state == ProtectionState.PROTECTED
    source, target = copies(protected)
    assert (source.vm_state, target.vm_state) == ("Running", "Off")


@pytest.mark.spec("FO-3", "FO-4")
def test_what_another_operation_has_followed_is_not_restarted(protected: World) -> None:
    protected.hyperv.broken["start_failover"] = broken()
    job = fail_over(protected, WITH_SOURCE)
    protected.hyperv.broken.clear()
    protected.pass_(1)
    assert cancel(protected).state == JobState.SUCCEEDED
    error = refusal(lambda: restart(protected, job))
    assert error.failure.code == "RestartNotPossible"
    assert protected.item().state == ProtectionState.PROTECTED
