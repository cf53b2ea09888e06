from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.recovery.loss import SourceKnowledge, loss_of, loss_sentence
from coordinator.recovery.options import RecoveryTag
from coordinator.recovery.recovery_points import Point, chosen_point, missing_point_failure

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
POINT = Point("p1", NOW - timedelta(hours=1), "ApplicationConsistent")
MOMENTS = st.none() | st.integers(0, 7200).map(lambda s: NOW - timedelta(seconds=s))


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.spec("FO-3")
def test_a_source_that_sent_everything_lost_nothing() -> None:
    source = SourceKnowledge(last_seen_running_at=ago(5), prepared=True)
    loss = loss_of(point=None, replicated_until=ago(30), source=source, now=NOW)
    assert loss.none
    assert loss_sentence("SQL1", loss) == "SQL1: nothing was lost."


@pytest.mark.spec("FO-3")
def test_with_a_source_that_died_the_loss_has_two_ends() -> None:
    source = SourceKnowledge(last_replicated_at=ago(40), last_seen_running_at=ago(15))
    loss = loss_of(point=None, replicated_until=ago(40), source=source, now=NOW)
    assert (loss.at_least_seconds, loss.at_most_seconds) == (25, 40)
    told = loss_sentence("SQL1", loss)
    assert "as it was at 2026-05-01 11:59:20 UTC" in told
    assert "40 seconds" in told
    assert "at least 25 seconds" in told


@pytest.mark.spec("FO-3")
def test_an_older_point_loses_what_came_after_it_although_the_replica_had_it() -> None:
    source = SourceKnowledge(last_replicated_at=ago(10), prepared=True)
    loss = loss_of(point=POINT, replicated_until=ago(10), source=source, now=NOW)
    assert loss.recovered_until == POINT.time
    assert loss.at_least_seconds == loss.at_most_seconds == 3590


@pytest.mark.spec("FO-3")
def test_what_nobody_told_is_said_to_be_unknown() -> None:
    loss = loss_of(point=None, replicated_until=None, source=SourceKnowledge(), now=NOW)
    assert (loss.at_least_seconds, loss.at_most_seconds) == (None, None)
    assert "not known" in loss_sentence("SQL1", loss)


@given(replicated=MOMENTS, last=MOMENTS, seen=MOMENTS, prepared=st.booleans(), point=st.booleans())
def test_the_least_loss_is_never_more_than_the_most(
    replicated: datetime | None,
    last: datetime | None,
    seen: datetime | None,
    prepared: bool,
    point: bool,
) -> None:
    source = SourceKnowledge(last_replicated_at=last, last_seen_running_at=seen, prepared=prepared)
    loss = loss_of(
        point=POINT if point else None, replicated_until=replicated, source=source, now=NOW
    )
    if loss.at_least_seconds is not None and loss.at_most_seconds is not None:
        assert 0 <= loss.at_least_seconds <= loss.at_most_seconds
    assert loss_sentence("SQL1", loss)


@pytest.mark.spec("FO-3")
@pytest.mark.parametrize("tag", list(RecoveryTag))
def test_only_a_point_that_is_not_there_is_missed(tag: RecoveryTag) -> None:
    assert missing_point_failure([POINT], tag) is None
    assert missing_point_failure([POINT], tag, "P1") is None
    gone = missing_point_failure([POINT], tag, "p2")
    assert gone is not None
    assert "p1" in gone.message
    none = missing_point_failure([], tag)
    assert (none is not None) is (tag is RecoveryTag.LATEST_APPLICATION_CONSISTENT)


@pytest.mark.spec("FO-3")
def test_a_tag_chooses_the_newest_of_its_kind() -> None:
    crash = Point("p3", ago(1800), "CrashConsistent")
    older = Point("p0", ago(7200), "ApplicationConsistent")
    points = [older, POINT, crash]
    assert chosen_point(points, RecoveryTag.LATEST) is None
    assert chosen_point(points, RecoveryTag.LATEST_AVAILABLE) is None
    assert chosen_point(points, RecoveryTag.LATEST_APPLICATION_CONSISTENT) == POINT
    assert chosen_point(points, RecoveryTag.LATEST_CRASH_CONSISTENT) == crash
    assert chosen_point(points, RecoveryTag.LATEST, "p0") == older
