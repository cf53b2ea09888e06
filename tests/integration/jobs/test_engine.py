"""The engine on PostgreSQL: one job from begin to end, with a provider that answers as told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import pytest
from opensiterecovery.provider.v1 import command_pb2

from coordinator.failures import Failure, refuse
from coordinator.jobs import queries
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Command, Job, OperationLock, Step
from coordinator.jobs.registry import (
    ConditionState,
    FinishedJob,
    RecordCall,
    Registry,
    StepFailedError,
)
from coordinator.jobs.services import begin_job, record_progress
from coordinator.jobs.states import CommandState, JobState, StepState
from coordinator.jobs.step_rows import SHORT_JOB_STEPS
from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.vaults.models import Vault
from tests.integration.jobs.fake_provider import FakeProvider, fail
from tests.integration.jobs.jobs_for_tests import Clock, command, record, request, states

pytestmark = pytest.mark.django_db


class Domain:
    """Record functions, a condition and a finisher that note how they were called."""

    def __init__(self) -> None:
        self.calls: list[RecordCall] = []
        self.finished: list[FinishedJob] = []
        self.met = False
        self.registry = Registry(
            records={
                "note": self.note,
                "break": self.break_,
                "refuse": self.refuse,
                "hesitate": self.hesitate,
                "babble": self.babble,
            },
            conditions={"copied": self.copied},
            finishers={"PlannedFailover": self.finish},
        )

    def note(self, call: RecordCall) -> Mapping[str, object]:
        self.calls.append(call)
        return {"number": len(self.calls)}

    def break_(self, call: RecordCall) -> Mapping[str, object]:
        Vault.objects.filter(id=call.vault_id).update(location="changed")
        raise RuntimeError("a fault")

    def refuse(self, call: RecordCall) -> Mapping[str, object]:
        Vault.objects.filter(id=call.vault_id).update(location="changed")
        raise refuse("NoPlace", "No host has room.", action="Make room.")

    def hesitate(self, call: RecordCall) -> Mapping[str, object]:
        self.calls.append(call)
        if len(self.calls) == 1:
            failure = Failure("NotYet", "The copy is not there yet.", (), "Wait.")
            raise StepFailedError(failure, transient=True)
        return {}

    def babble(self, call: RecordCall) -> Mapping[str, object]:
        return {"not": {"json"}, "call": call.target_id}

    def copied(self, call: RecordCall) -> ConditionState:
        self.calls.append(call)
        return ConditionState.MET if self.met else ConditionState.PENDING

    def finish(self, job: FinishedJob) -> None:
        self.finished.append(job)


@pytest.fixture
def domain() -> Domain:
    return Domain()


class Bench:
    """One job, its engine and its provider."""

    def __init__(self, provider: FakeProvider, domain: Domain, clock: Clock) -> None:
        self.provider = provider
        self.domain = domain
        self.clock = clock
        self.announced: list[set[UUID]] = []
        self.job = Job()

    def begin(self, *steps: StepSpec, **changes: object) -> Job:
        self.job = begin_job(request(self.provider.vault_id, *steps, **changes), self.clock())
        self.advance()
        return self.job

    def advance(self) -> None:
        advance(self.job.id, self.domain.registry, self.clock)
        self.job.refresh_from_db()

    def answer_all(self) -> list[command_pb2.Command]:
        commands = self.provider.fetch()
        for each in commands:
            self.provider.answer(each, self.clock())
        self.advance()
        return commands

    def error(self) -> dict[str, object]:
        (error,) = self.job.errors
        assert isinstance(error, dict)
        return error

    def states(self) -> dict[str, str]:
        return states(self.job)


@pytest.fixture
def bench(provider: FakeProvider, domain: Domain, clock: Clock) -> Bench:
    return Bench(provider, domain, clock)


def test_a_job_runs_from_begin_to_end(bench: Bench, provider: FakeProvider) -> None:
    job = bench.begin(
        command("a", provider.id),
        record("b", "a", inputs={"host": Output("a", "host"), "fixed": [1]}),
        command("c", provider.id, "b"),
        arguments={"direction": "PrimaryToRecovery"},
    )
    assert bench.states() == {"a": "InProgress", "b": "NotStarted", "c": "NotStarted"}
    assert job.state == JobState.IN_PROGRESS
    (first,) = bench.answer_all()
    assert first.refresh_host.host == "hv1"
    assert (first.job_id, first.step_key) == (str(job.id), "a")
    assert UUID(first.command_id).int & 0xFFFFFFFF == 0
    assert first.time_limit.ToTimedelta() == timedelta(seconds=600)
    assert bench.states() == {"a": "Succeeded", "b": "Succeeded", "c": "InProgress"}
    (call,) = bench.domain.calls
    assert call.inputs == {"host": "", "fixed": [1]}
    assert call.arguments == {"direction": "PrimaryToRecovery"}
    assert (call.target_id, call.vault_id) == ("item-1", provider.vault_id)
    bench.answer_all()
    assert set(bench.states().values()) == {"Succeeded"}
    assert (job.state, job.state_description) == (JobState.SUCCEEDED, "Completed")
    assert job.wake_at is None
    assert not OperationLock.objects.filter(job=job).exists()
    (finished,) = bench.domain.finished
    assert (finished.state, finished.failures) == (JobState.SUCCEEDED, ())
    assert finished.arguments == {"direction": "PrimaryToRecovery"}


def test_outputs_reach_the_next_command(bench: Bench, provider: FakeProvider) -> None:
    bench.begin(
        command("read", provider.id, action="read_host_replication"),
        command("again", provider.id, "read", inputs={"host": Output("read", "host")}),
    )

    def tell(_command: command_pb2.Command, result: command_pb2.CommandResult) -> None:
        result.host_replication.host = "hv2.contoso.local"

    (first,) = provider.fetch()
    provider.answer(first, bench.clock(), tell)
    bench.advance()
    (second,) = provider.fetch()
    assert second.refresh_host.host == "hv2.contoso.local"


def test_a_result_just_taken_reaches_the_next_step_of_a_long_job(
    bench: Bench, provider: FakeProvider
) -> None:
    more = [record(f"more{number}", "end") for number in range(SHORT_JOB_STEPS)]
    bench.begin(
        command("read", provider.id, action="read_host_replication"),
        record("end", "read", inputs={"host": Output("read", "host")}),
        *more,
    )

    def tell(_command: command_pb2.Command, result: command_pb2.CommandResult) -> None:
        result.host_replication.host = "hv2.contoso.local"

    (read,) = provider.fetch()
    provider.answer(read, bench.clock(), tell)
    bench.advance()
    assert bench.job.state == JobState.SUCCEEDED, bench.job.errors
    assert bench.domain.calls[0].inputs == {"host": "hv2.contoso.local"}
    stored = Step.objects.get(job=bench.job, key="read").result
    assert stored is not None
    assert stored["host"] == "hv2.contoso.local"


def test_all_waiting_results_are_taken_in_one_advance(bench: Bench, provider: FakeProvider) -> None:
    bench.begin(
        *[command(f"a{number}", provider.id) for number in range(5)],
        record("end", *[f"a{number}" for number in range(5)]),
    )
    assert len(bench.answer_all()) == 5
    assert bench.job.state == JobState.SUCCEEDED


@pytest.mark.spec("JB-3")
def test_advancing_again_changes_nothing(bench: Bench, provider: FakeProvider) -> None:
    bench.begin(command("a", provider.id), record("b", "a"))
    for _ in range(3):
        bench.advance()
    assert Command.objects.count() == 1
    (sent,) = provider.fetch()
    provider.answer(sent, bench.clock())
    provider.answer(sent, bench.clock(), fail())
    for _ in range(3):
        bench.advance()
    assert bench.job.state == JobState.SUCCEEDED
    assert len(bench.domain.calls) == len(bench.domain.finished) == 1


def test_a_failed_command_stops_the_job_and_says_why(bench: Bench, provider: FakeProvider) -> None:
    bench.begin(
        command("a", provider.id),
        command("slow", provider.id),
        record("b", "a"),
        record("c", "slow"),
    )
    first, slow = provider.fetch()
    provider.answer(first, bench.clock(), fail())
    bench.advance()
    assert bench.states() == {
        "a": "Failed",
        "slow": "InProgress",
        "b": "Skipped",
        "c": "Skipped",
    }
    assert bench.job.state == JobState.IN_PROGRESS
    provider.answer(slow, bench.clock())
    bench.advance()
    assert bench.job.state == JobState.FAILED
    assert bench.error() == {
        "code": "HostBusy",
        "message": "hv1 is busy.",
        "possibleCauses": ["A checkpoint is merging."],
        "recommendedAction": "Wait.",
        "task": "First",
        "step": "a",
        "at": bench.clock().isoformat(),
    }
    (finished,) = bench.domain.finished
    assert finished.state is JobState.FAILED
    assert finished.failures[0].code == "HostBusy"
    assert not OperationLock.objects.exists()


def test_a_warning_lets_the_job_go_on(bench: Bench, provider: FakeProvider) -> None:
    bench.begin(command("a", provider.id, on_failure=FailureRule.WARN), record("b", "a"))
    (first,) = provider.fetch()
    provider.answer(first, bench.clock(), fail())
    bench.advance()
    assert bench.states() == {"a": "Warned", "b": "Succeeded"}
    assert bench.job.state == JobState.SUCCEEDED
    assert bench.job.state_description == "CompletedWithInformation"
    assert bench.error()["step"] == "a"


def test_a_transient_failure_is_tried_again_as_a_new_command(
    bench: Bench, provider: FakeProvider
) -> None:
    bench.begin(command("a", provider.id, attempts=3))
    for pause in (2, 6):
        (sent,) = provider.fetch()
        provider.answer(sent, bench.clock(), fail(transient=True))
        bench.advance()
        assert bench.states() == {"a": "InProgress"}
        bench.clock.pass_(pause - 0.1)
        bench.advance()
        assert provider.fetch() == []
        bench.clock.pass_(0.1)
        bench.advance()
    (sent,) = provider.fetch()
    provider.answer(sent, bench.clock(), fail(transient=True))
    bench.advance()
    assert bench.job.state == JobState.FAILED
    assert len({each.command_id for each in provider.received}) == 3


def test_a_step_that_succeeds_after_a_retry_shows_no_failure(
    bench: Bench, provider: FakeProvider
) -> None:
    job = bench.begin(command("a", provider.id))
    (sent,) = provider.fetch()
    provider.answer(sent, bench.clock(), fail(transient=True))
    bench.advance()
    bench.clock.pass_(2)
    bench.advance()
    bench.answer_all()
    (step,) = queries.job_view(job).steps
    assert (step.state, step.attempts, step.failure) == (StepState.SUCCEEDED, 2, None)
    assert job.errors == []


def test_a_command_nobody_fetches_fails_when_its_time_is_over(
    bench: Bench, provider: FakeProvider
) -> None:
    bench.begin(command("a", provider.id, time_limit_seconds=60))
    bench.clock.pass_(74.9)
    bench.advance()
    assert bench.states() == {"a": "InProgress"}
    bench.clock.pass_(0.2)
    bench.advance()
    assert bench.job.state == JobState.FAILED
    assert bench.error()["code"] == "ProviderUnreachable"
    assert provider.fetch() == [], "an abandoned command is never sent"


def test_a_command_without_answer_fails_as_unknown_and_its_late_result_is_kept(
    bench: Bench, provider: FakeProvider
) -> None:
    bench.begin(command("a", provider.id, time_limit_seconds=60))
    (sent,) = provider.fetch()
    bench.clock.pass_(80)
    bench.advance()
    assert bench.error()["code"] == "CommandTimedOut"
    assert "unknown" in str(bench.error()["message"])
    assert provider.answer(sent, bench.clock())
    bench.advance()
    assert bench.job.state == JobState.FAILED
    stored = Command.objects.get()
    assert stored.state == CommandState.ABANDONED
    assert stored.result is not None


def test_a_result_that_is_there_counts_even_after_the_deadline(
    bench: Bench, provider: FakeProvider
) -> None:
    bench.begin(command("a", provider.id, time_limit_seconds=60))
    (sent,) = provider.fetch()
    provider.answer(sent, bench.clock())
    bench.clock.pass_(1000)
    bench.advance()
    assert bench.job.state == JobState.SUCCEEDED


@pytest.mark.parametrize(("action", "code"), [("break", "InternalError"), ("refuse", "NoPlace")])
def test_a_record_function_that_fails_leaves_nothing_behind(
    bench: Bench, vault: Vault, action: str, code: str
) -> None:
    bench.begin(record("a", action=action), record("b", "a"))
    assert bench.states() == {"a": "Failed", "b": "Skipped"}
    assert bench.error()["code"] == code
    assert bench.error()["recommendedAction"]
    vault.refresh_from_db()
    assert vault.location == "here"


@pytest.mark.parametrize(
    ("kind", "action", "code"),
    [
        (StepKind.RECORD, "unknown", "ActionUnknown"),
        (StepKind.WAIT, "unknown", "ActionUnknown"),
        (StepKind.RECORD, "babble", "InternalError"),
    ],
)
def test_a_step_the_coordinator_cannot_carry_out_fails(
    bench: Bench, kind: StepKind, action: str, code: str
) -> None:
    bench.begin(record("a", kind=kind, action=action))
    assert bench.error()["code"] == code


def test_what_a_record_function_gives_must_fit_the_command(
    bench: Bench, provider: FakeProvider
) -> None:
    bench.begin(record("a"), command("b", provider.id, "a", inputs={"host": Output("a", "number")}))
    assert bench.error()["code"] == "StepInputsUnfit"
    assert Command.objects.count() == 0


def test_what_a_record_function_does_not_give_is_missed(
    bench: Bench, provider: FakeProvider
) -> None:
    bench.begin(record("a"), command("b", provider.id, "a", inputs={"host": Output("a", "host")}))
    assert "'a' gave no 'host'" in str(bench.error()["message"])


def test_a_record_function_may_ask_to_be_called_again(bench: Bench) -> None:
    bench.begin(record("a", action="hesitate"))
    assert bench.states() == {"a": "InProgress"}
    assert bench.job.wake_at == bench.clock() + timedelta(seconds=2)
    bench.clock.pass_(2)
    bench.advance()
    assert bench.job.state == JobState.SUCCEEDED


def test_a_wait_is_looked_at_until_its_condition_is_met(bench: Bench) -> None:
    bench.begin(record("a", kind=StepKind.WAIT, action="copied"), record("b", "a"))
    assert bench.states() == {"a": "InProgress", "b": "NotStarted"}
    assert bench.job.wake_at == bench.clock() + timedelta(seconds=5)
    bench.advance()
    bench.domain.met = True
    bench.advance()
    assert bench.job.state == JobState.SUCCEEDED


def test_a_wait_whose_time_is_over_fails(bench: Bench) -> None:
    bench.begin(record("a", kind=StepKind.WAIT, action="copied", time_limit_seconds=30))
    bench.clock.pass_(30)
    bench.advance()
    assert bench.error()["code"] == "StepTimedOut"


def test_a_finisher_that_breaks_fails_the_job_but_lets_it_end(
    bench: Bench, provider: FakeProvider, clock: Clock
) -> None:
    def break_(_job: FinishedJob) -> None:
        raise RuntimeError("a fault")

    job = begin_job(request(provider.vault_id, record("a")), clock())
    registry = Registry(bench.domain.registry.records, {}, {"PlannedFailover": break_})
    advance(job.id, registry, clock)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert job.errors[0]["code"] == "InternalError"
    assert not OperationLock.objects.exists()


def test_providers_with_new_commands_are_announced_after_the_commit(
    provider: FakeProvider, domain: Domain, clock: Clock, django_capture_on_commit_callbacks: object
) -> None:
    announced: list[object] = []
    job = begin_job(request(provider.vault_id, command("a", provider.id)), clock())
    assert callable(django_capture_on_commit_callbacks)
    with django_capture_on_commit_callbacks(execute=True):
        advance(job.id, domain.registry, clock, announced.append)
        assert announced == []
    assert announced == [frozenset({provider.id})]


def test_a_job_that_does_not_exist_is_left_alone(
    bench: Bench, provider: FakeProvider, clock: Clock
) -> None:
    job = bench.begin(command("a", provider.id))
    before = Job.objects.values().get(id=job.id)
    assert not Job.objects.filter(id=UUID(int=7)).exists()
    advance(UUID(int=7), bench.domain.registry, clock)
    assert Job.objects.values().get() == before
    assert Command.objects.count() == 1


@pytest.mark.spec("JB-1")
def test_a_job_is_shown_with_tasks_states_times_and_who_began_it(
    bench: Bench, provider: FakeProvider
) -> None:
    tasks = (
        TaskSpec("First", "The first task"),
        TaskSpec("Never", "Never needed", "Nothing to do."),
        TaskSpec("Second", "The second task"),
    )
    steps = (command("a", provider.id), record("b", "a"))
    job = bench.begin(graph=Graph(tasks, steps))
    (sent,) = provider.fetch()
    record_progress(provider.id, UUID(sent.command_id), 40, "Reading")
    record_progress(provider.id, UUID(sent.command_id), 30, "Reading on")
    view = queries.job_view(job)
    assert (view.started_by, view.percent, view.state) == ("tests", 20, JobState.IN_PROGRESS)
    assert [task.state for task in view.tasks] == ["InProgress", "Skipped", "NotStarted"]
    assert (view.tasks[0].percent, view.tasks[0].activity) == (40, "Reading on")
    assert view.tasks[1].skipped_reason == "Nothing to do."
    bench.clock.pass_(3)
    provider.answer(sent, bench.clock())
    bench.advance()
    view = queries.job_view(job)
    assert [task.state for task in view.tasks] == ["Succeeded", "Skipped", "Succeeded"]
    assert view.percent == 100
    assert view.finished_at == view.created_at + timedelta(seconds=3)
