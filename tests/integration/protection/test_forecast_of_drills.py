"""Forecasts beside drills that the engine runs: how far they are off after five."""

from __future__ import annotations

from random import Random
from statistics import median

import pytest

from coordinator.jobs.models import Job
from coordinator.jobs.states import JobState
from coordinator.protection.rules import Operation
from coordinator.recovery.dry_run.services import dry_run_plan
from coordinator.recovery.plans.runs.options import RunOptions
from tests.integration.protection.plan_stage import PlanStage, make_plan_stage, script
from tests.integration.protection.timed_sites import TimedSites
from tests.integration.protection.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RP-6"), pytest.mark.timeout(900)]

DRILLS = 5
PLANS = {
    "Large": [[1, 2, 3, 4], [5, 6], [7, 8]],
    "Small": [[1, 2], [3]],
    "Middle": [[8, 7], [6, 5, 4]],
}
OPTIONS = RunOptions(operation=Operation.TEST_FAILOVER)


def drill_seconds(stage: PlanStage, sites: TimedSites, plan: str) -> float:
    """Tests a plan and cleans up; gives how long the test took."""
    job = stage.begin(Operation.TEST_FAILOVER, plan=plan)
    sites.turn()
    stage.begin(Operation.TEST_FAILOVER_CLEANUP, plan=plan, comments="Well.")
    sites.turn()
    job = Job.objects.get(id=job.id)
    assert job.state == JobState.SUCCEEDED, job.errors
    assert not Job.objects.filter(finished_at=None).exists()
    assert job.finished_at is not None
    return (job.finished_at - job.created_at).total_seconds()


def test_after_five_drills_the_median_error_is_at_most_15_percent(world: World) -> None:
    """Commands are of chancy length, a plan is drilled five times, others are forecast too."""
    stage = make_plan_stage(world, 8)
    for name, groups in PLANS.items():
        stage.make_plan(groups, end={1: (script("Dns"),)}, name=name)
    sites = TimedSites(world, Random(20150420), sigma=0.2)
    for _ in range(DRILLS):
        drill_seconds(stage, sites, "Large")
    errors = []
    for name in [*PLANS, *PLANS]:
        found = dry_run_plan(stage.plan_named(name), OPTIONS, world.now).forecast
        assert found is not None
        took = drill_seconds(stage, sites, name)
        errors.append(abs(found.seconds - took) / took)
    assert median(errors) <= 0.15, errors
