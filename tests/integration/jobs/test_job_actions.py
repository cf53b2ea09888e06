"""Cancelling, resuming and restarting jobs and families."""

from __future__ import annotations

from uuid import uuid4

import pytest

from coordinator.events.models import Event
from coordinator.failures import RefusedError
from coordinator.jobs import queries
from coordinator.jobs.job_actions import JobAction
from coordinator.jobs.models import Command, Job, OperationLock
from coordinator.jobs.services import Confirmation, begin_job, cancel_job, restart_job, resume_job
from coordinator.jobs.states import CommandState, JobState, StepState
from coordinator.jobs.steps import Graph, StepKind, TaskSpec
from coordinator.jobs.stored_failures import read_failure
from tests.integration.jobs.fake_provider import FakeProvider, fail
from tests.integration.jobs.families_for_tests import (
    Plan,
    group,
    machine,
    manual,
    plan_steps,
)
from tests.integration.jobs.jobs_for_tests import TASKS, Clock, command, record, request

pytestmark = [pytest.mark.django_db, pytest.mark.spec("JB-2")]


@pytest.fixture
def plan(provider: FakeProvider, clock: Clock) -> Plan:
    return Plan(provider, clock)


def actions(job: Job) -> tuple[JobAction, ...]:
    job.refresh_from_db()
    return queries.actions_of(queries.job_view(job), {"PlannedFailover"})


def cancel(plan: Plan, job: Job | None = None) -> None:
    cancel_job((job or plan.job).id, "admin", plan.clock())
    plan.advance()


def code_of(refused: pytest.ExceptionInfo[RefusedError]) -> str:
    failure = refused.value.failure
    assert failure.message
    assert failure.possible_causes
    assert failure.recommended_action
    assert refused.value.status in {404, 409}
    return failure.code


def single(plan: Plan) -> None:
    """Stops, then fails over: the stop can be taken back."""
    pid = plan.provider.id
    plan.begin(
        (
            command("stop", pid),
            command("sync", pid, "stop"),
            command("move", pid, "sync", point_of_no_return=True),
            command("settle", pid, "move"),
            command("release", pid, undoes="sync"),
            command("start-again", pid, "release", undoes="stop"),
        )
    )


@pytest.mark.spec("FO-4")
def test_cancelling_awaits_what_runs_and_takes_back_what_had_begun(plan: Plan) -> None:
    single(plan)
    sent = plan.fetch()
    cancel(plan)
    assert (plan.job.state, plan.job.state_description) == (JobState.IN_PROGRESS, "Cancelling")
    assert plan.states()["stop"] == "InProgress"
    plan.provider.answer(sent["stop"], plan.clock())
    plan.advance()
    assert plan.run() == [{"start-again"}]
    assert plan.states() == {
        "stop": "Succeeded",
        "sync": "Cancelled",
        "move": "Cancelled",
        "settle": "Cancelled",
        "release": "Skipped",
        "start-again": "Succeeded",
    }
    assert (plan.job.state, plan.job.state_description) == (JobState.CANCELLED, "Cancelled")
    assert plan.job.left_text == "item-1 is Cancelled"
    assert plan.job.cancelled_by == "admin"
    assert not OperationLock.objects.exists()


@pytest.mark.spec("FO-4")
def test_what_is_taken_back_goes_in_the_order_of_the_undo_steps(plan: Plan) -> None:
    single(plan)
    plan.answer_all()
    plan.answer_all()
    sent = plan.fetch()
    assert set(sent) == {"move"}, "the point of no return"
    with pytest.raises(RefusedError) as refused:
        cancel_job(plan.job.id, "admin", plan.clock())
    assert code_of(refused) == "CancelNotPossible"


def test_undo_steps_come_after_each_other(plan: Plan) -> None:
    single(plan)
    plan.answer_all()
    sent = plan.fetch()
    cancel(plan)
    plan.provider.answer(sent["sync"], plan.clock())
    plan.advance()
    assert plan.run() == [{"release"}, {"start-again"}]


def test_what_could_not_be_taken_back_holds_back_what_comes_after_it(plan: Plan) -> None:
    single(plan)
    plan.answer_all()
    sent = plan.fetch()
    cancel(plan)
    plan.provider.answer(sent["sync"], plan.clock())
    plan.advance()
    assert plan.run({"release": fail()}) == [{"release"}]
    assert plan.job.state == JobState.CANCELLED
    assert [error["step"] for error in plan.job.errors] == ["release"]
    assert plan.states()["start-again"] == "Skipped"


def test_a_command_that_nobody_was_sent_is_not_sent_any_more(plan: Plan) -> None:
    single(plan)
    cancel(plan)
    assert plan.states()["stop"] == "Cancelled"
    assert Command.objects.get(verb="refresh_host", step__key="stop").state == (
        CommandState.ABANDONED
    )
    assert plan.run() == [{"start-again"}]
    assert plan.job.state == JobState.CANCELLED


def test_a_failure_before_the_point_of_no_return_takes_back_what_had_begun(plan: Plan) -> None:
    single(plan)
    assert plan.run({"sync": fail()})[-2:] == [{"release"}, {"start-again"}]
    assert plan.job.state == JobState.FAILED


def test_a_failure_after_the_point_of_no_return_takes_nothing_back(plan: Plan) -> None:
    single(plan)
    assert plan.run({"settle": fail()})[-1] == {"settle"}
    assert plan.job.state == JobState.FAILED
    assert plan.states()["release"] == "Skipped"


def test_a_waiting_job_is_cancelled_at_once(plan: Plan) -> None:
    plan.begin((manual("ask"), record("after", "ask")))
    cancel(plan)
    assert plan.job.state == JobState.CANCELLED
    assert set(plan.states().values()) == {"Cancelled"}


def test_a_job_is_cancelled_once(plan: Plan) -> None:
    single(plan)
    plan.fetch()
    assert actions(plan.job) == (JobAction.CANCEL,)
    cancel(plan)
    assert actions(plan.job) == ()
    for _ in range(2):
        with pytest.raises(RefusedError) as refused:
            cancel_job(plan.job.id, "admin", plan.clock())
        assert code_of(refused) == "CancelNotPossible"
        plan.run()


@pytest.mark.spec("RP-5")
def test_cancelling_a_plan_cancels_its_members(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin(plan_steps("a", "b"), *(machine(key, pid) for key in "ab"))
    plan.answer_all()
    cancel(plan)
    assert plan.child("b").state == JobState.IN_PROGRESS
    assert plan.run()[-1] >= {"b/start-again"}
    assert plan.job.state == JobState.CANCELLED
    assert plan.child("a").state == plan.child("b").state == JobState.CANCELLED
    assert not OperationLock.objects.exists()


def test_a_member_can_be_cancelled_alone_and_the_plan_goes_on(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin(plan_steps("ab"), machine("a", pid), machine("b", pid))
    sent = plan.fetch()
    cancel_job(plan.child("b").id, "admin", plan.clock())
    for each in sent.values():
        plan.provider.answer(each, plan.clock())
    plan.advance()
    waves = plan.run()
    assert {"b/start-again"} <= set().union(*waves)
    assert waves[-1] == {"a/start"} or {"a/start"} in waves
    assert plan.child("b").state == JobState.CANCELLED
    assert (plan.job.state, plan.job.state_description) == (
        JobState.SUCCEEDED,
        "PartiallySucceeded",
    )


@pytest.mark.spec("RP-2")
def test_a_manual_action_waits_for_a_person_and_keeps_the_note(plan: Plan) -> None:
    pid = plan.provider.id
    steps = (manual("ask"), group("all", "a", "ask"))
    plan.begin(steps, machine("a", pid))
    assert plan.job.state == JobState.SUSPENDED
    assert actions(plan.job) == (JobAction.CANCEL, JobAction.RESUME)
    resume_job(plan.job.id, Confirmation(by="admin", comments="The cables are in."), plan.clock())
    with pytest.raises(RefusedError) as refused:
        resume_job(plan.job.id, Confirmation(by="admin", comments="Again."), plan.clock())
    assert code_of(refused) == "ResumeNotPossible"
    plan.advance()
    assert plan.job.state == JobState.IN_PROGRESS
    assert plan.job.steps.get(key="ask").result == {"comments": "The cables are in.", "by": "admin"}
    plan.run()
    assert plan.job.state == JobState.SUCCEEDED


@pytest.mark.spec("JB-2", "RP-2")
def test_a_confirmation_that_comes_twice_does_not_confirm_the_next_action(plan: Plan) -> None:
    plan.begin((manual("ask"), manual("ask-again", "ask")))
    done = Confirmation(by="admin", comments="Done.", request_id="request-1")
    resume_job(plan.job.id, done, plan.clock())
    plan.advance()
    assert plan.job.state == JobState.SUSPENDED
    resume_job(plan.job.id, done, plan.clock())
    plan.advance()
    assert plan.job.steps.get(key="ask-again").state == StepState.IN_PROGRESS
    other = Confirmation(by="admin", comments="Done too.", request_id="request-2")
    resume_job(plan.job.id, other, plan.clock())
    plan.advance()
    assert plan.job.state == JobState.SUCCEEDED
    # Also of a job that has ended.
    assert resume_job(plan.job.id, done, plan.clock()).id == plan.job.id


@pytest.mark.spec("JB-2", "RP-2")
def test_a_confirmation_of_another_action_than_the_one_that_waits_is_refused(plan: Plan) -> None:
    plan.begin((manual("ask"),))
    with pytest.raises(RefusedError) as refused:
        resume_job(plan.job.id, Confirmation(by="admin", task="Elsewhere"), plan.clock())
    assert code_of(refused) == "ResumeNotPossible"
    assert "Look" in refused.value.failure.recommended_action
    [task] = {step.task for step in plan.job.steps.all()}
    resume_job(plan.job.id, Confirmation(by="admin", task=task), plan.clock())
    plan.advance()
    assert plan.job.state == JobState.SUCCEEDED


@pytest.mark.spec("RP-2")
def test_a_manual_action_that_nobody_comes_for_is_escalated_once(plan: Plan) -> None:
    plan.begin((manual("ask", time_limit_seconds=60),))
    plan.advance()
    assert plan.escalated == []
    for _ in range(3):
        plan.clock.pass_(61)
        plan.advance()
    (call,) = plan.escalated
    assert call.step_key == "ask"
    assert call.inputs == {"instructions": "Look at it."}
    assert plan.job.state == JobState.SUSPENDED
    resume_job(plan.job.id, Confirmation(by="admin"), plan.clock())
    plan.advance()
    assert plan.job.state == JobState.SUCCEEDED


@pytest.mark.spec("RP-2", "EV-1")
@pytest.mark.parametrize("end", ["resume", "cancel"])
def test_a_manual_action_that_nobody_comes_for_is_an_event_until_somebody_does(
    plan: Plan, end: str
) -> None:
    plan.begin((manual("ask", time_limit_seconds=90),))
    plan.clock.pass_(91)
    plan.advance()
    event = Event.objects.get(cleared_at=None)
    assert (event.code, event.type) == ("ManualActionOverdue", "JobStatus")
    failure = read_failure(event.failure)
    assert "1.5 minutes" in failure.message
    assert failure.possible_causes
    assert str(plan.job.id) in failure.recommended_action
    if end == "resume":
        resume_job(plan.job.id, Confirmation(by="admin"), plan.clock())
    else:
        cancel(plan)
    assert not Event.objects.filter(cleared_at=None).exists()


@pytest.mark.spec("RP-2")
def test_a_member_s_manual_action_suspends_the_plan_and_is_resumed_there(plan: Plan) -> None:
    asking = machine("a", plan.provider.id, graph=Graph(TASKS, (manual("ask"),)))
    plan.begin((group("all", "a"),), asking)
    assert plan.job.state == plan.child("a").state == JobState.SUSPENDED
    resume_job(plan.job.id, Confirmation(by="admin", comments="Done."), plan.clock())
    plan.advance()
    assert plan.job.state == plan.child("a").state == JobState.SUCCEEDED
    assert plan.job.children_suspended == 0


def test_a_restarted_job_goes_on_where_it_failed(plan: Plan) -> None:
    single(plan)
    plan.run({"settle": fail()})
    assert plan.job.state == JobState.FAILED
    assert actions(plan.job) == (JobAction.RESTART,)
    shown = plan.percent()
    assert 0 < shown < 100
    restart_job(plan.job.id, "admin", plan.clock(), plan.registry.restarters)
    plan.advance()
    assert (plan.job.state, plan.job.errors) == (JobState.IN_PROGRESS, [])
    assert OperationLock.objects.filter(job=plan.job).exists()
    (restarted,) = plan.restarted
    assert restarted.state == JobState.FAILED
    assert restarted.steps["settle"] == "Failed"
    assert plan.percent() >= shown
    assert plan.run() == [{"settle"}]
    assert (plan.job.state, plan.percent()) == (JobState.SUCCEEDED, 100)


def test_a_restarted_job_does_again_what_was_taken_back_and_what_came_after(plan: Plan) -> None:
    single(plan)
    plan.run({"sync": fail()})
    restart_job(plan.job.id, "admin", plan.clock(), plan.registry.restarters)
    plan.advance()
    assert plan.run() == [{"stop"}, {"sync"}, {"move"}, {"settle"}]
    assert plan.job.state == JobState.SUCCEEDED
    assert plan.states()["release"] == "Skipped"


@pytest.mark.parametrize("how", ["running", "succeeded", "unknown kind", "child"])
def test_what_cannot_be_restarted_says_why(plan: Plan, how: str) -> None:
    single(plan)
    job, restarters = plan.job, plan.registry.restarters
    if how == "succeeded":
        plan.run()
    if how == "unknown kind":
        plan.run({"stop": fail()})
        restarters = {}
    if how == "child":
        plan.run()
        plan.begin(plan_steps("a"), machine("a", plan.provider.id))
        plan.run({"a/stop": fail()})
        job = plan.child("a")
    with pytest.raises(RefusedError) as refused:
        restart_job(job.id, "admin", plan.clock(), restarters)
    assert code_of(refused) == "RestartNotPossible"


def test_a_job_whose_object_is_busy_elsewhere_is_not_restarted(plan: Plan) -> None:
    single(plan)
    plan.run({"settle": fail()})
    other = request(plan.provider.vault_id, record("a"), locks=("plan:1",), scenario="Other")
    begin_job(other, plan.clock())
    with pytest.raises(RefusedError) as refused:
        restart_job(plan.job.id, "admin", plan.clock(), plan.registry.restarters)
    assert code_of(refused) == "532"


@pytest.mark.spec("RP-3")
def test_a_restarted_plan_goes_on_with_the_members_that_did_not_end_well(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin(plan_steps("a", "b", "c"), *(machine(key, pid) for key in "abc"))
    plan.run({"b/start": fail()})
    assert plan.job.state == JobState.FAILED
    assert plan.child("a").state == JobState.SUCCEEDED
    shown = plan.percent()
    restart_job(plan.job.id, "admin", plan.clock(), plan.registry.restarters)
    plan.advance()
    assert {each.target_id for each in plan.restarted} == {"item-1", "item-b", "item-c"}
    assert plan.percent() >= shown
    assert plan.run() == [{"b/start"}, {"c/start"}]
    assert plan.job.state == JobState.SUCCEEDED
    assert plan.job.children_left == 0


@pytest.mark.spec("RP-1")
def test_a_restarted_plan_shuts_down_in_its_order_what_was_started_again(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin(plan_steps("a", "b", "c"), *(machine(key, pid) for key in "abc"))
    plan.run({"b/stop": fail()})
    assert plan.child("c").state == JobState.CANCELLED
    assert plan.states("c")["start-again"] == "Succeeded"
    restart_job(plan.job.id, "admin", plan.clock(), plan.registry.restarters)
    plan.advance()
    assert plan.run() == [
        {"c/stop"},
        {"b/stop"},
        {"a/stop"},
        {"a/move", "b/move", "c/move"},
        {"a/start"},
        {"b/start"},
        {"c/start"},
    ]
    assert plan.job.state == JobState.SUCCEEDED


def test_a_job_that_is_not_there_cannot_be_acted_on(plan: Plan) -> None:
    with pytest.raises(RefusedError) as refused:
        cancel_job(uuid4(), "admin", plan.clock())
    assert code_of(refused) == "JobNotFound"


def test_a_finished_job_s_tasks_show_what_was_taken_back(plan: Plan) -> None:
    pid = plan.provider.id
    steps = (
        command("stop", pid),
        command("sync", pid, "stop"),
        command("start-again", pid, undoes="stop", task="Undo"),
    )
    graph = Graph((*TASKS, TaskSpec("Undo", "Start again")), steps)
    plan.job = begin_job(request(plan.provider.vault_id, graph=graph), plan.clock())
    plan.advance()
    plan.run({"sync": fail()})
    view = queries.job_view(plan.job)
    assert [task.state for task in view.tasks] == ["Failed", "Skipped", "Succeeded"]


@pytest.mark.spec("JB-1")
def test_progress_never_falls_and_is_whole_only_at_a_good_end(plan: Plan) -> None:
    pid = plan.provider.id
    plan.begin(plan_steps("a", "b"), *(machine(key, pid) for key in "ab"))
    seen = [plan.percent()]
    while plan.answer_all():
        seen.append(plan.percent())
    assert seen == sorted(seen)
    assert len(set(seen)) > 4
    assert (seen[0], seen[-1]) == (seen[0], 100)
    assert StepKind.GROUP in {step.kind for step in queries.job_view(plan.job).steps}
