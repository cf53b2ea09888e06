"""Failed operations of a machine that go on where they failed."""

from __future__ import annotations

import pytest
from django.db import transaction

from coordinator.fabrics.models import Provider
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.jobs.services import restart_job
from coordinator.jobs.states import JobState
from coordinator.protection.models import ProtectedItem
from coordinator.protection.operations import Operation
from coordinator.protection.roles.starting import SCENARIO as START_AGAIN
from coordinator.protection.roles.starting import start_machines, want_started
from coordinator.recovery.steps import RESTARTERS
from tests.integration.protection.test_failover import run, run_with
from tests.integration.protection.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("JB-2")]


@pytest.fixture
def protected(world: World) -> World:
    world.protect()
    return world


def restart(world: World, job: Job) -> Job:
    with transaction.atomic():
        restart_job(job.id, "tests", world.now, RESTARTERS)
    world.turn()
    job.refresh_from_db()
    return job


@pytest.mark.parametrize(
    "verb",
    [
        "read_replication",
        "stop_virtual_machine",
        "prepare_failover",
        "start_failover",
        "start_virtual_machine",
    ],
)
@pytest.mark.spec("FO-2")
def test_a_planned_failover_goes_on_where_it_failed(protected: World, verb: str) -> None:
    job = run_with(protected, Operation.PLANNED_FAILOVER, verb)
    assert restart(protected, job).state == JobState.SUCCEEDED
    item = protected.item()
    assert (item.active_location, item.role_epoch) == ("Recovery", 2)
    assert run(protected, Operation.COMMIT).state == JobState.SUCCEEDED


@pytest.mark.parametrize("verb", ["read_replication", "complete_failover"])
@pytest.mark.spec("FO-4")
def test_a_commit_goes_on_where_it_failed(protected: World, verb: str) -> None:
    run(protected, Operation.PLANNED_FAILOVER)
    job = run_with(protected, Operation.COMMIT, verb)
    assert restart(protected, job).state == JobState.SUCCEEDED
    assert protected.item().state == "CommitFailoverCompleted"


@pytest.mark.parametrize(
    ("verb", "committed"),
    [
        ("complete_failover", False),
        ("test_replication_connection", False),
        ("test_replication_connection", True),
        ("reverse_replication", False),
        ("reverse_replication", True),
    ],
)
@pytest.mark.spec("FO-5")
def test_a_reversal_goes_on_where_it_failed(protected: World, verb: str, committed: bool) -> None:
    run(protected, Operation.PLANNED_FAILOVER)
    if committed:
        run(protected, Operation.COMMIT)
    job = run_with(protected, Operation.REVERSE_REPLICATE, verb)
    assert restart(protected, job).state == JobState.SUCCEEDED
    assert protected.item().state == "Protected"


@pytest.mark.spec("JB-2", "FO-7")
def test_a_machine_that_was_started_again_meanwhile_is_where_the_job_left_it(
    protected: World,
) -> None:
    job = run_with(protected, Operation.PLANNED_FAILOVER, "read_replication")
    with transaction.atomic():
        want_started(protected.item().id, protected.now)
    protected.pass_(60)
    Provider.objects.update(last_heartbeat_at=protected.now)
    start_machines(protected.now)
    protected.turn()
    assert Job.objects.filter(scenario=START_AGAIN, state=JobState.SUCCEEDED).count() == 1
    assert restart(protected, job).state == JobState.SUCCEEDED
    assert protected.item().active_location == "Recovery"


def test_a_job_that_another_operation_has_followed_is_not_restarted(protected: World) -> None:
    job = run_with(protected, Operation.PLANNED_FAILOVER, "stop_virtual_machine")
    protected.pass_(1)
    run(protected, Operation.PLANNED_FAILOVER)
    with pytest.raises(RefusedError) as refused:
        restart(protected, job)
    assert refused.value.failure.code == "RestartNotPossible"
    assert refused.value.failure.recommended_action


def test_a_job_whose_machine_is_not_protected_any_more_is_not_restarted(protected: World) -> None:
    job = run_with(protected, Operation.PLANNED_FAILOVER, "stop_virtual_machine")
    ProtectedItem.objects.all().delete()
    with pytest.raises(RefusedError) as refused:
        restart(protected, job)
    assert refused.value.failure.code == "RestartNotPossible"
