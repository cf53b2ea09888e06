"""Runs of recovery plans in which something fails: what goes on, what stops, what is repeated."""

from __future__ import annotations

from functools import partial

import pytest
from django.db import transaction
from opensiterecovery.provider.v1 import script_pb2

from coordinator.fabrics.models import Provider
from coordinator.jobs.models import OperationLock
from coordinator.jobs.services import restart_job
from coordinator.jobs.states import JobState
from coordinator.protection.models import ProtectedItem
from coordinator.protection.roles.starting import start_machines, want_started
from coordinator.protection.rules import Operation
from coordinator.protection.states import FailoverDirection, ProtectionState
from coordinator.recovery import steps as recovery_steps
from tests.integration.protection.fake_hyperv import broken
from tests.integration.protection.fake_scripts import FAILED, UNKNOWN
from tests.integration.protection.plan_stage import (
    PlanStage,
    failure_of,
    make_plan_stage,
    script,
    step_of,
)
from tests.integration.protection.test_pairing import refusal
from tests.integration.protection.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RP-1")]

PLANNED, UNPLANNED = Operation.PLANNED_FAILOVER, Operation.UNPLANNED_FAILOVER


@pytest.fixture
def plan_stage(world: World) -> PlanStage:
    return make_plan_stage(world)


@pytest.mark.spec("RP-3")
def test_a_script_that_fails_stops_a_planned_run_and_restarting_goes_on(
    plan_stage: PlanStage,
) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]], start={2: (script("dns"),)})
    plan_stage.hyperv.failing_scripts[r"RPScripts\dns.ps1"] = FAILED
    job = plan_stage.run(PLANNED)
    assert job.state == JobState.FAILED
    failure = failure_of(job, "group-2/start/1/judge")
    assert failure["code"] == "PlanScriptFailed"
    assert "no DNS" in str(failure["message"])
    assert len(plan_stage.hyperv.order("start_virtual_machine")) == 2
    assert not OperationLock.objects.exists()
    assert job.left_text


@pytest.mark.spec("RP-3", "JB-2")
@pytest.mark.parametrize("outcome", [FAILED, UNKNOWN], ids=["failed", "unknown"])
def test_a_script_that_did_not_do_its_work_is_run_again_when_somebody_restarts_the_job(
    plan_stage: PlanStage, outcome: script_pb2.PlanScriptOutcome.ValueType
) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]], start={2: (script("dns"),)})
    plan_stage.hyperv.failing_scripts[r"RPScripts\dns.ps1"] = outcome
    job = plan_stage.run(PLANNED)
    assert job.state == JobState.FAILED
    # By itself it is not run again.
    assert len(plan_stage.hyperv.order("run_plan_script")) == 1
    plan_stage.hyperv.failing_scripts.clear()
    with transaction.atomic():
        restart_job(job.id, "operator", plan_stage.world.now, recovery_steps.RESTARTERS)
    plan_stage.world.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    order = plan_stage.hyperv.order("run_plan_script", "start_virtual_machine")
    assert len([line for line in order if line.startswith("run_plan_script")]) == 2
    assert {line.split()[1] for line in order[-2:]} == {"App3", "App4"}


@pytest.mark.spec("RP-3")
def test_a_planned_plan_that_stopped_is_run_again_and_starts_what_is_over_but_off(
    plan_stage: PlanStage,
) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]], start={2: (script("dns"),)})
    plan_stage.hyperv.failing_scripts[r"RPScripts\dns.ps1"] = FAILED
    assert plan_stage.run(PLANNED).state == JobState.FAILED
    plan_stage.hyperv.failing_scripts.clear()
    plan_stage.hyperv.log.clear()
    plan_stage.world.pass_(1)
    job = plan_stage.well(PLANNED, direction=FailoverDirection.PRIMARY_TO_RECOVERY)
    order = plan_stage.hyperv.order("run_plan_script", "start_virtual_machine", "start_failover")
    assert order[0] == r"run_plan_script RPScripts\dns.ps1"
    assert set(order[1:]) == {
        "start_virtual_machine App3",
        "start_virtual_machine App4",
    }
    skipped = {
        name
        for name, child in plan_stage.children(job).items()
        if child.state_description == "Skipped"
    }
    assert skipped == {"App1", "App2"}
    error = refusal(
        partial(plan_stage.begin, PLANNED, direction=FailoverDirection.PRIMARY_TO_RECOVERY)
    )
    assert error.failure.code == "FailoverDirectionNotPossible"


@pytest.mark.spec("RP-3")
def test_a_script_that_fails_does_not_stop_an_unplanned_run(plan_stage: PlanStage) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]], start={2: (script("dns"),)})
    plan_stage.hyperv.failing_scripts[r"RPScripts\dns.ps1"] = FAILED
    job = plan_stage.well(UNPLANNED)
    assert len(plan_stage.hyperv.order("start_virtual_machine")) == 4
    assert failure_of(job, "group-2/start/1/judge")["code"] == "PlanScriptFailed"


@pytest.mark.spec("RP-3")
def test_a_machine_that_fails_stops_a_planned_run_but_not_an_unplanned_one(
    plan_stage: PlanStage,
) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]])
    plan_stage.hyperv.broken["start_virtual_machine"] = broken()
    job = plan_stage.run(UNPLANNED)
    # Both groups were tried, and none came up.
    assert job.state == JobState.FAILED
    assert job.left_text
    tried = {line.split()[1] for line in plan_stage.hyperv.order("start_virtual_machine")}
    assert tried == {"App1", "App2", "App3", "App4"}
    assert step_of(job, "end").state == "Succeeded"


@pytest.mark.spec("RP-3")
@pytest.mark.parametrize(
    ("operation", "ended", "started"),
    [
        (UNPLANNED, (JobState.SUCCEEDED, "PartiallySucceeded"), {"App2", "App3", "App4"}),
        (PLANNED, (JobState.FAILED, "Failed"), set()),
    ],
)
def test_one_machine_that_cannot_fail_over(
    plan_stage: PlanStage, operation: Operation, ended: tuple[str, str], started: set[str]
) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]])
    plan_stage.hyperv.broken_machines = {("start_failover", "App1")}
    job = plan_stage.run(operation)
    assert (job.state, job.state_description) == ended
    order = plan_stage.hyperv.order("start_virtual_machine")
    assert {line.split()[1] for line in order} == started
    children = plan_stage.children(job)
    assert children["App1"].state == JobState.FAILED
    assert "App1" in str(failure_of(job, "failover")["message"])


@pytest.mark.spec("JB-2")
def test_a_planned_run_that_stopped_goes_on_when_it_is_restarted(plan_stage: PlanStage) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]])
    plan_stage.hyperv.broken_machines = {("start_failover", "App1")}
    job = plan_stage.run(PLANNED)
    assert job.state == JobState.FAILED
    plan_stage.hyperv.broken_machines = set()
    plan_stage.hyperv.log.clear()
    with transaction.atomic():
        restart_job(job.id, "operator", plan_stage.world.now, recovery_steps.RESTARTERS)
    plan_stage.world.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    starts = plan_stage.hyperv.order("start_virtual_machine")
    assert len(starts) == 4
    assert {line.split()[1] for line in starts[:2]} == {"App1", "App2"}
    assert plan_stage.hyperv.order("start_failover") == ["start_failover App1"]
    assert {item.state for item in ProtectedItem.objects.all()} == {ProtectionState.COMMIT_PENDING}


@pytest.mark.spec("RP-3")
@pytest.mark.parametrize(("operation", "goes_on"), [(PLANNED, False), (UNPLANNED, True)])
def test_a_script_that_is_gone_is_a_failure_like_any_other(
    plan_stage: PlanStage, operation: Operation, *, goes_on: bool
) -> None:
    plan_stage.make_plan([[1]], start={1: (script("dns"),)})
    plan_stage.hyperv.broken["run_plan_script"] = broken("PlanScriptNotFound")
    job = plan_stage.run(operation)
    assert (job.state == JobState.SUCCEEDED) is goes_on
    assert failure_of(job, "group-1/start/1/run")["code"] == "PlanScriptNotFound"
    assert bool(plan_stage.hyperv.order("start_virtual_machine")) is goes_on


@pytest.mark.spec("JB-2", "FO-7")
def test_machines_whose_host_went_down_after_the_failure_are_part_of_the_restart(
    plan_stage: PlanStage,
) -> None:
    plan_stage.make_plan([[1, 2]])
    plan_stage.hyperv.broken["read_replication"] = broken()
    job = plan_stage.run(PLANNED)
    assert job.state == JobState.FAILED
    plan_stage.hyperv.broken.clear()
    world = plan_stage.world
    with transaction.atomic():
        for item in ProtectedItem.objects.all():
            want_started(item.id, world.now)
    world.pass_(60)
    Provider.objects.update(last_heartbeat_at=world.now)
    start_machines(world.now)
    world.turn()
    with transaction.atomic():
        restart_job(job.id, "operator", world.now, recovery_steps.RESTARTERS)
    world.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert {child.state for child in plan_stage.children(job).values()} == {JobState.SUCCEEDED}
