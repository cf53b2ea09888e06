"""Runs that are over, as the forecast reads them."""

from __future__ import annotations

from random import Random

import pytest

from coordinator.jobs.models import Job, Step
from coordinator.jobs.queries import past_runs
from coordinator.jobs.steps import StepKind
from coordinator.protection.rules import Operation
from coordinator.recovery.dry_run.calibration import handing_over_of
from coordinator.recovery.plans.services import TARGET_TYPE
from tests.integration.protection.plan_stage import make_plan_stage, script
from tests.integration.protection.timed_sites import TimedSites
from tests.integration.protection.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RP-6")]

TEST = "TestFailover"


def test_a_drill_that_ended_well_is_read_with_what_its_steps_took(world: World) -> None:
    stage = make_plan_stage(world, 3)
    stage.make_plan([[1, 2], [3]], end={1: (script("Dns"),)}, name="Plan")
    sites = TimedSites(world, Random(7), sigma=0.2)
    vault_id = world.vault.id
    assert past_runs(vault_id, TEST, TARGET_TYPE) == []
    job = stage.begin(Operation.TEST_FAILOVER, plan="Plan")
    assert past_runs(vault_id, TEST, TARGET_TYPE) == [], "it has not ended"
    sites.turn()
    job = Job.objects.get(id=job.id)
    assert job.started_at is not None
    assert job.finished_at is not None
    [run] = past_runs(vault_id, TEST, TARGET_TYPE)
    assert run.seconds == (job.finished_at - job.started_at).total_seconds()
    assert len(run.graph.children) == 3
    commands = [
        step
        for child in run.graph.children
        for step in child.graph.steps
        if step.kind is StepKind.COMMAND
    ]
    assert sum(step.expected_seconds for step in commands) > 0
    assert {step.slot for step in commands} - {""}, "places at hosts are known"
    # Sites and engine of this stage work in no time: nothing lies between the steps.
    assert handing_over_of(run, 6) == pytest.approx(0.0, abs=1.0)
    assert past_runs(vault_id, TEST, "ProtectionEntity") == [], "a machine's are another kind"


def test_a_run_that_people_kept_waiting_tells_nothing(world: World) -> None:
    stage = make_plan_stage(world, 1)
    stage.make_plan([[1]], name="Plan")
    job = stage.begin(Operation.TEST_FAILOVER, plan="Plan")
    TimedSites(world, Random(7), sigma=0.2).turn()
    assert len(past_runs(world.vault.id, TEST, TARGET_TYPE)) == 1
    Step.objects.filter(job=job.id).update(kind=StepKind.MANUAL)
    assert past_runs(world.vault.id, TEST, TARGET_TYPE) == []
