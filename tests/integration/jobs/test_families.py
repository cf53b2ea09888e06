"""Families: gates, groups, failures of members, children beside their root."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from coordinator.failures import RefusedError
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.registry import ConditionState, RecordCall
from coordinator.jobs.services import begin_job
from coordinator.jobs.states import JobState
from coordinator.jobs.steps import Graph, StepKind, StepSpec
from coordinator.jobs.sweep import ask_for_due_jobs
from tests.integration.jobs.fake_provider import FakeProvider, fail
from tests.integration.jobs.families_for_tests import (
    WARN,
    Plan,
    group,
    machine,
    plan_steps,
)
from tests.integration.jobs.jobs_for_tests import TASKS, Clock, command, record, request

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan(provider: FakeProvider, clock: Clock) -> Plan:
    return Plan(provider, clock)


def warning(steps: tuple[StepSpec, ...]) -> tuple[StepSpec, ...]:
    return tuple(replace(step, on_failure=WARN) for step in steps)


@pytest.mark.spec("RP-1")
def test_groups_are_shut_down_in_reverse_moved_together_and_started_in_order(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin(plan_steps("ab", "c"), *(machine(key, pid) for key in "abc"))
    assert plan.run() == [
        {"c/stop"},
        {"a/stop", "b/stop"},
        {"a/move", "b/move", "c/move"},
        {"a/start", "b/start"},
        {"c/start"},
    ]
    assert (plan.job.state, plan.job.state_description) == (JobState.SUCCEEDED, "Completed")
    assert plan.job.children_left == 0
    assert set(plan.states().values()) == {"Succeeded"}
    for key in "abc":
        child = plan.child(key)
        assert (child.state, child.wake_at) == (JobState.SUCCEEDED, None)
        assert plan.states(key)["start-again"] == "Skipped"
        assert child.left_text == f"item-{key} is Succeeded"
    assert plan.finished[-1].target_id == "item-1"
    assert sorted(each.target_id for each in plan.finished[:-1]) == ["item-a", "item-b", "item-c"]
    assert not OperationLock.objects.exists()


def test_one_slow_member_holds_back_the_next_group_only(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin(plan_steps("ab"), *(machine(key, pid) for key in "ab"))
    sent = plan.fetch()
    plan.provider.answer(sent["a/stop"], plan.clock())
    plan.advance()
    assert plan.fetch() == {}
    assert plan.states("a")["move"] == "NotStarted"
    plan.provider.answer(sent["b/stop"], plan.clock())
    plan.advance()
    assert set(plan.fetch()) == {"a/move", "b/move"}


def test_a_member_that_fails_stops_the_plan_and_what_can_go_back_does(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin(plan_steps("a", "b"), *(machine(key, pid) for key in "ab"))
    waves = plan.run({"a/stop": fail()})
    assert waves[:2] == [{"b/stop"}, {"a/stop"}]
    assert set().union(*waves[2:]) == {"a/start-again", "b/start-again"}
    assert plan.job.state == JobState.FAILED
    (error,) = plan.job.errors
    assert error["code"] == "GroupMembersFailed"
    assert "A" in error["message"]
    assert error["possibleCauses"]
    assert error["recommendedAction"]
    assert plan.states()["failover"] == "Skipped"
    assert plan.child("a").state == JobState.FAILED
    assert plan.child("b").state == JobState.CANCELLED
    assert not OperationLock.objects.exists()


def test_a_member_past_its_point_of_no_return_says_that_it_was_left(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin(plan_steps("a", "b"), *(machine(key, pid) for key in "ab"))
    plan.run({"a/start": fail()})
    assert plan.job.state == JobState.FAILED
    left = plan.child("b")
    assert left.state == JobState.FAILED
    assert [error["code"] for error in left.errors] == ["FamilyStopped"]
    assert plan.states("b")["start-again"] == "Skipped"


@pytest.mark.spec("RP-3")
def test_under_the_rule_warn_the_others_go_on_and_a_failure_counts_once(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin(warning(plan_steps("a", "b")), *(machine(key, pid) for key in "ab"))
    waves = plan.run({"b/stop": fail()})
    assert waves[-1] == {"a/start"}
    assert (plan.job.state, plan.job.state_description) == (
        JobState.SUCCEEDED,
        "PartiallySucceeded",
    )
    told = {key: state for key, state in plan.states().items() if state == "Warned"}
    assert set(told) == {"shutdown-2"}
    assert plan.child("b").state == JobState.FAILED


def test_a_member_that_failed_before_its_group_counts_in_the_first_that_names_it(
    plan: Plan,
) -> None:
    broken = machine("a", plan.provider.id, graph=Graph(TASKS, (record("check", action="none"),)))
    plan.begin(warning((group("g1", "a"), group("g2", "a", "g1", gate="boot"))), broken)
    assert plan.states() == {"g1": "Warned", "g2": "Succeeded"}
    # Nothing of what was to be done was done, though no rule stopped the plan.
    assert plan.job.state == JobState.FAILED


@pytest.mark.spec("RP-1")
def test_a_skipped_child_has_ended_well_from_the_start_and_needs_no_lock(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin(
        plan_steps("ab"),
        machine("a", pid),
        machine("b", pid, skipped_reason="B is failed over already."),
    )
    skipped = plan.child("b")
    assert (skipped.state, skipped.state_description) == (JobState.SUCCEEDED, "Skipped")
    assert skipped.left_text == "B is failed over already."
    assert not OperationLock.objects.filter(key="item:b").exists()
    assert plan.run() == [{"a/stop"}, {"a/move"}, {"a/start"}]
    assert plan.job.state_description == "Completed"


def test_a_group_without_a_gate_lets_its_members_run_wholly(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin((group("g1", "a"), group("g2", "b", "g1")), machine("a", pid), machine("b", pid))
    assert plan.run() == [
        {"a/stop"},
        {"a/move"},
        {"a/start"},
        {"b/stop"},
        {"b/move"},
        {"b/start"},
    ]


def test_a_plan_of_nobody_ends_at_once(plan: Plan) -> None:
    plan.begin((group("g", []),))
    assert plan.job.state == JobState.SUCCEEDED


@pytest.mark.spec("FO-6")
def test_a_member_with_another_job_refuses_the_whole_family(plan: Plan) -> None:
    pid = plan.provider.id
    begin_job(request(plan.provider.vault_id, command("a", pid), locks=("item:b",)), plan.clock())
    children = (machine("a", pid), machine("b", pid))
    graph = Graph(TASKS, (group("g", "ab"),), children)
    wanted = request(plan.provider.vault_id, graph=graph, locks=("plan:1",))
    with pytest.raises(RefusedError) as refused:
        begin_job(wanted, plan.clock())
    assert refused.value.failure.code == "532"


def test_a_child_asked_for_is_looked_at_though_its_root_waits(plan: Plan) -> None:
    wait = record("wait", kind=StepKind.WAIT, action="copied")
    child = machine("a", plan.provider.id, graph=Graph(TASKS, (wait,)))
    met: list[bool] = []

    def copied(_call: RecordCall) -> ConditionState:
        return ConditionState.MET if met else ConditionState.PENDING

    plan.registry = replace(plan.registry, conditions={"copied": copied})
    plan.begin((group("g", "a"),), child)
    assert plan.states("a") == {"wait": "InProgress"}
    met.append(True)
    plan.advance()
    assert plan.states("a") == {"wait": "InProgress"}
    child_id = plan.child("a").id
    advance(plan.job.id, plan.registry, plan.clock, look=[child_id])
    assert plan.states("a") == {"wait": "Succeeded"}


def test_the_sweep_asks_for_the_root_of_a_child_that_is_due(plan: Plan) -> None:
    step = command("slow", plan.provider.id, time_limit_seconds=60, attempts=1)
    plan.begin((group("g", "a"),), machine("a", plan.provider.id, graph=Graph(TASKS, (step,))))
    plan.clock.pass_(100)
    assert plan.job.wake_at is not None
    assert plan.job.wake_at > plan.clock()
    # Nobody takes messages here, but it is the root that would have been asked for.
    assert ask_for_due_jobs(plan.clock()) == 0
    plan.advance()
    assert plan.child("a").state == JobState.FAILED
    assert plan.job.state == JobState.FAILED


@pytest.mark.spec("RP-6")
def test_what_an_action_costs_does_not_grow_with_the_plan(plan: Plan) -> None:
    pid = plan.provider.id
    counts = []
    for size in (5, 50):
        keys = [f"{size}-{number}" for number in range(size)]
        plan.begin(plan_steps(keys), *(machine(key, pid) for key in keys))
        sent = plan.fetch()
        plan.provider.answer(sent[f"{keys[0]}/stop"], plan.clock())
        with CaptureQueriesContext(connection) as queries:
            plan.advance()
        counts.append(len(queries))
        Job.objects.all().delete()
    assert counts[0] == counts[1]
