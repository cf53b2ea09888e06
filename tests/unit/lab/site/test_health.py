from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from deploy.lab.site.health import details_of, health_of
from deploy.lab.site.replication_model import (
    Replication,
    ReplicationHealth,
    ReplicationMode,
    ReplicationState,
    ReplicationStatistics,
)
from deploy.lab.site.retry_schedule import delay_seconds

NOW = datetime(2026, 1, 1, tzinfo=UTC)
S = ReplicationState
P, R = ReplicationMode.PRIMARY, ReplicationMode.REPLICA


def replication(
    mode: ReplicationMode, state: ReplicationState, age: timedelta = timedelta()
) -> Replication:
    return Replication(
        mode=mode,
        state=state,
        relationship_id="r",
        primary_server="p",
        replica_server="q",
        last_replication_time=NOW - age,
    )


@pytest.mark.parametrize(
    ("mode", "state", "health"),
    [
        (P, S.REPLICATING, ReplicationHealth.NORMAL),
        (P, S.PREPARED_FOR_FAILOVER, ReplicationHealth.NORMAL),
        (P, S.READY_FOR_INITIAL_REPLICATION, ReplicationHealth.WARNING),
        (P, S.INITIAL_REPLICATION_IN_PROGRESS, ReplicationHealth.WARNING),
        (P, S.SUSPENDED, ReplicationHealth.WARNING),
        (R, S.SUSPENDED, ReplicationHealth.CRITICAL),
        (R, S.FAILED_OVER_WAITING_COMPLETION, ReplicationHealth.WARNING),
        (R, S.FAILED_OVER, ReplicationHealth.WARNING),
        (P, S.ERROR, ReplicationHealth.CRITICAL),
        (P, S.WAITING_FOR_START_RESYNCHRONIZE, ReplicationHealth.CRITICAL),
    ],
)
def test_health_follows_the_state(
    mode: ReplicationMode, state: ReplicationState, health: ReplicationHealth
) -> None:
    record = replication(mode, state)
    assert health_of(record, NOW, 1.0) is health
    assert bool(details_of(record, NOW, 1.0)) is (health is not ReplicationHealth.NORMAL)


def test_no_replication_has_no_health() -> None:
    assert health_of(None, NOW, 1.0) is ReplicationHealth.NOT_APPLICABLE
    assert details_of(None, NOW, 1.0) == ()


def test_an_hour_without_a_log_is_a_warning_and_speed_shortens_it() -> None:
    record = replication(R, S.REPLICATING, timedelta(minutes=59))
    assert health_of(record, NOW, 1.0) is ReplicationHealth.NORMAL
    assert health_of(record, NOW, 2.0) is ReplicationHealth.WARNING
    assert health_of(record, NOW + timedelta(minutes=2), 1.0) is ReplicationHealth.WARNING


def test_more_than_a_fifth_of_cycles_missed_is_a_warning() -> None:
    record = replication(P, S.REPLICATING)
    record.statistics = ReplicationStatistics(successes=8, misses=2)
    assert health_of(record, NOW, 1.0) is ReplicationHealth.NORMAL
    record.statistics.misses = 3
    assert health_of(record, NOW, 1.0) is ReplicationHealth.WARNING


def test_a_primary_that_cannot_send_is_critical() -> None:
    record = replication(P, S.REPLICATING)
    record.log.failures = 1
    assert health_of(record, NOW, 1.0) is ReplicationHealth.CRITICAL


def test_retries_wait_longer_and_longer() -> None:
    assert [delay_seconds(each) for each in range(1, 8)] == [60, 120, 240, 480, 600, 1800, 1800]
