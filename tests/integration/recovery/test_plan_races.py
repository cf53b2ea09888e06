"""Two requests about one plan at the same moment, each in a transaction of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from django.db import connection, transaction

from coordinator.fabrics.models import Provider
from coordinator.failures import RefusedError
from coordinator.protection.services import RequestOrigin, unregister_server
from coordinator.recovery.models import PlanMember, RecoveryPlan
from coordinator.recovery.plans.queries import load_plan, plans_of_fabric
from coordinator.recovery.plans.services import delete_plan, update_plan
from tests.integration.recovery.plan_stage import ORIGIN, PlanStage, drafts, make_stage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("RP-1")]

ROUNDS = 5


@pytest.fixture
def committed(transactional_db: None) -> PlanStage:
    """A stage that other connections see."""
    return make_stage()


def at_once(calls: Sequence[Callable[[], object]]) -> list[str]:
    """Runs each call in a thread and a transaction of its own; refusals' codes, or "done"."""
    together = threading.Barrier(len(calls))
    outcomes: list[str] = []

    def run(call: Callable[[], object]) -> None:
        try:
            together.wait(30)
            with transaction.atomic():
                call()
            outcomes.append("done")
        except RefusedError as error:
            outcomes.append(error.failure.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(outcomes)


def test_of_two_saves_one_is_made_and_the_other_told(committed: PlanStage) -> None:
    one, two, three = committed.protect("one", "two", "three")
    plan = committed.create("App", [[one]])
    now = committed.tick()
    outcomes = at_once(
        [
            lambda: update_plan(plan, drafts([[one, two]]), ORIGIN, now, expected_revision=1),
            lambda: update_plan(plan, drafts([[one], [three]]), ORIGIN, now, expected_revision=1),
        ]
    )
    assert outcomes in (["532", "done"], ["RecoveryPlanChanged", "done"])
    assert RecoveryPlan.objects.get().revision == 2
    assert len(load_plan(RecoveryPlan.objects.get()).item_ids) == 2


def test_one_request_that_comes_in_twice_saves_once(committed: PlanStage) -> None:
    one, two = committed.protect("one", "two")
    plan = committed.create("App", [[one]])
    origin = RequestOrigin(started_by="tests", client_request_id="r-1")
    first, second = committed.tick(), committed.tick()
    outcomes = at_once(
        [
            lambda: update_plan(plan, drafts([[two]]), origin, first),
            lambda: update_plan(plan, drafts([[two]]), origin, second),
        ]
    )
    assert outcomes == ["done", "done"]
    assert RecoveryPlan.objects.get().revision == 2
    assert PlanMember.objects.count() == 1


def test_of_two_plans_of_one_name_one_is_made(committed: PlanStage) -> None:
    [one] = committed.protect("one")
    outcomes = at_once(
        [lambda: committed.create("App", [[one]]), lambda: committed.create("app", [[one]])]
    )
    assert outcomes == ["NameInUse", "done"]


def test_a_plan_that_is_saved_and_deleted_at_once_is_whole_or_gone(committed: PlanStage) -> None:
    [one] = committed.protect("one")
    for number in range(ROUNDS):
        plan = committed.create(f"App-{number}", [[one]])
        outcomes = at_once(
            [
                partial(update_plan, plan, drafts([[one]]), ORIGIN, committed.tick()),
                partial(delete_plan, plan, ORIGIN, committed.tick()),
            ]
        )
        assert outcomes in (["532", "done"], ["NotFound", "done"])
        assert PlanMember.objects.filter(plan=plan.pk).count() == (
            RecoveryPlan.objects.filter(id=plan.id).count()
        )


@pytest.mark.spec("EN-8")
def test_a_server_goes_or_gets_a_plan_but_not_both(committed: PlanStage) -> None:
    [one] = committed.protect("one")
    beijing = committed.sites.beijing
    now = committed.tick()
    outcomes = at_once(
        [
            lambda: unregister_server(beijing, ORIGIN, now, find_more=plans_of_fabric),
            lambda: committed.create("App", [[one]]),
        ]
    )
    # The machine keeps the server in any case; the plan must not be made of one that is going.
    assert outcomes == ["ServerInUse", "done"]
    assert Provider.objects.filter(fabric=beijing, unregistered_at=None).exists()
