"""Two requests at the same moment, each in a transaction of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
from django.db import connection, transaction

from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.jobs.registry import Registry
from coordinator.protection.models import Pairing, ProtectedItem
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
            lambda: committed.pair("GoldCloud2", "SilverCloud1"),
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
