from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.capacity.rules import (
    BadLimitError,
    Day,
    Schedule,
    Window,
    limit_in_force,
    next_change,
    read_schedule,
    schedule_of,
)

MEGABIT = 1_000_000
WEEKDAYS = frozenset(list(Day)[:5])
OFFICE = Window(days=WEEKDAYS, start=time(8), end=time(18), bits_per_second=20 * MEGABIT)
NIGHT = Window(
    days=frozenset({Day.FRIDAY}), start=time(22), end=time(6), bits_per_second=5 * MEGABIT
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# 2026-01-02 is a Friday.
@pytest.mark.parametrize(
    ("moment", "limit", "change"),
    [
        ("2026-01-02T07:59", 100, "2026-01-02T08:00"),
        ("2026-01-02T08:00", 20, "2026-01-02T18:00"),
        ("2026-01-02T17:59", 20, "2026-01-02T18:00"),
        ("2026-01-02T18:00", 100, "2026-01-02T22:00"),
        ("2026-01-02T23:00", 5, "2026-01-03T06:00"),
        ("2026-01-03T05:59", 5, "2026-01-03T06:00"),
        ("2026-01-03T06:00", 100, "2026-01-05T08:00"),
        ("2026-01-04T12:00", 100, "2026-01-05T08:00"),
    ],
)
@pytest.mark.spec("CA-2")
def test_the_window_of_the_day_holds_and_the_next_change_is_known(
    moment: str, limit: int, change: str
) -> None:
    schedule = Schedule(bits_per_second=100 * MEGABIT, windows=(OFFICE, NIGHT))
    assert limit_in_force(schedule, at(moment)) == limit * MEGABIT
    assert next_change(schedule, at(moment)) == at(change)


@pytest.mark.spec("CA-2")
def test_outside_the_windows_nothing_is_limited_unless_said() -> None:
    schedule = Schedule(bits_per_second=None, windows=(OFFICE,))
    assert limit_in_force(schedule, at("2026-01-02T19:00")) is None
    assert limit_in_force(schedule, at("2026-01-02T09:00")) == 20 * MEGABIT


@pytest.mark.spec("CA-2")
def test_times_are_those_of_the_schedules_zone() -> None:
    schedule = Schedule(bits_per_second=None, windows=(OFFICE,), time_zone="Asia/Shanghai")
    assert limit_in_force(schedule, at("2026-01-02T00:00")) == 20 * MEGABIT
    assert limit_in_force(schedule, at("2026-01-02T10:00")) is None
    assert next_change(schedule, at("2026-01-02T00:00")) == at("2026-01-02T10:00")


@pytest.mark.spec("CA-2")
def test_of_overlapping_windows_the_lowest_limit_holds() -> None:
    lower = Window(days=WEEKDAYS, start=time(12), end=time(13), bits_per_second=1 * MEGABIT)
    schedule = Schedule(bits_per_second=None, windows=(OFFICE, lower))
    assert limit_in_force(schedule, at("2026-01-02T12:30")) == MEGABIT
    assert next_change(schedule, at("2026-01-02T09:00")) == at("2026-01-02T12:00")


@pytest.mark.spec("CA-2")
def test_a_window_from_a_time_to_itself_is_a_whole_day_and_never_changes_when_every_day() -> None:
    always = Window(days=frozenset(Day), start=time(0), end=time(0), bits_per_second=MEGABIT)
    schedule = Schedule(bits_per_second=None, windows=(always,))
    assert limit_in_force(schedule, at("2026-01-02T00:00")) == MEGABIT
    assert next_change(schedule, at("2026-01-02T00:00")) is None
    assert next_change(Schedule(bits_per_second=MEGABIT), at("2026-01-02T00:00")) is None


TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30]))
WINDOWS = st.lists(
    st.builds(
        Window,
        days=st.frozensets(st.sampled_from(list(Day)), min_size=1),
        start=TIMES,
        end=TIMES,
        bits_per_second=st.sampled_from([MEGABIT, 2 * MEGABIT]),
    ),
    max_size=3,
)
ZONES = st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin"])
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)).map(  # noqa: DTZ001 - the zone follows
    lambda moment: moment.replace(tzinfo=UTC)
)


@given(WINDOWS, st.one_of(st.none(), st.just(MEGABIT)), ZONES, MOMENTS)
@pytest.mark.spec("CA-2")
def test_nothing_changes_before_the_next_change_and_something_does_then(
    windows: list[Window], outside: int | None, zone: str, now: datetime
) -> None:
    schedule = Schedule(bits_per_second=outside, windows=tuple(windows), time_zone=zone)
    change = next_change(schedule, now)
    present = limit_in_force(schedule, now)
    until = now + timedelta(days=7) if change is None else change
    moments = [now + (until - now) * share / 40 for share in range(40)]
    assert all(one < other for one, other in pairwise(moments))
    assert {limit_in_force(schedule, moment) for moment in moments} == {present}
    if change is not None:
        assert limit_in_force(schedule, change) != present


@given(WINDOWS, ZONES)
def test_windows_are_the_same_after_being_stored(windows: list[Window], zone: str) -> None:
    schedule = Schedule(bits_per_second=MEGABIT, windows=tuple(windows), time_zone=zone)
    stored = [window.as_json() for window in windows]
    assert schedule_of(MEGABIT, stored, zone) == schedule


GOOD_WINDOW: dict[str, object] = {
    "days": ["Monday", "friday"],
    "start": "08:00",
    "end": "18:30",
    "bitsPerSecond": 20 * MEGABIT,
}


@pytest.mark.spec("CA-2")
def test_a_request_is_read_into_a_schedule() -> None:
    schedule = read_schedule(
        {"bitsPerSecond": MEGABIT, "windows": [GOOD_WINDOW], "timeZone": "Asia/Shanghai"}
    )
    assert schedule == Schedule(
        bits_per_second=MEGABIT,
        windows=(
            Window(
                days=frozenset({Day.MONDAY, Day.FRIDAY}),
                start=time(8),
                end=time(18, 30),
                bits_per_second=20 * MEGABIT,
            ),
        ),
        time_zone="Asia/Shanghai",
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "bitsPerSecond"),
        ({"bitsPerSecond": "fast"}, "bitsPerSecond"),
        ({"bitsPerSecond": True}, "bitsPerSecond"),
        ({"bitsPerSecond": 8191}, "bitsPerSecond"),
        ({"bitsPerSecond": 10**13}, "bitsPerSecond"),
        ({"windows": "all"}, "windows"),
        ({"windows": [GOOD_WINDOW] * 51}, "windows"),
        ({"windows": ["x"]}, "windows[0]"),
        ({"windows": [{**GOOD_WINDOW, "days": []}]}, "windows[0].days"),
        ({"windows": [{**GOOD_WINDOW, "days": ["Someday"]}]}, "windows[0].days"),
        ({"windows": [{**GOOD_WINDOW, "days": "Monday"}]}, "windows[0].days"),
        ({"windows": [GOOD_WINDOW, {**GOOD_WINDOW, "start": "8:00"}]}, "windows[1].start"),
        ({"windows": [{**GOOD_WINDOW, "end": "25:00"}]}, "windows[0].end"),
        ({"windows": [{**GOOD_WINDOW, "end": 8}]}, "windows[0].end"),
        ({"windows": [{**GOOD_WINDOW, "bitsPerSecond": 0}]}, "windows[0].bitsPerSecond"),
        ({"bitsPerSecond": MEGABIT, "timeZone": "Nowhere"}, "timeZone"),
        ({"bitsPerSecond": MEGABIT, "timeZone": "../etc/passwd"}, "timeZone"),
        ({"bitsPerSecond": MEGABIT, "timeZone": 8}, "timeZone"),
    ],
)
@pytest.mark.spec("CA-2")
def test_a_field_that_makes_no_sense_is_named_with_what_is_allowed(
    fields: dict[str, object], field: str
) -> None:
    with pytest.raises(BadLimitError) as refused:
        read_schedule(fields)
    assert refused.value.problem.field == field
    assert refused.value.problem.message.startswith(f"{field} cannot be ")
    assert refused.value.problem.allowed
