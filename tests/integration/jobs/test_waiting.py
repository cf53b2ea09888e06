"""Steps that wait: what they say, how they are called, and jobs that are ended while they wait."""

from __future__ import annotations

from datetime import timedelta

import pytest

from coordinator.fabrics.models import Provider
from coordinator.failures import RefusedError
from coordinator.jobs import queries
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.registry import ConditionState, RecordCall, Registry, Waiting
from coordinator.jobs.services import (
    begin_job,
    cancel_waiting_job,
    tell_waiting_jobs,
)
from coordinator.jobs.states import JobState, StepState
from coordinator.jobs.steps import FailureRule, StepKind
from coordinator.vaults.models import Vault
from tests.integration.jobs.fake_provider import FakeProvider
from tests.integration.jobs.jobs_for_tests import Clock, command, record, request, states

pytestmark = pytest.mark.django_db

HOUR = 3600


class Line:
    """A condition that is looked at once an hour unless somebody calls."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.looks = 0
        self.met = False
        self.registry = Registry(
            records={"note": lambda _: {}}, conditions={"turn": self.turn}, finishers={}
        )

    def turn(self, call: RecordCall) -> ConditionState | Waiting:
        self.looks += 1
        if self.met:
            return ConditionState.MET
        return Waiting("2nd in line", call.now + timedelta(hours=1))


@pytest.fixture
def line(clock: Clock) -> Line:
    return Line(clock)


def waiting_job(vault: Vault, line: Line) -> Job:
    wait = record("wait", kind=StepKind.WAIT, action="turn", time_limit_seconds=24 * HOUR)
    job = begin_job(request(vault.id, wait, record("last", "wait")), line.clock())
    advance(job.id, line.registry, line.clock)
    job.refresh_from_db()
    return job


def activity(job: Job) -> str:
    view = queries.find_job(job.vault_id, job.id)
    assert view is not None
    return view.tasks[1].activity


def test_a_condition_says_what_it_waits_for_and_when_to_look_again(
    vault: Vault, line: Line
) -> None:
    job = waiting_job(vault, line)
    assert job.wake_at == line.clock() + timedelta(hours=1)
    assert activity(job) == "2nd in line"


def test_a_waiting_job_goes_on_when_it_is_called_before_its_time(vault: Vault, line: Line) -> None:
    job = waiting_job(vault, line)
    line.met = True
    line.clock.pass_(1)
    advance(job.id, line.registry, line.clock)
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED


def test_what_waiting_jobs_wait_for_can_be_said_of_many_at_once(vault: Vault, line: Line) -> None:
    job = waiting_job(vault, line)
    tell_waiting_jobs({job.id: "1st in line"})
    assert activity(job) == "1st in line"
    looks = line.looks
    tell_waiting_jobs({})
    assert line.looks == looks


def test_a_job_that_only_waits_can_be_ended_for_another(vault: Vault, line: Line) -> None:
    job = waiting_job(vault, line)
    assert cancel_waiting_job(job.id, line.clock())
    job.refresh_from_db()
    assert (job.state, job.finished_at) == (JobState.CANCELLED, line.clock())
    assert set(states(job).values()) == {StepState.CANCELLED}
    assert not OperationLock.objects.exists()
    line.met = True
    advance(job.id, line.registry, line.clock)
    assert set(states(job).values()) == {StepState.CANCELLED}


def test_a_job_that_does_something_or_has_ended_is_not_ended_so(
    vault: Vault, line: Line, provider: FakeProvider
) -> None:
    job = begin_job(request(vault.id, command("a", provider.id)), line.clock())
    assert not cancel_waiting_job(job.id, line.clock())
    advance(job.id, line.registry, line.clock)
    assert not cancel_waiting_job(job.id, line.clock())
    provider.answer(provider.fetch()[0], line.clock())
    advance(job.id, line.registry, line.clock)
    assert not cancel_waiting_job(job.id, line.clock())
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED


class Patience:
    """A job whose command may wait for its provider, and a provider that comes and goes."""

    def __init__(self, vault: Vault, provider: FakeProvider, clock: Clock) -> None:
        self.provider, self.clock = provider, clock
        self.registry = Registry()
        step = command("a", provider.id, time_limit_seconds=600, patience_seconds=8 * HOUR)
        self.job = begin_job(request(vault.id, step), clock())
        self.advance()

    def advance(self) -> None:
        advance(self.job.id, self.registry, self.clock)
        self.job.refresh_from_db()

    def pass_(self, seconds: float) -> None:
        """The sweep advances the job at its time, until then."""
        end = self.clock() + timedelta(seconds=seconds)
        while self.job.wake_at is not None and self.job.wake_at <= end:
            self.clock.now = max(self.clock.now, self.job.wake_at)
            self.beat()
            self.advance()
        self.clock.now = end
        self.beat()

    def connect(self) -> None:
        Provider.objects.filter(id=self.provider.id).update(
            connected_at=self.clock(), last_heartbeat_at=self.clock(), disconnected_at=None
        )

    def disconnect(self) -> None:
        Provider.objects.filter(id=self.provider.id).update(disconnected_at=self.clock())

    def beat(self) -> None:
        Provider.objects.filter(id=self.provider.id, disconnected_at=None).exclude(
            last_heartbeat_at=None
        ).update(last_heartbeat_at=self.clock())
        self.provider.now = self.clock()


@pytest.fixture
def patience(vault: Vault, provider: FakeProvider, clock: Clock) -> Patience:
    return Patience(vault, provider, clock)


def told(job: Job) -> str:
    return job.steps.get().activity


@pytest.mark.spec("RE-7")
def test_a_patient_command_waits_long_for_its_provider_and_says_so(patience: Patience) -> None:
    patience.pass_(5 * HOUR)
    assert patience.job.state == JobState.IN_PROGRESS
    assert "vmm-shanghai" in told(patience.job)
    patience.connect()
    patience.beat()
    (sent,) = patience.provider.fetch()
    assert sent.time_limit.ToTimedelta() == timedelta(seconds=600)
    patience.provider.answer(sent, patience.clock())
    patience.advance()
    assert patience.job.state == JobState.SUCCEEDED


def test_a_patient_command_has_its_time_with_its_provider_connected(patience: Patience) -> None:
    patience.pass_(HOUR)
    patience.connect()
    patience.pass_(500)
    assert told(patience.job) == ""
    patience.disconnect()
    patience.pass_(HOUR)
    patience.connect()
    patience.pass_(500)
    assert patience.job.state == JobState.IN_PROGRESS
    patience.pass_(200)
    assert patience.job.state == JobState.FAILED
    assert patience.job.errors[0]["code"] == "ProviderUnreachable"


def test_a_patient_command_ends_when_its_provider_never_comes(patience: Patience) -> None:
    patience.pass_(8 * HOUR - 60)
    assert patience.job.state == JobState.IN_PROGRESS
    patience.pass_(120)
    assert patience.job.state == JobState.FAILED


def test_a_patient_command_that_was_under_way_goes_on_when_its_provider_is_back(
    patience: Patience,
) -> None:
    patience.connect()
    patience.beat()
    (sent,) = patience.provider.fetch()
    patience.disconnect()
    patience.pass_(2 * HOUR)
    patience.connect()
    patience.beat()
    assert [c.command_id for c in patience.provider.reconnect()] == [sent.command_id]
    patience.provider.answer(sent, patience.clock())
    patience.advance()
    assert patience.job.state == JobState.SUCCEEDED


def test_a_graph_with_a_verb_its_provider_lacks_is_refused(
    vault: Vault, provider: FakeProvider, clock: Clock
) -> None:
    Provider.objects.filter(id=provider.id).update(capabilities=["read_replication"])
    with pytest.raises(RefusedError) as refused:
        begin_job(request(vault.id, command("a", provider.id)), clock())
    failure = refused.value.failure
    assert (failure.code, refused.value.status) == ("ProviderTooOld", 409)
    assert "refresh_host" in failure.message
    assert failure.possible_causes
    assert failure.recommended_action
    assert not Job.objects.exists()


def test_a_step_that_may_fail_asks_no_more_of_a_provider_than_it_can(
    vault: Vault, provider: FakeProvider, clock: Clock
) -> None:
    Provider.objects.filter(id=provider.id).update(capabilities=["read_replication"])
    step = command("a", provider.id, on_failure=FailureRule.WARN)
    assert begin_job(request(vault.id, step), clock()).id is not None


def test_what_an_unconnected_provider_can_do_is_not_known(
    vault: Vault, provider: FakeProvider, clock: Clock
) -> None:
    job = begin_job(request(vault.id, command("a", provider.id)), clock())
    advance(job.id, Registry(), clock)
    (sent,) = provider.fetch()
    assert provider.answer(sent, clock())


def connected(provider: FakeProvider, clock: Clock) -> None:
    Provider.objects.filter(id=provider.id).update(
        connected_at=clock(), last_heartbeat_at=clock(), disconnected_at=None
    )
    provider.now = clock()


@pytest.mark.spec("RP-1")
def test_a_command_s_time_does_not_run_while_it_waits_for_its_slot(
    vault: Vault, provider: FakeProvider, clock: Clock
) -> None:
    step = command("a", provider.id, time_limit_seconds=60, attempts=1, slot="host:hv1")
    job = begin_job(request(vault.id, step), clock())
    for _ in range(20):
        connected(provider, clock)
        advance(job.id, Registry(), clock)
        clock.pass_(30)
    assert states(job) == {"a": "InProgress"}
    connected(provider, clock)
    (sent,) = provider.fetch()
    assert sent.time_limit.ToTimedelta() == timedelta(seconds=60)
    clock.pass_(70)
    connected(provider, clock)
    advance(job.id, Registry(), clock)
    assert states(job) == {"a": "InProgress"}
    clock.pass_(70)
    connected(provider, clock)
    advance(job.id, Registry(), clock)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert job.errors[0]["code"] == "CommandTimedOut"


def test_a_command_whose_provider_is_gone_does_not_wait_for_a_slot_for_ever(
    vault: Vault, provider: FakeProvider, clock: Clock
) -> None:
    step = command("a", provider.id, time_limit_seconds=60, attempts=1, slot="host:hv1")
    job = begin_job(request(vault.id, step), clock())
    advance(job.id, Registry(), clock)
    Provider.objects.filter(id=provider.id).update(disconnected_at=clock())
    clock.pass_(80)
    advance(job.id, Registry(), clock)
    job.refresh_from_db()
    assert job.errors[0]["code"] == "ProviderUnreachable"
