"""Dry runs of recovery plans: what is found, how long it would take, and that nothing is begun."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coordinator.jobs.models import Command, Job
from coordinator.protection.models import ProtectedItem
from coordinator.protection.states import ProtectionState
from coordinator.recovery.models import RecoveryPlan
from tests.integration.api.programs import Program
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
    shown = plan.osr("plan", "check", "shop", "--type", "planned")
    assert shown.returncode == 0, shown.stderr
    assert "It would take about" in shown.stdout + shown.stderr
    raw = plan.osr("plan", "check", "shop", "--type", "unplanned", "--json")
    assert json.loads(raw.stdout)["forecast"]["seconds"] > 0
