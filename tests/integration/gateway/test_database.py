"""What the gateway's transactions promise when the connection breaks in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import psycopg
import pytest
from django.db import connection, transaction
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from coordinator.gateway.database import Database, DatabaseAwayError
from coordinator.jobs.statements import Arguments, fetch_together, run

pytestmark = pytest.mark.django_db(transaction=True)

RunOnce: TypeAlias = Callable[[Callable[[], Any]], Awaitable[Any]]

ASK: list[tuple[str, Arguments]] = [("SELECT 1", [])]


@pytest.fixture
async def database() -> AsyncIterator[Database]:
    database = Database(threads=1)
    yield database
    await database.close()


@pytest.fixture(params=["run_once", "run_in_turn"])
def run_once(database: Database, request: pytest.FixtureRequest) -> RunOnce:
    found: RunOnce = getattr(database, request.param)
    return found


def plain() -> psycopg.Connection[Any]:
    found: psycopg.Connection[Any] = connection.connection
    return found


def lose_connection() -> None:
    """As when PostgreSQL is started anew."""
    info = plain().info
    address = make_conninfo(info.dsn, password=info.password)
    with psycopg.connect(address, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [info.backend_pid])


def breaking_once(tries: list[int], *, commit: bool) -> Callable[[], int]:
    """Work that loses its connection the first time it is done."""

    def work() -> int:
        tries.append(len(tries))
        fetch_together(ASK)
        if len(tries) == 1:
            lose_connection()
        fetch_together(ASK, commit=commit)
        return len(tries)

    return work


async def test_work_is_done_again_when_the_connection_broke_before_its_commit(
    run_once: RunOnce,
) -> None:
    assert await run_once(breaking_once([], commit=False)) == 2


async def test_work_is_not_done_again_when_nobody_knows_whether_it_was_committed(
    run_once: RunOnce,
) -> None:
    tries: list[int] = []
    work = breaking_once(tries, commit=True)
    with pytest.raises(DatabaseAwayError):
        await run_once(work)
    assert tries == [0]
    assert await run_once(work) == 2, "the next work has a connection again"


async def test_work_that_came_to_its_end_is_not_done_again(run_once: RunOnce) -> None:
    tries: list[int] = []

    def work() -> None:
        tries.append(0)
        fetch_together(ASK)
        lose_connection()

    with pytest.raises(DatabaseAwayError):
        await run_once(work)
    assert tries == [0]


async def test_work_that_found_nothing_to_do_is_done_again(run_once: RunOnce) -> None:
    tries: list[int] = []

    def work() -> list[str]:
        tries.append(0)
        fetch_together(ASK)
        if len(tries) == 1:
            lose_connection()
        return []

    assert await run_once(work) == []
    assert tries == [0, 0]


async def test_a_commit_goes_with_the_last_statements_and_is_followed_as_any_other(
    run_once: RunOnce,
) -> None:
    told: list[str] = []

    def work() -> TransactionStatus:
        transaction.on_commit(lambda: told.append("committed"))
        fetch_together(ASK)
        assert plain().info.transaction_status is TransactionStatus.INTRANS
        fetch_together(ASK, commit=True)
        return plain().info.transaction_status

    assert await run_once(work) is TransactionStatus.IDLE
    assert told == ["committed"]


async def test_a_statement_that_fails_keeps_the_commit_from_being_done(
    database: Database, run_once: RunOnce
) -> None:
    def work() -> None:
        run("CREATE TABLE kept (n integer)", [])
        fetch_together([("SELECT 1 / 0", [])], commit=True)

    with pytest.raises(Exception, match="division by zero"):
        await run_once(work)
    [[found]] = await database.run(lambda: fetch_together([("SELECT to_regclass('kept')", [])])[0])
    assert found is None


async def test_what_is_handed_over_in_turn_is_done_one_after_the_other(database: Database) -> None:
    at_work: list[int] = []
    most: list[int] = []

    def work(number: int) -> int:
        at_work.append(number)
        fetch_together(ASK)
        most.append(len(at_work))
        at_work.remove(number)
        return number

    found = await asyncio.gather(*(database.run_in_turn(work, number) for number in range(20)))
    assert found == list(range(20))
    assert set(most) == {1}
