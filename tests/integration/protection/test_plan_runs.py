"""Runs of recovery plans with the engine: order, scripts, manual actions, failures, refusals."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import partial
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from opensiterecovery.provider.v1 import script_pb2

from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.services import Confirmation, cancel_job, resume_job
from coordinator.jobs.states import JobState
from coordinator.protection.models import ProtectedItem
from coordinator.protection.requests import RequestOrigin
from coordinator.protection.rules import Operation
from coordinator.protection.states import FailoverDirection, ProtectionState
from coordinator.recovery import services as recovery
from coordinator.recovery.models import PlanMember, RecoveryPlan
from coordinator.recovery.plans.runs.services import RunOptions, run_plan
from tests.integration.protection.plan_stage import (
    PlanStage,
    failure_of,
    make_plan_stage,
    manual,
    script,
    step_of,
)
from tests.integration.protection.test_pairing import refusal
from tests.integration.protection.world import ORIGIN, World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RP-1")]

PLANNED, UNPLANNED = Operation.PLANNED_FAILOVER, Operation.UNPLANNED_FAILOVER


@pytest.fixture
def plan_stage(world: World) -> PlanStage:
    return make_plan_stage(world)


def position(lines: list[str], line: str) -> int:
    assert lines.count(line) == 1, lines
    return lines.index(line)


def result_of(job: Job, key: str) -> Mapping[str, object]:
    found: Mapping[str, object] = step_of(job, key).result or {}
    return found


@pytest.mark.spec("RP-5")
def test_a_planned_failover_goes_down_backwards_over_at_once_and_up_in_order(
    plan_stage: PlanStage,
) -> None:
    plan_stage.make_plan([[1], [2, 3], [4]])
    job = plan_stage.well(PLANNED)
    order = plan_stage.hyperv.order(
        "stop_virtual_machine", "start_failover", "start_virtual_machine"
    )
    stops, overs, starts = (
        [line.split()[1] for line in order if line.startswith(verb)]
        for verb in ("stop_virtual_machine", "start_failover", "start_virtual_machine")
    )
    assert [stops[0], set(stops[1:3]), stops[3]] == ["App4", {"App2", "App3"}, "App1"]
    assert set(overs) == {"App1", "App2", "App3", "App4"}
    assert [starts[0], set(starts[1:3]), starts[3]] == ["App1", {"App2", "App3"}, "App4"]
    # All are down before the first goes over, and all are over before the first starts.
    assert [line.split()[0] for line in order] == sorted(
        (line.split()[0] for line in order),
        key=["stop_virtual_machine", "start_failover", "start_virtual_machine"].index,
    )
    children = plan_stage.children(job)
    assert {child.state for child in children.values()} == {JobState.SUCCEEDED}
    assert {child.scenario for child in children.values()} == {"PlannedFailover"}
    assert {item.state for item in ProtectedItem.objects.all()} == {ProtectionState.COMMIT_PENDING}
    assert plan_stage.plan.last_planned_failover_at is not None
    assert not OperationLock.objects.exists()


@pytest.mark.spec("RP-5")
def test_a_plan_goes_there_and_back(plan_stage: PlanStage) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]])
    for _ in range(2):
        for operation in (PLANNED, Operation.COMMIT, Operation.REVERSE_REPLICATE):
            job = plan_stage.well(operation)
            assert len(plan_stage.children(job)) == 4
        plan_stage.report()
    assert {item.active_location for item in ProtectedItem.objects.all()} == {"Primary"}
    assert {item.state for item in ProtectedItem.objects.all()} == {ProtectionState.PROTECTED}


@pytest.mark.spec("FO-7", "RP-5")
def test_the_failover_of_a_plan_is_abandoned_and_cancelled_later(plan_stage: PlanStage) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]])
    plan_stage.well(PLANNED)
    plan_stage.well(Operation.ABANDON_FAILOVER)
    assert {item.active_location for item in ProtectedItem.objects.all()} == {"Primary"}
    abandoned = {ProtectionState.FAILOVER_ABANDONED}
    assert {item.state for item in ProtectedItem.objects.all()} == abandoned
    plan_stage.well(Operation.CANCEL_FAILOVER)
    assert {item.state for item in ProtectedItem.objects.all()} == {ProtectionState.PROTECTED}


@pytest.mark.spec("RP-5")
def test_a_failover_of_a_plan_is_cancelled(plan_stage: PlanStage) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]])
    plan_stage.well(PLANNED)
    plan_stage.well(Operation.CANCEL_FAILOVER)
    assert {item.active_location for item in ProtectedItem.objects.all()} == {"Primary"}
    assert {item.state for item in ProtectedItem.objects.all()} == {ProtectionState.PROTECTED}


@pytest.mark.spec("FO-3")
def test_an_unplanned_failover_works_with_the_primary_site_gone(plan_stage: PlanStage) -> None:
    actions = (script("primary", side="Primary"), script("recovery"))
    plan_stage.make_plan([[1, 2], [3, 4]], start={1: actions})
    plan_stage.disconnect("vmm-shanghai")
    job = plan_stage.well(UNPLANNED, source_site_operations=True)
    assert plan_stage.hyperv.order("run_plan_script") == [r"run_plan_script RPScripts\recovery.ps1"]
    assert plan_stage.hyperv.order("stop_virtual_machine") == []
    assert {item.active_location for item in ProtectedItem.objects.all()} == {"Recovery"}
    [left_out] = [task for task in job.tasks if task["name"] == "group-1/start/1"]
    assert "not connected" in left_out["skipped_reason"]


@pytest.mark.spec("RP-2")
@pytest.mark.spec("RP-4")
def test_scripts_run_where_they_stand_and_are_told_of_the_run(plan_stage: PlanStage) -> None:
    plan_stage.make_plan(
        [[1, 2], [3, 4]],
        start={2: (script("before2"),)},
        end={1: (script("after1"),), 2: (script("after2", types=("TestFailover",)),)},
    )
    job = plan_stage.well(PLANNED)
    order = plan_stage.hyperv.order("start_virtual_machine", "run_plan_script")
    assert [line.rpartition("\\")[2] for line in order if "script" in line] == [
        "after1.ps1",
        "before2.ps1",
    ]
    assert position(order, r"run_plan_script RPScripts\after1.ps1") == 2
    first, second = plan_stage.hyperv.script_contexts
    assert (first["RecoveryPlanName"], first["FailoverType"]) == ("Shop", "Planned")
    assert (first["GroupId"], second["GroupId"]) == ("1", "2")
    machines = second["VmMap"]
    assert isinstance(machines, dict)
    assert {each["Name"] for each in machines.values()} == {"App3", "App4"}
    result = result_of(job, "group-1/end/1/run")
    assert result["output"] == "It says: 上海"


@pytest.mark.spec("FO-2")
def test_nothing_is_touched_when_a_machine_fails_its_checks(plan_stage: PlanStage) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]])
    plan_stage.hyperv.broken_machines = {("read_replication", "App3")}
    assert plan_stage.run(PLANNED).state == JobState.FAILED
    assert plan_stage.hyperv.order("stop_virtual_machine", "prepare_failover") == []
    assert {item.state for item in ProtectedItem.objects.all()} == {ProtectionState.PROTECTED}


@pytest.mark.spec("RP-2")
@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (script_pb2.PLAN_SCRIPT_OUTCOME_TIMED_OUT, "PlanScriptTimedOut"),
        (script_pb2.PLAN_SCRIPT_OUTCOME_UNKNOWN, "PlanScriptOutcomeUnknown"),
    ],
)
def test_how_a_script_ended_is_told(
    plan_stage: PlanStage, outcome: script_pb2.PlanScriptOutcome.ValueType, code: str
) -> None:
    plan_stage.make_plan([[1]], start={1: (script("dns"),)})
    plan_stage.hyperv.failing_scripts[r"RPScripts\dns.ps1"] = outcome
    job = plan_stage.run(PLANNED)
    assert job.state == JobState.FAILED
    failure = failure_of(job, "group-1/start/1/judge")
    assert failure["code"] == code
    assert failure["possibleCauses"]
    assert failure["recommendedAction"]
    # It was run once, and what it wrote is kept all the same.
    assert len(plan_stage.hyperv.order("run_plan_script")) == 1
    details = result_of(job, "group-1/start/1/output")["details"]
    assert isinstance(details, dict)
    assert details["output"] == "It says: 上海\nno DNS"


@pytest.mark.spec("RP-5")
@pytest.mark.spec("JB-2")
def test_a_plan_that_is_cancelled_before_it_fails_over_brings_its_machines_back(
    plan_stage: PlanStage,
) -> None:
    before = manual("Think", types=("PlannedFailover",))
    plan_stage.make_plan([[1, 2], [3, 4]], after_shutdown=(before,))
    job = plan_stage.run(PLANNED)
    assert job.state == JobState.SUSPENDED
    assert len(plan_stage.hyperv.order("stop_virtual_machine")) == 4
    with transaction.atomic():
        cancel_job(job.id, "operator", plan_stage.world.now)
    plan_stage.world.turn()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert len(plan_stage.hyperv.order("start_virtual_machine")) == 4
    assert {item.state for item in ProtectedItem.objects.all()} == {ProtectionState.PROTECTED}
    assert not OperationLock.objects.exists()
    plan_stage.world.pass_(1)
    assert plan_stage.run(PLANNED).state == JobState.SUSPENDED


@pytest.mark.spec("RP-5")
@pytest.mark.spec("JB-2")
def test_a_plan_cancelled_after_its_failover_leaves_no_machine_off_on_both_sides(
    plan_stage: PlanStage,
) -> None:
    plan_stage.make_plan(
        [[1, 2], [3], [4]], start={2: (manual("Switch DNS"),), 3: (script("late"),)}
    )
    job = plan_stage.run(PLANNED)
    assert job.state == JobState.SUSPENDED
    with transaction.atomic():
        cancel_job(job.id, "operator", plan_stage.world.now)
    plan_stage.world.turn()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert "led to the end" in job.left_text
    started = plan_stage.hyperv.order("start_virtual_machine")
    assert [line.split()[1] for line in started[2:]] == ["App3", "App4"]
    assert plan_stage.hyperv.order("run_plan_script") == []
    assert {item.state for item in ProtectedItem.objects.all()} == {ProtectionState.COMMIT_PENDING}
    assert not OperationLock.objects.exists()
    plan_stage.well(Operation.CANCEL_FAILOVER)
    assert {item.active_location for item in ProtectedItem.objects.all()} == {"Primary"}


@pytest.mark.spec("RP-2")
@pytest.mark.spec("JB-2")
def test_a_manual_action_suspends_the_plan_until_it_is_confirmed_with_a_note(
    plan_stage: PlanStage,
) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]], start={2: (manual("Switch DNS"),)})
    job = plan_stage.run(PLANNED)
    assert job.state == JobState.SUSPENDED
    assert len(plan_stage.hyperv.order("start_virtual_machine")) == 2
    with transaction.atomic():
        resume_job(
            job.id, Confirmation(by="operator", comments="Done, ticket 7"), plan_stage.world.now
        )
    plan_stage.world.turn()
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
    assert len(plan_stage.hyperv.order("start_virtual_machine")) == 4
    result = result_of(job, "group-2/start/1")
    assert (result["comments"], result["by"]) == ("Done, ticket 7", "operator")


@pytest.mark.spec("RP-1")
def test_machines_that_are_over_already_are_skipped(plan_stage: PlanStage) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]])
    with transaction.atomic():
        recovery.planned_failover(plan_stage.item(2), None, ORIGIN, plan_stage.world.now)
    plan_stage.world.turn()
    error = refusal(partial(plan_stage.begin, PLANNED))
    assert (error.failure.code, error.status) == ("RecoveryPlanDirectionNeeded", 400)
    assert "App2" in " ".join(error.failure.possible_causes)
    plan_stage.hyperv.log.clear()
    job = plan_stage.well(PLANNED, direction=FailoverDirection.PRIMARY_TO_RECOVERY)
    assert "App2" not in " ".join(plan_stage.hyperv.order("start_failover"))
    skipped = plan_stage.children(job)["App2"]
    assert (skipped.state, skipped.state_description) == (JobState.SUCCEEDED, "Skipped")
    assert "runs on the Recovery side already" in skipped.left_text
    error = refusal(
        partial(plan_stage.begin, PLANNED, direction=FailoverDirection.PRIMARY_TO_RECOVERY)
    )
    assert error.failure.code == "FailoverDirectionNotPossible"


@pytest.mark.spec("FO-6")
def test_a_busy_plan_or_machine_is_refused_at_once(plan_stage: PlanStage) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]])
    with transaction.atomic():
        single = recovery.planned_failover(plan_stage.item(3), None, ORIGIN, plan_stage.world.now)
    error = refusal(partial(plan_stage.begin, PLANNED))
    assert (error.failure.code, error.status) == ("532", 409)
    assert "App3" in error.failure.message
    assert str(single.id) in error.failure.message
    assert not Job.objects.filter(target_type="RecoveryPlan", scenario="PlannedFailover").exists()
    assert plan_stage.item(1).state == ProtectionState.PROTECTED
    plan_stage.world.turn()
    plan_stage.begin(PLANNED, direction=FailoverDirection.PRIMARY_TO_RECOVERY)
    error = refusal(partial(plan_stage.begin, Operation.COMMIT))
    assert error.failure.code == "532"
    assert "Shop" in error.failure.message


@pytest.mark.spec("FO-3")
@pytest.mark.spec("FO-6")
def test_one_busy_machine_does_not_keep_a_plan_from_failing_over_unplanned(
    plan_stage: PlanStage,
) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]])
    with transaction.atomic():
        single = recovery.planned_failover(plan_stage.item(3), None, ORIGIN, plan_stage.world.now)
    job = plan_stage.begin(UNPLANNED)
    skipped = plan_stage.children(job)["App3"]
    assert skipped.state_description == "Skipped"
    assert str(single.id) in skipped.left_text
    plan_stage.world.turn()
    job.refresh_from_db()
    # Nobody takes it for a run of the whole plan.
    assert (job.state, job.state_description) == ("Succeeded", "CompletedWithInformation")
    assert [error["code"] for error in job.errors] == ["RecoveryPlanMachinesLeftOut"]
    assert "App3" in job.errors[0]["message"]


@pytest.mark.spec("RP-1")
def test_a_plan_that_is_saved_while_its_run_is_prepared_does_not_run_as_it_was(
    plan_stage: PlanStage,
) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]])
    read = plan_stage.plan
    RecoveryPlan.objects.filter(id=read.id).update(revision=read.revision + 1)

    def run() -> None:
        with transaction.atomic():
            run_plan(read, RunOptions(operation=PLANNED), ORIGIN, plan_stage.world.now)

    error = refusal(run)
    assert (error.failure.code, error.status) == ("RecoveryPlanChanged", 409)
    assert not OperationLock.objects.exists()
    assert plan_stage.item(1).state == ProtectionState.PROTECTED


@pytest.mark.spec("FO-6")
def test_a_planned_run_wants_all_machines_ready_and_an_unplanned_one_goes_without(
    plan_stage: PlanStage,
) -> None:
    plan_stage.make_plan([[1, 2], [3, 4]])
    unready = ProtectionState.INITIAL_REPLICATION
    ProtectedItem.objects.filter(id=plan_stage.items[0].id).update(state=unready)
    error = refusal(partial(plan_stage.begin, PLANNED))
    assert (error.failure.code, error.status) == ("RecoveryPlanMachinesNotReady", 409)
    assert "App1" in error.failure.message
    job = plan_stage.well(UNPLANNED)
    skipped = plan_stage.children(job)["App1"]
    assert skipped.state_description == "Skipped"
    assert "first copy" in skipped.left_text
    assert (job.state_description, job.errors[0]["code"]) == (
        "CompletedWithInformation",
        "RecoveryPlanMachinesLeftOut",
    )
    ProtectedItem.objects.update(state=unready)
    for operation in (*Operation,):
        if operation in {
            Operation.COMMIT,
            Operation.REVERSE_REPLICATE,
            Operation.CANCEL_FAILOVER,
        }:
            error = refusal(partial(plan_stage.begin, operation))
            assert error.failure.code == "RecoveryPlanMachinesNotReady"


def test_an_empty_plan_cannot_run(plan_stage: PlanStage) -> None:
    plan_stage.make_plan([[1]])
    ProtectedItem.objects.filter(id=plan_stage.items[0].id).delete()
    error = refusal(partial(plan_stage.begin, PLANNED))
    assert (error.failure.code, error.status) == ("RecoveryPlanEmpty", 409)


def test_the_same_request_finds_its_job_again(plan_stage: PlanStage) -> None:
    plan_stage.make_plan([[1, 2]])
    origin = RequestOrigin(started_by="tests", client_request_id="r1")
    first = plan_stage.begin(PLANNED, origin)
    assert plan_stage.begin(PLANNED, origin).id == first.id


@pytest.mark.spec("FO-6")
def test_an_item_that_changed_meanwhile_begins_nothing(plan_stage: PlanStage) -> None:
    plan = plan_stage.make_plan([[1, 2]])
    states = itertools.cycle([ProtectionState.PROTECTED, ProtectionState.DISABLING])
    del plan
    for state in itertools.islice(states, 2):
        ProtectedItem.objects.filter(id=plan_stage.items[0].id).update(state=state)
    error = refusal(partial(plan_stage.begin, PLANNED))
    assert error.failure.code == "RecoveryPlanMachinesNotReady"
    assert not OperationLock.objects.exists()


@pytest.mark.spec("RP-6")
def test_beginning_a_run_asks_the_database_no_more_often_for_more_machines(
    plan_stage: PlanStage,
) -> None:
    plan = plan_stage.make_plan([[1, 2]])
    first = plan_stage.item(1)
    asked = [_queries_of_a_run(plan_stage)]
    copies = [
        ProtectedItem(
            vault=first.vault,
            pairing=first.pairing,
            name=f"copy{number}",
            friendly_name=f"Copy{number}",
            vm_id=str(UUID(int=number)),
            protectable_item_id="x",
            state=first.state,
            primary_host=first.primary_host,
            recovery_host=first.recovery_host,
            created_at=first.created_at,
        )
        for number in range(100)
    ]
    ProtectedItem.objects.bulk_create(copies)
    PlanMember.objects.bulk_create(
        PlanMember(
            plan=plan, group=1, position=number + 10, item=copy, name=copy.name, vm_id=copy.vm_id
        )
        for number, copy in enumerate(copies)
    )
    asked.append(_queries_of_a_run(plan_stage))
    # Inserts come in batches.
    assert asked[1] <= asked[0] + 5 < 40


def _queries_of_a_run(plan_stage: PlanStage) -> int:
    """How many it takes to begin one; it is not begun."""
    with CaptureQueriesContext(connection) as captured, transaction.atomic():
        point = transaction.savepoint()
        plan_stage.begin(PLANNED)
        transaction.savepoint_rollback(point)
    return len(captured)
