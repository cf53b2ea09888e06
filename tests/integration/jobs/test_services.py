"""Beginning jobs: locks, repeated requests, and two who ask at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import close_old_connections, connection, transaction

from coordinator.failures import RefusedError
from coordinator.jobs import queries
from coordinator.jobs.engine import advance
from coordinator.jobs.graph import GraphError
from coordinator.jobs.models import Job, OperationLock, Step
from coordinator.jobs.queries import JobFilters
from coordinator.jobs.registry import RecordCall, Registry
from coordinator.jobs.services import BeginJob, JobTarget, begin_job, request_advance
from coordinator.jobs.states import JobState
from coordinator.vaults.models import Vault
from tests.integration.jobs.fake_provider import FakeProvider
from tests.integration.jobs.jobs_for_tests import Clock, command, record, request

pytestmark = pytest.mark.django_db

NOTHING = Registry(records={"note": lambda _call: {}})


def test_a_begun_job_is_due_at_once(vault: Vault, provider: FakeProvider, clock: Clock) -> None:
    job = begin_job(request(vault.id, command("a", provider.id), record("b", "a")), clock())
    assert (job.state, job.wake_at, job.created_at) == (JobState.NOT_STARTED, clock(), clock())
    assert list(Step.objects.filter(job=job).values_list("key", flat=True)) == ["a", "b"]
    running = queries.running_job_for("item:1")
    assert running == job


@pytest.mark.spec("FO-6")
def test_a_busy_item_is_refused_naming_the_running_job(vault: Vault, clock: Clock) -> None:
    running = begin_job(request(vault.id, record("a")), clock())
    with pytest.raises(RefusedError) as refusal, transaction.atomic():
        begin_job(
            request(vault.id, record("a"), scenario="CommitFailover", locks=("item:0", "item:1")),
            clock(),
        )
    assert (refusal.value.failure.code, refusal.value.status) == ("532", 409)
    assert "Planned failover" in refusal.value.failure.message
    assert str(running.id) in refusal.value.failure.message
    assert refusal.value.failure.possible_causes
    assert refusal.value.failure.recommended_action
    assert Job.objects.count() == 1
    assert list(OperationLock.objects.values_list("key", flat=True)) == ["item:1"]


def test_an_item_is_free_again_when_its_job_has_ended(vault: Vault, clock: Clock) -> None:
    first = begin_job(request(vault.id, record("a")), clock())
    advance(first.id, NOTHING, clock)
    assert queries.running_job_for("item:1") is None
    second = begin_job(request(vault.id, record("a")), clock())
    assert second.id != first.id


def test_a_repeated_request_finds_its_job(vault: Vault, clock: Clock) -> None:
    again = request(vault.id, record("a"), client_request_id="r-1")
    first = begin_job(again, clock())
    assert begin_job(again, clock()).id == first.id
    assert Step.objects.count() == 1
    advance(first.id, NOTHING, clock)
    assert begin_job(again, clock()).id == first.id


def test_another_target_with_the_same_request_id_is_another_job(vault: Vault, clock: Clock) -> None:
    first = begin_job(request(vault.id, record("a"), client_request_id="r-1"), clock())
    other = begin_job(
        request(
            vault.id,
            record("a"),
            client_request_id="r-1",
            locks=(),
            target=JobTarget("ProtectionEntity", "item-2", "GoldVM2"),
        ),
        clock(),
    )
    assert other.id != first.id


def test_a_wrong_graph_begins_nothing(vault: Vault, clock: Clock) -> None:
    with pytest.raises(GraphError):
        begin_job(request(vault.id, record("a", "missing")), clock())
    assert Job.objects.count() == 0


def test_an_advance_is_asked_for_after_the_commit_and_of_known_jobs_only(
    vault: Vault, clock: Clock, django_capture_on_commit_callbacks: Any
) -> None:
    job = begin_job(request(vault.id, record("a")), clock())
    with django_capture_on_commit_callbacks() as asked:
        request_advance(UUID(int=1))
    assert asked == []
    with django_capture_on_commit_callbacks() as asked:
        request_advance(job.id)
    assert len(asked) == 1


@pytest.mark.spec("AC-3")
def test_a_vault_s_jobs_are_its_own(vault: Vault, clock: Clock) -> None:
    job = begin_job(request(vault.id, record("a")), clock())
    other = Vault.objects.create(
        subscription_id=vault.subscription_id,
        resource_group="rg",
        name="other",
        location="here",
        created_at=clock(),
    )
    assert queries.find_job(other.id, job.id) is None
    assert queries.list_jobs(other.id) == ()
    found = queries.find_job(vault.id, job.id)
    assert found is not None
    assert found.id == job.id


@pytest.mark.spec("JB-1")
def test_jobs_are_listed_newest_first_and_filtered(vault: Vault, clock: Clock) -> None:
    begun = []
    for number, scenario in enumerate(["EnableDr", "PlannedFailover", "EnableDr"]):
        target = JobTarget("ProtectionEntity", f"item-{number}", "VM")
        job = begin_job(
            request(vault.id, record("a"), scenario=scenario, locks=(), target=target), clock()
        )
        begun.append(job.id)
        clock.pass_(60)
    advance(begun[0], NOTHING, clock)

    def ids(filters: JobFilters | None = None) -> list[UUID]:
        return [view.id for view in queries.list_jobs(vault.id, filters)]

    assert ids() == begun[::-1]
    assert ids(JobFilters(scenarios=["EnableDr"])) == [begun[2], begun[0]]
    assert ids(JobFilters(states=[JobState.SUCCEEDED])) == [begun[0]]
    assert ids(JobFilters(target_ids=["item-1"])) == [begun[1]]
    assert ids(JobFilters(friendly_name="planned FAILOVER", limit=1, offset=1)) == [begun[1]]
    second = queries.list_jobs(vault.id)[1].created_at
    assert ids(JobFilters(created_from=second)) == [begun[2], begun[1]]
    assert ids(JobFilters(created_before=second)) == [begun[0]]


def in_threads(count: int, work: Callable[[int], object]) -> list[object]:
    """Runs the work in so many threads that all start at once; their connections are closed."""
    together = threading.Barrier(count)

    def run(number: int) -> object:
        try:
            together.wait()
            return work(number)
        except RefusedError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.fixture
def committed_vault(transactional_db: None, clock: Clock) -> Vault:
    close_old_connections()
    return Vault.objects.create(
        subscription_id=UUID(int=5),
        resource_group="rg",
        name="race",
        location="here",
        created_at=clock(),
    )


def begin_atomically(wanted: BeginJob, clock: Clock, _number: int = 0) -> Job:
    with transaction.atomic():
        return begin_job(wanted, clock())


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("FO-6")
def test_of_two_operations_on_one_item_exactly_one_begins(
    committed_vault: Vault, clock: Clock
) -> None:
    for _ in range(5):
        outcomes = in_threads(
            2, lambda _: begin_atomically(request(committed_vault.id, record("a")), clock)
        )
        (job,) = [each for each in outcomes if isinstance(each, Job)]
        (refusal,) = [each for each in outcomes if isinstance(each, RefusedError)]
        assert str(job.id) in refusal.failure.message
        advance(job.id, NOTHING, clock)


@pytest.mark.django_db(transaction=True)
def test_two_of_one_request_at_once_begin_one_job(committed_vault: Vault, clock: Clock) -> None:
    for number in range(5):
        wanted = request(committed_vault.id, record("a"), client_request_id=f"r-{number}")
        jobs = in_threads(2, partial(begin_atomically, wanted, clock))
        ids = {job.id for job in jobs if isinstance(job, Job)}
        assert len(jobs) == 2
        assert len(ids) == 1
        advance(ids.pop(), NOTHING, clock)


@pytest.mark.django_db(transaction=True)
@pytest.mark.spec("JB-3")
def test_many_advances_at_once_start_each_step_once(committed_vault: Vault, clock: Clock) -> None:
    calls: list[RecordCall] = []

    def note(call: RecordCall) -> dict[str, object]:
        calls.append(call)
        return {}

    registry = Registry(records={"note": note})
    wanted = request(committed_vault.id, *[record(f"a{number}") for number in range(20)])
    job = begin_atomically(wanted, clock)
    in_threads(6, lambda _: advance(job.id, registry, clock))
    assert len(calls) == 20
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
