"""Commands that need not wait for a provider that is away: given up once it is lost."""

from __future__ import annotations

import pytest

from coordinator.fabrics.models import Provider
from coordinator.failures import RefusedError
from coordinator.jobs.engine import advance
from coordinator.jobs.models import Command, Job
from coordinator.jobs.registry import Registry
from coordinator.jobs.services import begin_job, cancel_job
from coordinator.jobs.states import CommandState, JobState
from coordinator.jobs.steps import FailureRule, StepSpec, host_slot
from coordinator.jobs.sweep import sweep
from coordinator.vaults.models import Vault
from tests.integration.jobs.fake_provider import FakeProvider, register
from tests.integration.jobs.jobs_for_tests import Clock, command, request, states

pytestmark = [pytest.mark.django_db, pytest.mark.spec("FO-3")]

WARN = FailureRule.WARN
LEASE_SECONDS = 25
SLOT = host_slot("hv1")
REGISTRY = Registry(records={"note": lambda _: {}})


@pytest.fixture
def other(vault: Vault, provider: FakeProvider, clock: Clock) -> FakeProvider:
    """The site that is there; the first one's is too, until it is lost."""
    other = register(vault, "vmm-beijing", clock())
    Provider.objects.filter(vault=vault).update(connected_at=clock(), last_heartbeat_at=clock())
    return other


def pass_(clock: Clock, seconds: float, *alive: FakeProvider) -> None:
    """Time in which only these are heard of; the sweep looks at its end."""
    clock.pass_(seconds)
    ids = [each.id for each in alive]
    Provider.objects.filter(id__in=ids).update(last_heartbeat_at=clock())
    sweep(clock())
    for job_id in Job.objects.filter(finished_at=None).values_list("id", flat=True):
        advance(job_id, REGISTRY, clock)


def begin(provider: FakeProvider, clock: Clock, *steps: StepSpec) -> Job:
    job = begin_job(request(provider.vault_id, *steps), clock())
    advance(job.id, REGISTRY, clock)
    return job


def best_effort(key: str, provider: FakeProvider, *after: str, **changes: object) -> StepSpec:
    return command(key, provider.id, *after, on_failure=WARN, attempts=1, **changes)


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("slot", ["", SLOT])
def test_what_may_fail_is_not_waited_for_at_a_site_that_is_lost(
    provider: FakeProvider, other: FakeProvider, clock: Clock, slot: str, *, sent: bool
) -> None:
    job = begin(
        provider,
        clock,
        best_effort("shut-down", provider, slot=slot, time_limit_seconds=120),
        best_effort("sync", provider, "shut-down", slot=slot, time_limit_seconds=180),
        command("fail-over", other.id, "sync"),
    )
    if sent:
        provider.fetch()
    pass_(clock, LEASE_SECONDS - 1, other)
    assert states(job)["shut-down"] == "InProgress", "it may still come back"
    pass_(clock, 2, other)
    pass_(clock, 2, other)
    assert states(job) == {"shut-down": "Warned", "sync": "Warned", "fail-over": "InProgress"}
    job.refresh_from_db()
    assert {error["code"] for error in job.errors} == {"ProviderUnreachable"}
    assert ("unknown" in job.errors[0]["message"]) is sent
    left = Command.objects.filter(step__job=job).exclude(state=CommandState.ABANDONED)
    assert [each.step.key for each in left] == ["fail-over"]


def test_what_must_not_fail_is_waited_for(
    provider: FakeProvider, other: FakeProvider, clock: Clock
) -> None:
    job = begin(
        provider,
        clock,
        command("stop", provider.id),
        command("often", provider.id, on_failure=WARN, attempts=3),
        best_effort("patient", provider, patience_seconds=3600),
    )
    pass_(clock, 2 * LEASE_SECONDS, other)
    assert set(states(job).values()) == {"InProgress"}


def test_when_nobody_is_heard_of_it_is_not_the_site_that_is_lost(
    provider: FakeProvider, other: FakeProvider, clock: Clock
) -> None:
    """Gateways that were away: whoever is back first must not count against the other."""
    job = begin(provider, clock, best_effort("shut-down", provider, time_limit_seconds=300))
    pass_(clock, 2 * LEASE_SECONDS)
    assert states(job)["shut-down"] == "InProgress"
    Provider.objects.filter(id=other.id).update(connected_at=clock())
    pass_(clock, 1, other)
    pass_(clock, LEASE_SECONDS - 5, other)
    assert states(job)["shut-down"] == "InProgress"
    pass_(clock, 10, other)
    assert states(job)["shut-down"] == "Warned"


@pytest.mark.spec("JB-2")
def test_a_cancelled_job_waits_for_nothing_at_a_site_that_is_lost(
    provider: FakeProvider, other: FakeProvider, clock: Clock
) -> None:
    job = begin(
        provider,
        clock,
        command("stop", provider.id, slot=SLOT),
        command("sync", provider.id, "stop", slot=SLOT, time_limit_seconds=3600),
        command("fail-over", other.id, "sync", point_of_no_return=True),
        command("release", provider.id, undoes="sync", on_failure=WARN),
        command("start-again", provider.id, "release", undoes="stop", on_failure=WARN),
    )
    [stop] = provider.fetch()
    provider.answer(stop, clock())
    advance(job.id, REGISTRY, clock)
    provider.fetch()
    pass_(clock, 2 * LEASE_SECONDS, other)
    assert states(job)["sync"] == "InProgress", "nobody has cancelled it"
    cancel_job(job.id, "operator", clock())
    for _ in range(4):
        pass_(clock, 2, other)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert (job.finished_at or clock()) <= clock()
    assert states(job) == {
        "stop": "Succeeded",
        "sync": "Failed",
        "fail-over": "Cancelled",
        "release": "Warned",
        "start-again": "Warned",
    }


@pytest.mark.spec("JB-2")
def test_a_job_past_its_point_of_no_return_is_cancelled_once_the_site_it_waits_for_is_lost(
    provider: FakeProvider, other: FakeProvider, clock: Clock
) -> None:
    """The site it fails over to dies: nobody has to wait out the time of its last command."""
    job = begin(
        provider,
        clock,
        command("stop", other.id),
        command("fail-over", provider.id, "stop", point_of_no_return=True, time_limit_seconds=900),
        command("start", provider.id, "fail-over"),
        command("start-again", other.id, undoes="stop"),
    )
    [stop] = other.fetch()
    other.answer(stop, clock())
    advance(job.id, REGISTRY, clock)
    provider.fetch()
    pass_(clock, LEASE_SECONDS - 1, other)
    with pytest.raises(RefusedError) as refused:
        cancel_job(job.id, "operator", clock())
    assert refused.value.failure.code == "CancelNotPossible"
    pass_(clock, 2, other)
    cancel_job(job.id, "operator", clock())
    for _ in range(2):
        pass_(clock, 2, other)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "unknown" in job.errors[-1]["message"]
    # The replica may have failed over: nothing is taken back without looking.
    assert states(job) == {
        "stop": "Succeeded",
        "fail-over": "Failed",
        "start": "Cancelled",
        "start-again": "Skipped",
    }


def test_one_that_comes_back_in_time_goes_on(
    provider: FakeProvider, other: FakeProvider, clock: Clock
) -> None:
    job = begin(provider, clock, best_effort("shut-down", provider, time_limit_seconds=120))
    pass_(clock, LEASE_SECONDS - 1, other)
    pass_(clock, LEASE_SECONDS - 1, provider, other)
    pass_(clock, LEASE_SECONDS - 1, other)
    [sent] = provider.fetch()
    provider.answer(sent, clock())
    pass_(clock, 1, other)
    job.refresh_from_db()
    assert job.state == JobState.SUCCEEDED
