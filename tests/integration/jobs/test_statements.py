"""What the engine's statements are given comes back as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from coordinator.jobs.models import OperationLock
from coordinator.jobs.statements import fetch, run

pytestmark = pytest.mark.django_db

# PostgreSQL stores no NUL.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
TIMES = st.datetimes(timezones=st.just(UTC))


def through(kind: str, values: list[object]) -> list[object]:
    return [value for (value,) in fetch(f"SELECT unnest(%s::{kind}[])", [values])]


@given(st.lists(TEXTS | st.sampled_from(["NULL", '"', "\\", "{", ",", " ", "\n", None])))
def test_texts_of_an_array_come_back(values: list[object]) -> None:
    assert through("text", values) == values


@given(st.lists(st.binary() | st.none()))
def test_bytes_of_an_array_come_back(values: list[object]) -> None:
    assert through("bytea", values) == values


@given(st.lists(TIMES | st.none()))
def test_times_of_an_array_come_back(values: list[object]) -> None:
    assert through("timestamptz", values) == values


def test_numbers_truths_and_ids_of_an_array_come_back() -> None:
    assert through("float8", [0.1, -3.5e300, None]) == [0.1, -3.5e300, None]
    assert through("bigint", [2**62, -1]) == [2**62, -1]
    assert through("boolean", [True, False, None]) == [True, False, None]
    assert through("uuid", [UUID(int=7)]) == [UUID(int=7)]


def test_named_arguments_may_be_arrays_too() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    rows = fetch(
        "SELECT %(now)s::timestamptz, unnest(%(keys)s::text[])", {"now": now, "keys": ["a"]}
    )
    assert rows == [(now, "a")]


@pytest.mark.django_db(transaction=True)
def test_a_statement_goes_on_after_the_connection_was_made_anew() -> None:
    fetch("SELECT 1", [])
    connection.close()
    assert fetch("SELECT 1", []) == [(1,)]


def test_errors_are_those_of_the_database_layer() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        run("INSERT INTO jobs_operationlock (key, job_id) VALUES (%s, %s)", ["nobody's", None])
    assert not OperationLock.objects.exists()
