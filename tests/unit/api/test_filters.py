"""ASR's $filter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.api.filters import parse_filter, parse_time
from coordinator.failures import RefusedError

KNOWN = ("jobStatus", "startTime")


def test_clauses_are_joined_by_and_and_names_have_any_case() -> None:
    parsed = parse_filter("JOBSTATUS eq 'Failed' AND startTime eq '2026-07-01'", KNOWN)
    assert parsed == {"jobStatus": "Failed", "startTime": "2026-07-01"}


def test_no_filter_narrows_nothing() -> None:
    assert parse_filter("", KNOWN) == {}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_can_be_a_value(value: str) -> None:
    quoted = value.replace("'", "''")
    assert parse_filter(f"jobStatus eq '{quoted}'", KNOWN) == {"jobStatus": value}


@pytest.mark.parametrize(
    "wrong",
    [
        "jobStatus",
        "jobStatus eq",
        "jobStatus ne 'Failed'",
        "jobStatus eq 'Failed",
        "colour eq 'red'",
        "jobStatus eq 'Failed' or startTime eq '1'",
        "jobStatus eq 'Failed' and",
        "jobStatus eq 'Failed' startTime eq '1'",
        "and jobStatus eq 'Failed'",
    ],
)
def test_anything_else_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(RefusedError) as refused:
        parse_filter(wrong, KNOWN)
    assert refused.value.field == "$filter"
    assert refused.value.failure.recommended_action


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        parse_filter(text, KNOWN)
    except RefusedError as refused:
        assert refused.status == 400  # noqa: PT017 - any other error fails the test by itself


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-07-01T10:00:00Z", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("2026-07-01T10:00:00.1234567Z", datetime(2026, 7, 1, 10, 0, 0, 123456, UTC)),
        ("2026-07-01T10:00:00", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        (
            "2026-07-01T10:00:00+08:00",
            datetime(2026, 7, 1, 10, tzinfo=timezone(timedelta(hours=8))),
        ),
    ],
)
def test_times_are_read_as_clients_write_them(text: str, time: datetime) -> None:
    assert parse_time("startTime", text) == time


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(RefusedError, match="startTime"):
        parse_time("startTime", "yesterday")
