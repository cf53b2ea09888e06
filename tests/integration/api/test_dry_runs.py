"""Dry runs: what is found, how long it would take, and that nothing is begun."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.db import InternalError, transaction
from django.utils import timezone

from coordinator.jobs.models import Command, Job, OperationLock, Step
from coordinator.jobs.services import BeginJob, JobTarget, QueueName, begin_job
from coordinator.protection.models import ProtectedItem
from coordinator.protection.services import item_lock
from coordinator.protection.states import ProtectionState
from coordinator.recovery.dry_run.look_planner import plan_look
from coordinator.recovery.dry_run.services import _nothing_written
from coordinator.recovery.models import RecoveryPlan
from tests.integration.api.programs import Program
from tests.integration.api.scripted_engine import SHA256, ScriptedEngine
from tests.integration.api.test_recovery_plan_runs import items, plan

__all__ = ["items", "plan"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("RP-6")]


def dry_run(plan: Program, **wanted: str) -> dict[str, Any]:
    path = f"{plan.vault_path}/replicationRecoveryPlans/shop/dryRun"
    answer = plan.send("POST", path, json={"properties": wanted})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def codes(found: dict[str, Any], severity: str) -> set[str]:
    return {each["code"] for each in found["checks"] if each["severity"] == severity}


def test_every_type_of_run_is_checked_and_nothing_is_begun(plan: Program) -> None:
    before = (Job.objects.count(), Command.objects.count())
    for kind in ("TestFailover", "PlannedFailover", "UnplannedFailover"):
        found = dry_run(plan, failoverType=kind)
        for each in found["checks"]:
            assert each["message"]
            assert each["possibleCauses"]
            assert each["recommendedAction"]
            assert each["objectName"]
        severities = [each["severity"] for each in found["checks"]]
        assert severities == sorted(severities, key=["Error", "Warning", "Information"].index)
        assert {"PlanScriptNotLookedAt", "PlanWaitsForPeople"} <= codes(found, "Information")
        forecast = found["forecast"]
        assert forecast["seconds"] > 0
        assert forecast["manualActions"] == 1
        path = forecast["criticalPath"]
        assert sum(part["seconds"] for part in path) == pytest.approx(forecast["seconds"], abs=1)
        assert "group-2" in [group["key"] for group in forecast["groups"]]
    assert (Job.objects.count(), Command.objects.count()) == before


def test_what_stands_against_machines_is_told_of_each(plan: Program) -> None:
    first, second, third = ProtectedItem.objects.order_by("created_at", "name")
    ProtectedItem.objects.filter(id=first.id).update(state=ProtectionState.PLANNED_FAILOVER_FAILED)
    ProtectedItem.objects.filter(id=second.id).update(state=ProtectionState.INITIAL_REPLICATION)
    ProtectedItem.objects.filter(id=third.id).update(active_location="Recovery")
    found = dry_run(plan, failoverType="PlannedFailover", failoverDirection="PrimaryToRecovery")
    refused = [each["objectName"] for each in found["checks"] if each["severity"] == "Error"]
    assert second.friendly_name in refused
    over = [each for each in found["checks"] if each["code"] == "MachineIsOver"]
    assert [each["objectName"] for each in over] == [third.friendly_name]


def test_a_plan_whose_way_is_not_known_has_no_forecast(plan: Program) -> None:
    one = ProtectedItem.objects.earliest("name")
    ProtectedItem.objects.filter(id=one.id).update(active_location="Recovery")
    found = dry_run(plan, failoverType="PlannedFailover")
    assert codes(found, "Error") == {"RecoveryPlanDirectionNeeded"}
    assert found["forecast"] is None


def test_a_type_that_there_is_not_is_refused(plan: Program) -> None:
    path = f"{plan.vault_path}/replicationRecoveryPlans/shop/dryRun"
    answer = plan.send("POST", path, json={"properties": {"failoverType": "Commit"}})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "InvalidFailoverType"


@pytest.mark.spec("UI-2")
def test_the_command_shows_checks_and_the_critical_path(plan: Program) -> None:
    assert RecoveryPlan.objects.filter(name="shop").exists()
    shown = plan.osr("plan", "check", "shop", "--type", "planned", "--known")
    assert shown.returncode == 0, shown.stderr
    assert "It would take about" in shown.stdout + shown.stderr
    raw = plan.osr("plan", "check", "shop", "--type", "unplanned", "--known", "--json")
    assert json.loads(raw.stdout)["forecast"]["seconds"] > 0


def look(program: Program, path: str) -> Job:
    """Begins a look; gives its job."""
    answer = program.send("POST", f"{path}/lookBeforeFailover", json={"properties": {}})
    assert answer.status_code == 202, answer.text
    name = answer.headers["Azure-AsyncOperation"].partition("?")[0].rpartition("/")[2]
    return Job.objects.get(id=name)


def item_path(plan: Program, item: ProtectedItem) -> str:
    pairing = item.pairing
    return (
        f"{plan.vault_path}/replicationFabrics/{pairing.primary_fabric.name}"
        f"/replicationProtectionContainers/{pairing.primary_cloud.external_id}"
        f"/replicationProtectedItems/{item.name}"
    )


def test_a_look_holds_nothing_and_begins_nothing_that_changes_a_server(plan: Program) -> None:
    item = ProtectedItem.objects.select_related(
        "pairing__primary_fabric", "pairing__primary_cloud"
    ).earliest("name")
    paths = (f"{plan.vault_path}/replicationRecoveryPlans/shop", item_path(plan, item))
    for path, scripts in zip(paths, (1, 0), strict=True):
        job = look(plan, path)
        assert not OperationLock.objects.filter(job=job).exists()
        actions = list(job.steps.values_list("action", flat=True))
        assert set(actions) <= {
            "refresh_fabric",
            "check_plan_scripts",
            "protection.inventory_stored",
        }
        assert actions.count("check_plan_scripts") == scripts


def test_a_machine_is_checked_by_itself(plan: Program) -> None:
    item = ProtectedItem.objects.select_related(
        "pairing__primary_fabric", "pairing__primary_cloud"
    ).earliest("name")
    before = (Job.objects.count(), Command.objects.count())
    for kind in ("TestFailover", "PlannedFailover", "UnplannedFailover"):
        answer = plan.send(
            "POST", f"{item_path(plan, item)}/dryRun", json={"properties": {"failoverType": kind}}
        )
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["forecast"]["seconds"] > 0
        assert {part["machine"] for part in found["forecast"]["criticalPath"]} == {
            item.friendly_name
        }
        assert not found["scripts"]
    wrong = {"failoverType": "PlannedFailover", "failoverDirection": "RecoveryToPrimary"}
    answer = plan.send("POST", f"{item_path(plan, item)}/dryRun", json={"properties": wrong})
    assert codes(answer.json(), "Error") == {"FailoverDirectionNotPossible"}
    assert answer.json()["forecast"] is None
    assert (Job.objects.count(), Command.objects.count()) == before
    shown = plan.osr("failover", "check", item.friendly_name, "--type", "test", "--known")
    assert shown.returncode == 0, shown.stderr
    assert "It would take about" in shown.stdout + shown.stderr


@pytest.mark.spec("FO-1")
def test_a_test_is_checked_in_the_network_it_is_to_be_in(plan: Program) -> None:
    found = dry_run(
        plan, failoverType="TestFailover", networkType="VmNetworkAsInput", networkId="none-such"
    )
    assert "TestNetworkNotFound" in codes(found, "Error")


@pytest.mark.spec("RP-2", "UI-2")
def test_the_command_has_the_servers_looked_at_and_tells_what_was_seen(plan: Program) -> None:
    shown = plan.osr("plan", "check", "shop", "--type", "planned", "--json")
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    [script] = found["scripts"]
    assert (script["sha256"], script["runnable"]) == (SHA256, True)
    assert script["lookedAtTime"]
    assert not [each for each in found["checks"] if each["objectType"] == "Script"]
    step = Step.objects.get(action="check_plan_scripts", job__scenario="LookBeforeFailover")
    assert step.result is not None
    step.result["scripts"][0] |= {"runnable": False, "problem": "Not signed."}
    step.save()
    told = dry_run(plan, failoverType="PlannedFailover")["checks"]
    assert [each["code"] for each in told if each["objectType"] == "Script"] == [
        "PlanScriptNotAllowed"
    ]
    people = plan.osr("plan", "check", "shop", "--type", "planned", "--known")
    assert SHA256 in "".join(people.stdout.split())


def test_nothing_can_be_written_in_a_dry_run(plan: Program) -> None:
    item = ProtectedItem.objects.earliest("name")
    row = ProtectedItem.objects.filter(id=item.id)
    with transaction.atomic():
        with _nothing_written():
            assert row.exists()
        # The transaction around it is as it was.
        row.update(friendly_name="written")
    with _nothing_written(), pytest.raises(InternalError, match="read-only"):
        row.update(friendly_name="never")
    assert row.get().friendly_name == "written"


def test_work_that_a_failover_ends_does_not_refuse_it(
    plan: Program, engine: ScriptedEngine
) -> None:
    engine.hold()
    item = ProtectedItem.objects.earliest("name")
    begun = BeginJob(
        vault_id=item.vault_id,
        scenario="VmNetworksUpdate",
        friendly_name="Connect networks",
        target=JobTarget("ProtectionEntity", str(item.id), item.friendly_name),
        graph=plan_look([]),
        locks=(item_lock(item.id),),
        queue=QueueName.REPLICATION,
        started_by="test",
    )
    for scenario, severity, code in (
        ("VmNetworksUpdate", "Information", "MachineIsBeingLookedAfter"),
        ("DisableDr", "Error", "532"),
    ):
        with transaction.atomic():
            job = begin_job(replace(begun, scenario=scenario), timezone.now())
        assert code in codes(dry_run(plan, failoverType="PlannedFailover"), severity)
        OperationLock.objects.filter(job=job).delete()
    engine.release()
