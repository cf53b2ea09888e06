"""Recovery plans run with Microsoft's client: every operation, its job's details, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.jobs.models import Job
from coordinator.protection.models import ProtectedItem
from coordinator.protection.states import ActiveLocation, ProtectionState
from tests.integration.api.programs import Program, error_of
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, make_machine, pair, protect
from tests.integration.api.test_recovery_plans import boot, plan_input

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.spec("AP-1"),
    pytest.mark.spec("RP-5"),
]

WAYS = ["PrimaryToRecovery", "RecoveryToPrimary"]
TYPES = ["TestFailover", "PlannedFailover", "UnplannedFailover"]


def action(name: str, details: asr.RecoveryPlanActionDetails) -> asr.RecoveryPlanAction:
    return asr.RecoveryPlanAction(
        action_name=name,
        failover_types=TYPES,
        failover_directions=WAYS,
        custom_details=details,
    )


@pytest.fixture
def items(sites: Sites) -> list[ProtectedItem]:
    now = timezone.now()
    pairing = pair(sites, now)
    machines = (*sites.machines, make_machine(sites.gold1, "GoldVM3"))
    return [protect(pairing, machine, now) for machine in machines]


@pytest.fixture
def plan(
    program: Program, sites: Sites, items: list[ProtectedItem], engine: ScriptedEngine
) -> Program:
    """A plan "shop": two machines, a script and a manual action, then a third machine."""
    del engine
    script = asr.RecoveryPlanScriptActionDetails(
        path=r"\RPScripts\dns.ps1", fabric_location="Recovery", timeout="00:01:00"
    )
    manual = asr.RecoveryPlanManualActionDetails(description="Ring the owner.")
    groups = [
        boot(program, sites, items[:2], end_group_actions=[action("DNS", script)]),
        boot(program, sites, items[2:], start_group_actions=[action("Ring", manual)]),
    ]
    program.site_recovery.replication_recovery_plans.begin_create(
        *program.scope, "shop", plan_input(program, sites, groups)
    ).result()
    return program


def newest_job(scenario: str) -> Job:
    return Job.objects.filter(target_type="RecoveryPlan", scenario=scenario).latest("created_at")


def planned(direction: str = "PrimaryToRecovery") -> asr.RecoveryPlanPlannedFailoverInput:
    return asr.RecoveryPlanPlannedFailoverInput(
        properties=asr.RecoveryPlanPlannedFailoverInputProperties(failover_direction=direction)
    )


def test_a_plan_fails_over_commits_reverses_and_comes_back(plan: Program) -> None:
    plans = plan.site_recovery.replication_recovery_plans
    for direction in WAYS:
        made = plans.begin_planned_failover(*plan.scope, "shop", planned(direction)).result()
        assert made.name == "shop"
        plans.begin_failover_commit(*plan.scope, "shop").result()
        plans.begin_reprotect(*plan.scope, "shop").result()
    assert {item.active_location for item in ProtectedItem.objects.all()} == {"Primary"}
    assert Job.objects.filter(root=newest_job("PlannedFailover")).count() == 3


@pytest.mark.spec("FO-3")
def test_an_unplanned_failover_takes_its_options_and_can_be_cancelled(plan: Program) -> None:
    plans = plan.site_recovery.replication_recovery_plans
    wanted: dict[str, Any] = {
        "properties": {
            "failoverDirection": "PrimaryToRecovery",
            "sourceSiteOperations": "Required",
            "providerSpecificDetails": [
                {
                    "instanceType": "HyperVReplica2012R2",
                    "recoveryTag": "LatestAvailableCrashConsistent",
                }
            ],
        }
    }
    plans.begin_unplanned_failover(*plan.scope, "shop", wanted).result()
    job = newest_job("UnplannedFailover")
    assert "Group1Shutdown" in [task["name"] for task in job.tasks]
    child = Job.objects.filter(root=job).first()
    assert child is not None
    start = child.steps.get(key="failover/start")
    assert start.inputs["recovery_tag"] == "RECOVERY_TAG_LATEST_CRASH_CONSISTENT"
    plans.begin_failover_cancel(*plan.scope, "shop").result()
    assert {item.active_location for item in ProtectedItem.objects.all()} == {"Primary"}


@pytest.mark.spec("JB-1")
@pytest.mark.spec("RP-2")
def test_the_job_of_a_run_shows_groups_machines_scripts_and_manual_actions(plan: Program) -> None:
    plan.site_recovery.replication_recovery_plans.begin_planned_failover(
        *plan.scope, "shop", planned()
    ).result()
    row = newest_job("PlannedFailover")
    details = {
        "instanceType": "ScriptActionTaskDetails",
        "name": "DNS",
        "path": r"RPScripts\dns.ps1",
        "output": "done",
        "isPrimarySideScript": False,
    }
    row.steps.filter(key="group-1/end/1/output").update(result={"details": details})
    job = plan.site_recovery.replication_jobs.get(*plan.scope, str(row.id))
    tasks: Mapping[str, Any] = {task.name: task for task in job.properties.tasks or []}
    assert list(tasks) == [
        "RpSrsPrerequisitesCheck",
        "RpEnvironmentCreationTask",
        "Group2Shutdown",
        "Group1Shutdown",
        "FailoverAllActionGroup",
        "Group1",
        "group-1/end/1",
        "group-2/start/1",
        "Group2",
        "EndRecoveryPlanTask",
    ]
    group = tasks["Group1"].group_task_custom_details
    assert isinstance(group, asr.RecoveryPlanGroupTaskDetails)
    assert group.rp_group_type == "Boot"
    children: list[Any] = group.child_tasks or []
    assert [child.friendly_name for child in children] == ["GoldVM1", "GoldVM2"]
    # Of these two the client does not find the class: it looks in the table of another one.
    machine = children[0].custom_details
    assert machine["instanceType"] == "VirtualMachineTaskDetails"
    assert machine["jobTask"]["jobScenarioName"] == "PlannedFailover"
    shutdown = tasks["Group2Shutdown"].group_task_custom_details
    assert shutdown["instanceType"] == "RecoveryPlanShutdownGroupTaskDetails"
    script = tasks["group-1/end/1"].custom_details
    assert isinstance(script, asr.ScriptActionTaskDetails)
    assert (script.name, script.output, script.is_primary_side_script) == ("DNS", "done", False)
    manual = tasks["group-2/start/1"].custom_details
    assert isinstance(manual, asr.ManualActionTaskDetails)
    assert manual.instructions == "Ring the owner."


@pytest.mark.spec("FO-6")
def test_while_a_plan_runs_it_says_so_and_a_second_run_is_refused(
    plan: Program, engine: ScriptedEngine
) -> None:
    engine.hold()
    plans = plan.site_recovery.replication_recovery_plans
    poller = plans.begin_planned_failover(*plan.scope, "shop", planned(), polling=False)
    del poller
    with pytest.raises(HttpResponseError) as refused:
        plans.begin_failover_commit(*plan.scope, "shop", polling=False)
    error = error_of(refused.value)
    assert (refused.value.status_code, error["code"]) == (409, "532")
    found = plans.get(*plan.scope, "shop")
    assert found.properties.current_scenario_status
    assert found.properties.current_scenario.scenario_name == "PlannedFailover"
    engine.release()


@pytest.mark.spec("RP-1")
def test_machines_on_both_sides_need_a_direction_and_only_those_are_taken(
    plan: Program, items: list[ProtectedItem]
) -> None:
    ProtectedItem.objects.filter(id=items[0].id).update(
        active_location=ActiveLocation.RECOVERY, state=ProtectionState.PROTECTED
    )
    plans = plan.site_recovery.replication_recovery_plans
    with pytest.raises(HttpResponseError) as refused:
        plans.begin_planned_failover(*plan.scope, "shop", {"properties": {}}, polling=False)
    assert error_of(refused.value)["code"] == "RecoveryPlanDirectionNeeded"
    plans.begin_planned_failover(*plan.scope, "shop", planned()).result()
    job = newest_job("PlannedFailover")
    skipped = Job.objects.get(root=job, target_id=str(items[0].id))
    assert skipped.state_description == "Skipped"
    assert "Recovery side already" in skipped.left_text


@pytest.mark.spec("FO-6")
@pytest.mark.parametrize(
    ("operation", "body", "code"),
    [
        ("begin_failover_commit", (), "RecoveryPlanMachinesNotReady"),
        ("begin_reprotect", (), "RecoveryPlanMachinesNotReady"),
        ("begin_failover_cancel", (), "RecoveryPlanMachinesNotReady"),
        (
            "begin_planned_failover",
            ({"properties": {"failoverDirection": "RecoveryToPrimary"}},),
            "FailoverDirectionNotPossible",
        ),
        (
            "begin_planned_failover",
            ({"properties": {"failoverDirection": "Sideways"}},),
            "InvalidFailoverDirection",
        ),
        (
            "begin_unplanned_failover",
            ({"properties": {"sourceSiteOperations": "Maybe"}},),
            "InvalidSourceSiteOperations",
        ),
    ],
)
def test_what_a_plan_cannot_do_now_is_refused_with_why(
    plan: Program, operation: str, body: tuple[dict[str, Any], ...], code: str
) -> None:
    plans = plan.site_recovery.replication_recovery_plans
    with pytest.raises(HttpResponseError) as refused:
        getattr(plans, operation)(*plan.scope, "shop", *body, polling=False)
    error = error_of(refused.value)
    assert error["code"] == code
    assert error["message"]
