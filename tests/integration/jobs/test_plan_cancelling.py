"""Plans cancelled while some of their machines cannot go back, and their place in lists of jobs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from coordinator.fabrics.models import Provider
from coordinator.failures import RefusedError
from coordinator.jobs import queries
from coordinator.jobs.models import Command, OperationLock, Step
from coordinator.jobs.queries import JobFilters
from coordinator.jobs.services import begin_job, cancel_job
from coordinator.jobs.states import JobState
from coordinator.jobs.sweep import sweep
from coordinator.vaults.models import Vault
from tests.integration.jobs.fake_provider import FakeProvider, fail, register
from tests.integration.jobs.families_for_tests import Plan, machine, manual, plan_steps
from tests.integration.jobs.jobs_for_tests import Clock, command, request
from tests.integration.jobs.test_job_actions import cancel, code_of

pytestmark = [pytest.mark.django_db, pytest.mark.spec("JB-2")]


@pytest.fixture
def plan(provider: FakeProvider, clock: Clock) -> Plan:
    return Plan(provider, clock)


@pytest.mark.spec("RP-5")
def test_a_cancelled_plan_leads_members_past_their_return_to_their_end_in_order(
    plan: Plan,
) -> None:
    """What can go back goes back; nothing is left off on both sides; actions are left out."""
    pid = plan.provider.id
    steps = list(plan_steps("ab", "c", "d"))
    boot = [each.key for each in steps].index("boot-2")
    steps[boot : boot + 1] = [
        manual("ask", "boot-1"),
        replace(steps[boot], after=("ask",)),
    ]
    plan.begin(steps, *(machine(key, pid) for key in "abcd"))
    for _ in range(3):
        plan.answer_all()
    sent = plan.fetch()
    assert set(sent) == {"a/move", "b/move", "c/move", "d/move"}
    # One has not got so far.
    Step.objects.filter(job=plan.child("b"), key="move").update(
        state="NotStarted", started_at=None, attempts=0, deadline_at=None
    )
    Command.objects.filter(step__job=plan.child("b"), step__key="move").delete()
    cancel(plan)
    assert plan.job.state_description == "Cancelling"
    with pytest.raises(RefusedError) as refused:
        cancel_job(plan.job.id, "admin", plan.clock())
    assert code_of(refused) == "CancelNotPossible"
    assert plan.answer_all() == {"b/start-again"}
    for key in "acd":
        plan.provider.answer(sent[f"{key}/move"], plan.clock())
    plan.advance()
    assert plan.run() == [{"a/start"}, {"c/start"}, {"d/start"}]
    assert plan.job.state == JobState.CANCELLED
    assert {key: plan.child(key).state for key in "abcd"} == {
        "a": JobState.SUCCEEDED,
        "b": JobState.CANCELLED,
        "c": JobState.SUCCEEDED,
        "d": JobState.SUCCEEDED,
    }
    assert plan.states()["ask"] == "Cancelled"
    assert not OperationLock.objects.exists()


@pytest.mark.spec("RP-5")
def test_a_member_that_fails_while_a_cancelled_plan_winds_up_holds_up_no_other(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin(plan_steps("a", "b"), *(machine(key, pid) for key in "ab"))
    for _ in range(3):
        plan.answer_all()
    assert plan.states()["boot-1"] == "InProgress"
    cancel(plan)
    assert plan.run({"a/start": fail()})[-1] == {"b/start"}
    assert plan.child("b").state == JobState.SUCCEEDED
    assert plan.job.finished_at is not None
    assert not OperationLock.objects.exists()


@pytest.mark.spec("RP-5")
def test_a_cancelled_plan_leads_no_member_to_an_end_that_a_lost_site_stands_against(
    plan: Plan,
) -> None:
    lost, clock = plan.provider, plan.clock
    there = register(Vault.objects.get(id=lost.vault_id), "vmm-beijing", clock())
    plan.begin(plan_steps("a", "b"), machine("a", lost.id), machine("b", there.id))

    def answer_there() -> None:
        for sent in there.fetch():
            there.answer(sent, clock())
        plan.advance()

    answer_there()
    assert plan.answer_all() == {"a/stop"}
    assert set(plan.fetch()) == {"a/move"}
    [move] = there.fetch()
    Provider.objects.filter(id=there.id).update(connected_at=clock())
    clock.pass_(60)
    Provider.objects.filter(id=there.id).update(last_heartbeat_at=clock())
    cancel(plan)
    sweep(clock())
    plan.advance()
    assert plan.child("a").state == JobState.FAILED
    there.answer(move, clock())
    plan.advance()
    answer_there()
    assert plan.child("b").state == JobState.SUCCEEDED
    assert plan.job.finished_at is not None
    assert not OperationLock.objects.exists()


@pytest.mark.spec("RP-5")
def test_a_plan_that_waits_for_a_person_is_cancelled_whatever_has_come_past_its_return(
    plan: Plan,
) -> None:
    pid = plan.provider.id
    steps = (*plan_steps("a"), manual("ask", "boot-1"))
    plan.begin(steps, machine("a", pid))
    plan.run()
    assert plan.job.state == JobState.SUSPENDED
    cancel(plan)
    assert plan.job.state == JobState.CANCELLED


@pytest.mark.spec("JB-1", "RP-5")
def test_jobs_of_members_are_listed_where_their_objects_are_asked_for(plan: Plan) -> None:
    pid, vault_id = plan.provider.id, plan.provider.vault_id
    plan.begin(plan_steps("a", "b"), *(machine(key, pid) for key in "ab"))
    assert [job.id for job in queries.list_jobs(vault_id)] == [plan.job.id]
    of_machines = queries.list_jobs(vault_id, JobFilters(target_types=["ProtectionEntity"]))
    assert {job.child_key for job in of_machines} == {"", "a", "b"}
    [of_a] = queries.list_jobs(vault_id, JobFilters(target_ids=["item-a"]))
    assert of_a.root_id == plan.job.id


@pytest.mark.spec("JB-1")
def test_a_list_of_running_jobs_asks_no_more_for_more_of_them(plan: Plan) -> None:
    pid, vault_id = plan.provider.id, plan.provider.vault_id
    asked = []
    for count in (2, 20):
        for number in range(count):
            each = request(vault_id, command("stop", pid), locks=(f"item:{count}-{number}",))
            begin_job(each, plan.clock())
        with CaptureQueriesContext(connection) as captured:
            assert len(queries.list_jobs(vault_id)) >= count
        asked.append(len(captured))
    assert asked[1] <= asked[0]
