"""Keeping recovery plans: saves, revisions, machines that go and come, and large ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from coordinator.failures import RefusedError
from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.states import JobState
from coordinator.protection.models import Pairing
from coordinator.protection.services import RequestOrigin
from coordinator.protection.states import ProtectionState
from coordinator.recovery.models import PlanMember, PlanRevision, RecoveryPlan
from coordinator.recovery.plans.queries import (
    find_machines,
    load_plan,
    load_plans,
    member_names,
    plan_operations,
    plans_with,
    revisions_with_changes,
)
from coordinator.recovery.plans.saving import KEPT_REVISIONS
from coordinator.recovery.plans.services import (
    clone_plan,
    delete_plan,
    restore_plan,
    update_plan,
)
from tests.integration.recovery.plan_stage import ORIGIN, PlanStage, drafts

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RP-1")]


def refusal(do: Callable[[], Any]) -> str:
    with pytest.raises(RefusedError) as error, transaction.atomic():
        do()
    failure = error.value.failure
    assert failure.possible_causes
    assert failure.recommended_action
    return failure.code


@pytest.mark.spec("JB-1")
def test_a_save_is_a_job_that_says_what_changed(stage: PlanStage) -> None:
    one, two, three = stage.protect("one", "two", "three")
    plan = stage.create("App", [[one], [two]])
    [made] = Job.objects.all()
    assert (made.state, made.scenario, made.target_type) == (
        JobState.SUCCEEDED,
        "UpdateRecoveryPlan",
        "RecoveryPlan",
    )
    job = stage.update(plan, [[one, two], [three]])
    assert job.state == JobState.SUCCEEDED
    assert job.started_by == "tests"
    assert job.arguments["affected_objects"] == {
        "two": "moved from group 2 to group 1",
        "three": "put into group 2",
    }
    assert not OperationLock.objects.exists()
    record = load_plan(RecoveryPlan.objects.get())
    assert record.revision == 2
    assert [group.item_ids for group in record.groups] == [
        (str(one.id), str(two.id)),
        (str(three.id),),
    ]


def test_the_same_request_again_saves_once(stage: PlanStage) -> None:
    [one, two] = stage.protect("one", "two")
    plan = stage.create("App", [[one]])
    origin = RequestOrigin(started_by="tests", client_request_id="r-1")
    first = stage.update(plan, [[one], [two]], origin)
    assert stage.update(plan, [[one], [two]], origin).id == first.id
    assert RecoveryPlan.objects.get().revision == 2


def test_a_machine_may_be_in_several_plans(stage: PlanStage) -> None:
    [one] = stage.protect("one")
    stage.create("App", [[one]])
    stage.create("Site", [[one]])
    assert plans_with([one.id]) == {one.id: ["App", "Site"]}


def test_names_of_plans_are_the_same_whatever_their_case(stage: PlanStage) -> None:
    [one] = stage.protect("one")
    stage.create("App", [[one]])
    assert refusal(lambda: stage.create("APP", [[one]])) == "NameInUse"
    plan = RecoveryPlan.objects.get()
    clone = lambda: clone_plan(plan, "app", ORIGIN, stage.tick())  # noqa: E731 - said in one line
    assert refusal(clone) == "NameInUse"
    assert RecoveryPlan.objects.count() == 1


def test_a_save_that_another_one_overtook_is_refused(stage: PlanStage) -> None:
    one, two = stage.protect("one", "two")
    plan = stage.create("App", [[one]])
    stage.update(plan, [[two]])
    assert (
        refusal(
            lambda: update_plan(plan, drafts([[one]]), ORIGIN, stage.tick(), expected_revision=1)
        )
        == "RecoveryPlanChanged"
    )
    assert load_plan(RecoveryPlan.objects.get()).item_ids == (str(two.id),)


def test_a_plan_that_runs_is_neither_saved_nor_deleted(stage: PlanStage) -> None:
    [one] = stage.protect("one")
    plan = stage.create("App", [[one]])
    with transaction.atomic():
        update_plan(plan, drafts([[one]]), ORIGIN, stage.tick())
    assert refusal(lambda: update_plan(plan, drafts([[one]]), ORIGIN, stage.tick())) == "532"
    assert refusal(lambda: delete_plan(plan, ORIGIN, stage.tick())) == "532"
    assert RecoveryPlan.objects.get().revision == 2


def test_a_deleted_plan_leaves_its_job_and_its_machines(stage: PlanStage) -> None:
    [one] = stage.protect("one")
    plan = stage.create("App", [[one]])
    with transaction.atomic():
        job = delete_plan(plan, ORIGIN, stage.tick())
    assert stage.end(job).state == JobState.SUCCEEDED
    assert not RecoveryPlan.objects.exists()
    one.refresh_from_db()
    assert one.state == ProtectionState.PROTECTED
    gone = lambda: update_plan(plan, drafts([[one]]), ORIGIN, stage.tick())  # noqa: E731 - said in one line
    assert refusal(gone) == "NotFound"


def test_a_machine_whose_protection_ends_is_shown_and_left_out_and_comes_back_by_restoring(
    stage: PlanStage,
) -> None:
    one, two = stage.protect("one", "two")
    plan = stage.create("App", [[one, two]])
    vm_id = two.vm_id
    two.delete()
    record = load_plan(plan)
    assert record.item_ids == (str(one.id),)
    assert [(gone.name, gone.vm_id) for gone in record.groups[0].gone] == [("two", vm_id)]
    stage.update(plan, [[one]])
    assert not load_plan(plan).groups[0].gone
    again = stage.protect("two")[0]
    again.vm_id = vm_id
    again.save()
    with transaction.atomic():
        first = PlanRevision.objects.get(plan=plan, number=1)
        stage.end(restore_plan(plan, first, ORIGIN, stage.tick()))
    assert load_plan(plan).item_ids == (str(one.id), str(again.id))
    again.delete()
    with transaction.atomic():
        stage.end(restore_plan(plan, first, ORIGIN, stage.tick()))
    assert [gone.name for gone in load_plan(plan).groups[0].gone] == ["two"]


def test_a_machine_that_another_pair_protects_now_does_not_come_back_by_restoring(
    stage: PlanStage,
) -> None:
    one, two = stage.protect("one", "two")
    plan = stage.create("App", [[one, two]])
    stage.update(plan, [[one]])
    Pairing.objects.update(primary_fabric=stage.sites.beijing, recovery_fabric=stage.sites.shanghai)
    with transaction.atomic():
        first = PlanRevision.objects.get(plan=plan, number=1)
        stage.end(restore_plan(plan, first, ORIGIN, stage.tick()))
    assert [gone.name for gone in load_plan(plan).groups[0].gone] == ["one", "two"]


def test_one_that_is_being_disabled_stays_in_its_plan_but_comes_into_no_other(
    stage: PlanStage,
) -> None:
    one, two = stage.protect("one", "two")
    plan = stage.create("App", [[one]])
    one.state = ProtectionState.DISABLING
    one.save()
    stage.update(plan, [[one], [two]])
    assert refusal(lambda: stage.create("Other", [[one]])) == "RecoveryPlanMachineGone"


def test_a_clone_has_what_is_still_protected(stage: PlanStage) -> None:
    one, two = stage.protect("one", "two")
    plan = stage.create("App", [[one], [two]])
    two.delete()
    with transaction.atomic():
        copy, job = clone_plan(plan, "Copy", ORIGIN, stage.tick())
    assert stage.end(job).state == JobState.SUCCEEDED
    record = load_plan(copy)
    assert record.item_ids == (str(one.id),)
    assert not PlanMember.objects.filter(plan=copy, item=None).exists()


def test_the_last_twenty_saves_are_kept_with_what_they_changed(stage: PlanStage) -> None:
    one, two = stage.protect("one", "two")
    plan = stage.create("App", [[one]])
    for number in range(KEPT_REVISIONS + 3):
        stage.update(plan, [[one, two]] if number % 2 == 0 else [[one]])
    found = revisions_with_changes(RecoveryPlan.objects.get())
    assert len(found) == KEPT_REVISIONS
    assert [row.number for row, _ in found[:2]] == [24, 23]
    assert [str(change) for change in found[0][1]] == ["two: put into group 1"]
    assert [str(change) for change in found[1][1]] == ["two: taken out"]
    assert found[-1][1] == ()


def test_a_plan_allows_what_any_of_its_machines_allows(stage: PlanStage) -> None:
    one, two = stage.protect("one", "two")
    plan = stage.create("App", [[one, two]])
    empty = stage.create("Other", [[two]])
    assert "PlannedFailover" in plan_operations([plan.id])[plan.id]
    two.state = ProtectionState.ENABLING
    two.save()
    both = plan_operations([plan.id, empty.id])
    assert "PlannedFailover" in both[plan.id]
    assert both[empty.id] == []


@pytest.mark.spec("AC-3")
def test_a_machine_of_another_vault_is_not_there(stage: PlanStage) -> None:
    [one] = stage.protect("one")
    names = [(stage.sites.shanghai.name, stage.sites.gold1.external_id, one.name.upper())]
    assert [each.item_id for each in find_machines(stage.sites.vault.id, names)] == [str(one.id)]
    assert find_machines(stage.sites.shanghai.id, names, [one.vm_id]) == []


@pytest.mark.spec("RP-6")
def test_two_thousand_machines_cost_no_more_queries_than_two(stage: PlanStage) -> None:
    few = stage.protect("a", "b")
    many = stage.protect(*(f"vm-{number:04}" for number in range(2000)))

    def queries(do: Callable[..., Any], *arguments: Any) -> int:
        with CaptureQueriesContext(connection) as captured:
            do(*arguments)
        return len(captured)

    small = queries(stage.create, "Small", [few[:1], few[1:]])
    large = queries(stage.create, "Large", [many[:500], many[500:]])
    # Rows are written in batches.
    assert large <= small + 4
    plans = {plan.name: plan for plan in RecoveryPlan.objects.all()}
    assert len(load_plan(plans["Large"]).item_ids) == 2000
    reads: list[Callable[[RecoveryPlan], Any]] = [
        lambda plan: load_plans([plan]),
        lambda plan: member_names([plan.id]),
        lambda plan: plan_operations([plan.id]),
        lambda plan: stage.update(plan, [few] if plan.name == "Small" else [many]),
    ]
    for read in reads:
        assert queries(read, plans["Large"]) <= queries(read, plans["Small"]) + 4
    assert queries(load_plans, list(plans.values())) == 2
    assert refusal(lambda: stage.create("Too large", [many, few])) == "RecoveryPlanTooManyMachines"
