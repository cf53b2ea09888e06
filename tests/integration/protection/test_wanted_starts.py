"""Machines whose failover was cancelled are started, by now or when their site is back."""

from __future__ import annotations

import pytest
from django.db import transaction

from coordinator.fabrics.models import Provider
from coordinator.jobs.states import JobState
from coordinator.protection.models import MachineRole
from coordinator.protection.roles.starting import start_machines, want_started
from tests.integration.protection.failover_stage import (
    cancel,
    copies,
    fail_over,
    lose,
    planned,
    ready,
)
from tests.integration.protection.test_roles import come_back, started
from tests.integration.protection.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("FO-7")]


@pytest.fixture
def protected(world: World) -> World:
    return ready(world)


def test_a_failover_cancelled_while_its_source_is_away_starts_the_source_when_it_is_back(
    protected: World,
) -> None:
    lose(protected)
    fail_over(protected)
    cancel(protected)
    assert copies(protected)[1].vm_state == "Off"
    item = protected.item()
    protected.hyperv.copies[item.primary_host, item.vm_id].vm_state = "Off"
    protected.pass_(60)
    start_machines(protected.now)
    assert started(protected) == []
    come_back(protected)
    start_machines(protected.now)
    protected.turn()
    assert copies(protected)[0].vm_state == "Running"


@pytest.mark.spec("FO-4")
def test_a_source_still_prepared_for_a_cancelled_failover_is_started_when_its_site_is_back(
    protected: World,
) -> None:
    """Its site died while the failover was cancelled; Hyper-V starts nothing that is prepared."""
    planned(protected)
    protected.shanghai.lost = True
    job = cancel(protected)
    while job.finished_at is None:
        protected.pass_(60)
        Provider.objects.filter(name="vmm-beijing").update(last_heartbeat_at=protected.now)
        protected.turn()
        job.refresh_from_db()
    source, _ = copies(protected)
    assert protected.item().state == "Protected"
    assert (source.state, source.vm_state) == ("PreparedForFailover", "Off")
    come_back(protected)
    protected.pass_(60)
    come_back(protected)
    start_machines(protected.now)
    protected.turn()
    assert (source.state, source.vm_state) == ("Replicating", "Running")
    [start] = started(protected)
    assert start.state == JobState.SUCCEEDED
    assert MachineRole.objects.get().take_back_first is False


@pytest.mark.spec("FO-4")
def test_a_failed_over_copy_is_never_taken_back_to_start_it(protected: World) -> None:
    planned(protected)
    with transaction.atomic():
        want_started(protected.item().id, protected.now)
    copies(protected)[1].vm_state = "Off"
    protected.pass_(31)
    Provider.objects.update(last_heartbeat_at=protected.now)
    start_machines(protected.now)
    protected.turn()
    [start] = started(protected)
    assert [step.action for step in start.steps.all()] == ["start_virtual_machine"]
    copy = copies(protected)[1]
    assert (copy.state, copy.vm_state) == ("FailedOverWaitingCompletion", "Running")


def test_wanting_a_start_twice_begins_one(protected: World) -> None:
    with transaction.atomic():
        want_started(protected.item().id, protected.now)
        want_started(protected.item().id, protected.now)
    protected.pass_(31)
    come_back(protected)
    start_machines(protected.now)
    start_machines(protected.now)
    assert len(started(protected)) == 1
