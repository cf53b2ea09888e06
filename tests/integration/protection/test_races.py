"""Two requests at the same moment, each in a transaction of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from coordinator.config.waiting import wait_for
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job, OperationLock
from coordinator.jobs.registry import Registry
from coordinator.protection import services as protection
from coordinator.protection.models import Pairing, ProtectedItem
from coordinator.protection.states import ProtectionState
from coordinator.recovery import services as recovery
from tests.integration.protection.world import ORIGIN, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def committed(transactional_db: None, registry: Registry) -> World:
    """A world that other connections see."""
    return make_world(registry)


def at_once(calls: Sequence[Callable[[], object]]) -> list[str]:
    """Runs each call in a thread of its own; the code of each refusal, or "done"."""
    together = threading.Barrier(len(calls))
    outcomes: list[str] = []

    def run(call: Callable[[], object]) -> None:
        try:
            together.wait(30)
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


@pytest.mark.spec("PA-2")
def test_of_two_pairings_of_one_cloud_at_once_one_is_made(committed: World) -> None:
    committed.policy()
    outcomes = at_once(
        [
            lambda: committed.pair("GoldCloud1", "GoldCloud2"),
            lambda: committed.pair("SilverCloud1", "GoldCloud2"),
        ]
    )
    assert outcomes == ["CloudAlreadyPaired", "done"]
    assert Pairing.objects.count() == 1
    assert Job.objects.count() == 1


@pytest.mark.spec("RE-1")
def test_of_two_enablings_of_one_machine_at_once_one_begins(committed: World) -> None:
    committed.pair()
    committed.turn()
    outcomes = at_once([committed.enable, committed.enable])
    assert outcomes[1] == "done"
    assert outcomes[0] in {"532", "VirtualMachineAlreadyProtected"}
    assert Job.objects.filter(scenario="EnableDr").count() == 1


@pytest.mark.spec("FO-6")
def test_of_many_failovers_of_one_item_at_once_one_begins(committed: World) -> None:
    item = committed.protect()

    def fail_over() -> None:
        with transaction.atomic():
            recovery.planned_failover(item, None, ORIGIN, committed.now)

    outcomes = at_once([fail_over] * 6)
    assert outcomes.count("done") == 1
    assert set(outcomes) <= {"done", "532", "OperationNotAllowed"}
    assert Job.objects.filter(scenario="PlannedFailover").count() == 1
    committed.turn()
    assert ProtectedItem.objects.get(id=item.id).role_epoch == 2


def test_a_request_at_the_moment_a_job_ends_is_served_or_refused_and_never_deadlocks(
    committed: World,
) -> None:
    item = committed.protect()

    def fail_over() -> None:
        with transaction.atomic():
            recovery.planned_failover(item, None, ORIGIN, committed.now)

    def commit() -> None:
        with transaction.atomic():
            recovery.commit_failover(item, ORIGIN, committed.now)

    fail_over()
    outcomes = at_once([committed.turn, *[commit] * 4])
    assert "done" in outcomes
    assert set(outcomes) <= {"done", "532", "OperationNotAllowed"}
    committed.turn()
    assert Job.objects.filter(scenario="CommitFailover").count() <= 1


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.spec("RE-2")
def test_finalizing_that_was_decided_on_a_state_now_past_begins_nothing(committed: World) -> None:
    item = committed.protect()
    ProtectedItem.objects.update(state=ProtectionState.INITIAL_REPLICATION)
    jobs = Job.objects.count()

    def finalize() -> None:
        try:
            with transaction.atomic():
                protection.finalize(committed.now, str(item.id))
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            # Another job on the item begins and ends, between the reading and the lock.
            lock = OperationLock.objects.create(
                key=f"item:{item.id}", job=Job.objects.earliest("created_at")
            )
            late = pool.submit(finalize)
            wait_for("the lock to be wanted", somebody_waits_for_a_lock, limit_seconds=20)
            ProtectedItem.objects.update(state=ProtectionState.PROTECTED)
            lock.delete()
        late.result(30)
    assert Job.objects.count() == jobs
