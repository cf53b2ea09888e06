"""A plan's manual action that nobody comes for: told once, by what runs by itself, until done."""

from __future__ import annotations

import pytest
from django.db import transaction

from coordinator.events.queries import EventFilters, events_of
from coordinator.jobs.models import Job
from coordinator.jobs.services import Confirmation, resume_job
from coordinator.jobs.states import JobState
from coordinator.protection.rules import Operation
from tests.integration.protection.plan_stage import PlanStage, make_plan_stage, manual
from tests.integration.protection.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RP-2", "EV-1")]

OPEN = EventFilters(code="ManualActionOverdue", only_open=True)


@pytest.fixture
def plan_stage(world: World) -> PlanStage:
    return make_plan_stage(world)


def is_due(world: World, job: Job) -> bool:
    """Whether the sweep has workers look at the job; then they do."""
    job.refresh_from_db()
    due = job.wake_at is not None and job.wake_at <= world.now
    world.turn()
    return due


def test_a_plan_that_nobody_comes_for_is_an_event_until_it_is_resumed(
    plan_stage: PlanStage,
) -> None:
    world = plan_stage.world
    plan_stage.make_plan([[1], [2]], start={2: (manual("Switch DNS", timeout="PT30M"),)})
    job = plan_stage.run(Operation.PLANNED_FAILOVER)
    assert job.state == JobState.SUSPENDED
    world.pass_(29 * 60)
    is_due(world, job)
    assert not events_of(world.vault.id, OPEN).exists()

    world.pass_(61)
    assert is_due(world, job)
    world.pass_(3600)
    is_due(world, job)
    [event] = events_of(world.vault.id, OPEN)
    assert event.affected_name == plan_stage.plan.name
    assert "Switch DNS" in event.failure["message"]
    assert str(job.id) in event.failure["recommendedAction"]
    job.refresh_from_db()
    assert job.state == JobState.SUSPENDED

    with transaction.atomic():
        resume_job(job.id, Confirmation(by="operator", comments="Done, ticket 7"), world.now)
    world.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert not events_of(world.vault.id, OPEN).exists()
