"""What a gateway does with results at once: steps end, next commands are written and claimed."""

from __future__ import annotations

from itertools import count
from uuid import UUID

import pytest
from django.db import transaction
from opensiterecovery.provider.v1 import command_pb2

from coordinator.fabrics.models import Provider
from coordinator.jobs.actions import LIGHT_MEMBERS
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Command, Job, OperationLock, Step
from coordinator.jobs.registry import ConditionState, FinishedJob, Registry
from coordinator.jobs.services import Engine, begin_job
from coordinator.jobs.states import JobState
from coordinator.jobs.step_rows import SHORT_JOB_STEPS
from coordinator.jobs.steps import Graph, StepKind, StepSpec, host_slot
from tests.integration.jobs.dying import ProcessDied, counting, dying_at
from tests.integration.jobs.fake_provider import FakeProvider, fail
from tests.integration.jobs.families_for_tests import Plan, group, machine
from tests.integration.jobs.jobs_for_tests import TASKS, Clock, command, record, request, states

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("JB-3")]

READ = "read_host_replication"
# Storing, jobs, steps, writing, claiming.
STATEMENTS = 5
NO_FUNCTIONS = Registry(records={"note": lambda _: {}})


@pytest.fixture
def engine(clock: Clock) -> Engine:
    return Engine(NO_FUNCTIONS, clock)


def begin(provider: FakeProvider, clock: Clock, *steps: StepSpec) -> Job:
    with transaction.atomic():
        job = begin_job(request(provider.vault_id, *steps, locks=()), clock())
    advance(job.id, NO_FUNCTIONS, clock)
    return job


def bench_plan(provider: FakeProvider, clock: Clock, members: int) -> Plan:
    """Machines that are shut down and failed over, nothing of a domain in between."""
    plan = Plan(provider, clock)
    chain = (
        command("stop", provider.id, gate="boot", slot=host_slot("hv1")),
        command("move", provider.id, "stop", gate="boot", slot=host_slot("hv1")),
    )
    keys = [f"vm{number}" for number in range(members)]
    children = [
        machine(key, provider.id, scenario="Bench", graph=Graph(TASKS, chain)) for key in keys
    ]
    plan.begin([group("boot", keys, gate="boot")], *children)
    return plan


def step_keys(commands: list[command_pb2.Command]) -> list[str]:
    return [each.step_key for each in commands]


def test_the_next_command_is_claimed_with_the_result_before(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    job = begin(provider, clock, command("a", provider.id), command("b", provider.id, "a"))
    (first,) = provider.fetch()
    intake = provider.hand_in([first], engine)
    assert intake.known == {UUID(first.command_id)}
    assert step_keys(provider.received) == ["a", "b"]
    assert states(job) == {"a": "Succeeded", "b": "InProgress"}
    assert provider.fetch() == [], "it is claimed already"


def test_what_a_domain_has_a_say_in_is_left_to_a_worker_and_due_at_once(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    job = begin(provider, clock, command("a", provider.id), record("b", "a"))
    provider.hand_in(provider.fetch(), engine)
    assert states(job) == {"a": "Succeeded", "b": "NotStarted"}
    job.refresh_from_db()
    assert (job.wake_at, job.asked_at) == (clock(), clock())
    advance(job.id, NO_FUNCTIONS, clock)
    job.refresh_from_db()
    assert (job.state, job.asked_at) == (JobState.SUCCEEDED, None)


def test_a_job_with_a_finisher_is_ended_by_a_worker(provider: FakeProvider, clock: Clock) -> None:
    finished: list[FinishedJob] = []
    registry = Registry(finishers={"PlannedFailover": finished.append})
    plan = Plan(provider, clock)
    chain = (command("stop", provider.id, gate="boot"),)
    plan.begin(
        [group("boot", ["vm"], gate="boot")],
        machine("vm", provider.id, graph=Graph(TASKS, chain)),
    )
    provider.hand_in(list(plan.fetch().values()), Engine(registry, clock))
    assert (plan.child("vm").state, finished) == (JobState.IN_PROGRESS, [])
    assert plan.states("vm") == {"stop": "Succeeded"}
    plan.advance()
    assert plan.child("vm").state == plan.job.state == JobState.SUCCEEDED
    assert {one.target_id for one in plan.finished} == {"item-vm", "item-1"}


def test_a_child_without_a_finisher_ends_at_once_and_its_lock_goes(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    plan = bench_plan(provider, clock, 2)
    first, second = plan.fetch().values()
    provider.hand_in([first], engine)
    assert {plan.child(key).state for key in ("vm0", "vm1")} == {JobState.IN_PROGRESS}
    provider.hand_in([provider.received[-1]], engine)
    ended = {key: plan.child(key).state for key in ("vm0", "vm1")}
    assert sorted(ended.values()) == [JobState.IN_PROGRESS, JobState.SUCCEEDED]
    assert OperationLock.objects.filter(job__root=plan.job).count() == 1
    provider.hand_in([second], engine)
    provider.hand_in([provider.received[-1]], engine)
    plan.job.refresh_from_db()
    assert (plan.job.children_left, plan.job.wake_at) == (0, clock())
    plan.advance()
    assert plan.job.state == JobState.SUCCEEDED


def test_many_results_of_a_plan_take_as_many_statements_as_one(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    plan = bench_plan(provider, clock, 6)
    sent = list(plan.fetch().values())
    counted = []
    for some in (sent[:1], sent[1:]):
        with counting() as statements:
            provider.hand_in(some, engine)
        counted.append(len(statements))
    assert counted == [STATEMENTS, STATEMENTS]


def two_groups(provider: FakeProvider, clock: Clock, members: int) -> Plan:
    plan = Plan(provider, clock)
    keys = [f"vm{number}" for number in range(members)]
    chain = (command("start", provider.id, gate="boot"),)
    children = [
        machine(key, provider.id, scenario="Bench", graph=Graph(TASKS, chain))
        for key in ("first", *keys)
    ]
    groups = [group("g1", ["first"], gate="boot"), group("g2", keys, "g1", gate="boot")]
    plan.begin(groups, *children)
    return plan


def test_a_small_group_is_opened_with_the_last_result_of_the_one_before(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    plan = two_groups(provider, clock, LIGHT_MEMBERS)
    provider.hand_in(list(plan.fetch().values()), engine)
    assert len(provider.received) == 20 + 1, "as many as are claimed at once"
    assert plan.states() == {"g1": "Succeeded", "g2": "InProgress"}
    provider.fetch(LIGHT_MEMBERS)
    provider.hand_in(provider.received[1:], engine)
    plan.advance()
    assert plan.job.state == JobState.SUCCEEDED
    assert {child.state for child in Job.objects.filter(root=plan.job)} == {JobState.SUCCEEDED}


def test_a_large_group_is_left_to_a_worker(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    plan = two_groups(provider, clock, LIGHT_MEMBERS + 1)
    provider.hand_in(list(plan.fetch().values()), engine)
    assert plan.states() == {"g1": "Succeeded", "g2": "NotStarted"}
    plan.job.refresh_from_db()
    assert plan.job.asked_at == clock()
    plan.advance()
    assert plan.states()["g2"] == "InProgress"


def test_a_condition_is_looked_at_by_a_worker_at_once(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    wait = record("seen", "a", kind=StepKind.WAIT, action="seen")
    job = begin(provider, clock, command("a", provider.id), wait)
    provider.hand_in(provider.fetch(), engine)
    job.refresh_from_db()
    assert (job.wake_at, job.asked_at) == (clock(), clock())
    met = Registry(conditions={"seen": lambda _: ConditionState.MET})
    advance(job.id, met, clock)
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED


def test_a_failed_command_ends_its_job_s_way_and_says_why(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    job = begin(provider, clock, command("a", provider.id), command("b", provider.id, "a"))
    provider.hand_in(provider.fetch(), engine, fail())
    assert states(job) == {"a": "Failed", "b": "Skipped"}
    advance(job.id, NO_FUNCTIONS, clock)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert job.errors[0]["code"] == "HostBusy"


def test_results_of_a_long_job_stay_when_others_of_it_come(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    def tell(sent: command_pb2.Command, result: command_pb2.CommandResult) -> None:
        result.host_replication.host = f"{sent.step_key}.contoso.local"

    steps = [
        command(f"s{number}", provider.id, *([f"s{number - 1}"] if number else []), action=READ)
        for number in range(SHORT_JOB_STEPS + 2)
    ]
    job = begin(provider, clock, *steps)
    provider.fetch()
    for _ in steps:
        provider.hand_in(provider.received[-1:], engine, tell)
    stored = {step.key: step.result for step in Step.objects.filter(job=job)}
    assert {key: result and result["host"] for key, result in stored.items()} == {
        step.key: f"{step.key}.contoso.local" for step in steps
    }


def test_a_result_that_comes_again_changes_nothing_and_may_be_forgotten(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    begin(provider, clock, command("a", provider.id), command("b", provider.id, "a"))
    (first,) = provider.fetch()
    provider.hand_in([first], engine)
    again = provider.hand_in([first], engine, fail())
    assert (again.known, again.claimed, again.behind) == ({UUID(first.command_id)}, {}, set())
    assert Command.objects.count() == 2


def test_a_result_whose_job_is_not_known_here_is_taken_in_the_next_round(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    job = begin(provider, clock, command("a", provider.id), command("b", provider.id, "a"))
    (first,) = provider.fetch()
    provider.roots.clear()
    intake = provider.hand_in([first], engine)
    assert intake.behind == {job.id}
    assert states(job)["a"] == "InProgress"
    assert provider.hand_in([], engine, behind=intake.behind).behind == set()
    assert states(job) == {"a": "Succeeded", "b": "InProgress"}


def test_nothing_is_claimed_for_a_session_that_is_not_the_newest(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    job = begin(provider, clock, command("a", provider.id), command("b", provider.id, "a"))
    (first,) = provider.fetch()
    Provider.objects.update(fence=provider.fence + 1)
    intake = provider.hand_in([first], engine)
    assert (states(job)["b"], intake.claimed) == ("InProgress", {})
    provider.fence += 1
    assert step_keys(provider.fetch()) == ["b"]


def test_a_gateway_that_dies_at_any_statement_leaves_no_trace(
    provider: FakeProvider, clock: Clock, engine: Engine
) -> None:
    plan = bench_plan(provider, clock, 2)
    first, _ = plan.fetch().values()

    def everything() -> list[object]:
        steps = Step.objects.order_by("id").values_list("state", "result", "started_at")
        commands = Command.objects.order_by("sequence").values_list("state", "taken_at")
        return [*steps, *commands, *Job.objects.order_by("id").values_list("state", "wake_at")]

    for statement in count():
        before = everything()
        try:
            with dying_at(statement):
                provider.hand_in([first], engine)
            break
        except ProcessDied:
            assert everything() == before
    assert statement == STATEMENTS
    assert step_keys(provider.received)[-1] == "move"
