"""RPO now and over time: what is kept, how worst values of spans come about, what is forgotten."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import transaction
from opensiterecovery.provider.v1 import replication_pb2

from coordinator.protection import services
from coordinator.protection.models import ProtectedItem, RpoHistory
from coordinator.protection.queries import rpo_course
from coordinator.protection.replication.evaluation import look_at_the_clock
from coordinator.protection.replication.rpo import SPAN, span_number, span_start
from coordinator.protection.states import ProtectionState
from coordinator.protection.steps import TASKS
from tests.integration.protection.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("RE-4")]


@pytest.fixture
def protected(world: World) -> World:
    world.protect()
    # To the beginning of a span.
    world.now = span_start(span_number(world.now) + 1)
    return world


def replicate(world: World, age_seconds: float = 0.0) -> None:
    """Both sides say that the replica is so far behind."""
    item = world.item()
    for name, host, mode in (
        ("vmm-shanghai", item.primary_host, "Primary"),
        ("vmm-beijing", item.recovery_host, "Replica"),
    ):
        state = replication_pb2.ReplicationState(
            vm_id=item.vm_id,
            host=host,
            mode=mode,
            state="Replicating",
            health="Normal",
            vm_state="Running",
        )
        state.last_replication_time.FromDatetime(world.now - timedelta(seconds=age_seconds))
        with transaction.atomic():
            services.ingest_replication(world.fabric(name).id, [state], world.now, world.now)


def keep(world: World) -> None:
    TASKS["protection.keep_rpo"](world.now)


def course(world: World, hours: float = 1.0) -> list[tuple[float, int | None]]:
    """Minutes before now, and seconds."""
    found = rpo_course(world.item(), world.now - timedelta(hours=hours), world.now, world.now)
    return [((world.now - each.time) / timedelta(minutes=1), each.seconds) for each in found.points]


def test_the_longest_time_between_two_moments_of_the_replica_is_the_worst_of_a_span(
    protected: World,
) -> None:
    replicate(protected)
    for seconds in (30, 100, 30, 140):
        protected.pass_(seconds)
        replicate(protected)
    # All of that was within one span; it is over now.
    keep(protected)
    assert course(protected)[-2:] == [(5.0, 140), (0.0, 0)]


def test_a_replica_that_falls_behind_does_so_though_nobody_reports(protected: World) -> None:
    replicate(protected)
    for _ in range(4):
        protected.pass_(SPAN.total_seconds())
        keep(protected)
    assert course(protected)[-5:] == [
        (20.0, 300),
        (15.0, 600),
        (10.0, 900),
        (5.0, 1200),
        (0.0, 1200),
    ]


def test_keeping_twice_or_late_within_the_next_span_changes_nothing(protected: World) -> None:
    replicate(protected)
    protected.pass_(200)
    replicate(protected)
    protected.pass_(101)
    keep(protected)
    before = list(RpoHistory.objects.values_list("start", "peaks"))
    # A report of the next span comes before a worker that is late.
    replicate(protected)
    keep(protected)
    assert list(RpoHistory.objects.values_list("start", "peaks")) == before


def test_one_provider_that_is_away_is_no_data_loss(protected: World) -> None:
    replicate(protected)
    item = protected.item()
    for _ in range(3):
        protected.pass_(100)
        state = replication_pb2.ReplicationState(
            vm_id=item.vm_id, host=item.recovery_host, mode="Replica", state="Replicating"
        )
        state.last_replication_time.FromDatetime(protected.now)
        fabric = protected.fabric("vmm-beijing")
        services.ingest_replication(fabric.id, [state], protected.now, protected.now)
    keep(protected)
    assert course(protected)[-2:] == [(5.0, 100), (0.0, 0)]


def test_a_month_is_told_in_hours_and_a_day_in_minutes(protected: World) -> None:
    replicate(protected)
    for _ in range(30):
        protected.pass_(SPAN.total_seconds())
        replicate(protected)
        keep(protected)
    day = rpo_course(
        protected.item(), protected.now - timedelta(hours=2), protected.now, protected.now
    )
    month = rpo_course(
        protected.item(), protected.now - timedelta(days=30), protected.now, protected.now
    )
    assert day.span == SPAN
    assert month.span == timedelta(hours=1)
    assert len(day.points) > len(month.points) >= 3
    assert max(each.seconds or 0 for each in month.points) == 300
    # A row for each hour and one for each day, whatever the number of values.
    assert RpoHistory.objects.filter(span_seconds=300).count() in {3, 4}
    assert RpoHistory.objects.filter(span_seconds=3600).count() in {1, 2}


def test_what_is_old_is_forgotten(protected: World) -> None:
    replicate(protected)
    protected.pass_(400)
    keep(protected)
    TASKS["protection.prune_rpo"](protected.now)
    assert RpoHistory.objects.count() == 2
    TASKS["protection.prune_rpo"](protected.now + timedelta(hours=27))
    assert [row.span_seconds for row in RpoHistory.objects.all()] == [3600]
    TASKS["protection.prune_rpo"](protected.now + timedelta(days=33))
    assert not RpoHistory.objects.exists()


@pytest.mark.parametrize(
    "state", [ProtectionState.INITIAL_REPLICATION, ProtectionState.COMMIT_PENDING]
)
def test_without_a_replica_to_recover_to_there_is_no_rpo(
    protected: World, state: ProtectionState
) -> None:
    replicate(protected)
    item = protected.item()
    item.state = state
    item.save(update_fields=["state"])
    protected.pass_(400)
    keep(protected)
    assert course(protected) == []


@pytest.mark.spec("RE-8")
def test_an_hour_without_news_is_a_warning_and_the_next_report_takes_it_back(
    protected: World,
) -> None:
    replicate(protected)
    protected.pass_(3601)
    TASKS["protection.look_at_the_clock"](protected.now)
    item = protected.item()
    assert [error["errorCode"] for error in item.health_errors] == ["ReplicaBehind"]
    assert item.replication_health == "Warning"
    replicate(protected)
    TASKS["protection.look_at_the_clock"](protected.now)
    item = protected.item()
    assert (item.replication_health, item.health_errors) == ("Normal", [])


@pytest.mark.spec("RE-8")
def test_when_all_are_behind_at_once_some_are_held_at_a_time(protected: World) -> None:
    replicate(protected)
    item = protected.item()
    sides = list(item.sides.all())
    for number in range(1, 5):
        item.pk, item.vm_id, item.name = UUID(int=number), str(number), str(number)
        item.save(force_insert=True)
        for side in sides:
            side.pk, side.item = None, item
            side.save(force_insert=True)
    protected.pass_(3601)
    look_at_the_clock(protected.now, at_once=2)
    behind = ProtectedItem.objects.filter(health_errors__contains=[{"errorCode": "ReplicaBehind"}])
    assert [found.id.int for found in behind.order_by("id")] == [1, 2]
    protected.work()
    assert behind.count() == 5
