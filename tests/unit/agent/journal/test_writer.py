"""Changes of the journal: those that come together are one transaction, and each stands alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection

import pytest
from opensiterecovery.provider.v1.command_pb2 import (
    Command,
    CommandResult,
    HostRefreshed,
    RefreshHost,
)

from agent.journal.commands import CommandJournal, UnknownCommandError
from agent.journal.database import Database
from agent.journal.states import CommandState
from tests.unit.agent.memory_keys import SetClock


class CountingDatabase(Database):
    """Counts the transactions that are not inside another; the first waits until it is let go."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.transactions = 0
        self.depth = 0
        self.begun, self.go = threading.Event(), threading.Event()
        self.go.set()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        if not self.depth:
            self.transactions += 1
            self.begun.set()
            assert self.go.wait(10)
        self.depth += 1
        try:
            with super().transaction() as connection:
                yield connection
        finally:
            self.depth -= 1


@pytest.fixture
def database(tmp_path: Path) -> CountingDatabase:
    return CountingDatabase(tmp_path / "journal.sqlite3")


@pytest.fixture
def journal(database: CountingDatabase) -> CommandJournal:
    return CommandJournal(database, SetClock())


def command(n: int) -> Command:
    return Command(command_id=f"{n:08d}-0000-4000-8000-000000000000", refresh_host=RefreshHost())


def result(n: int) -> CommandResult:
    return CommandResult(command_id=command(n).command_id, host_refreshed=HostRefreshed())


async def test_changes_that_come_together_reach_the_disk_together(
    journal: CommandJournal, database: CountingDatabase
) -> None:
    database.go.clear()
    first = asyncio.create_task(journal.writer.run(journal.accept, command(0)))
    assert await asyncio.to_thread(database.begun.wait, 10)
    others = [
        asyncio.create_task(journal.writer.run(journal.accept, command(n))) for n in range(1, 40)
    ]
    # All of them wait for the first one's transaction.
    await asyncio.gather(*(asyncio.wait([other], timeout=0) for other in others))
    database.go.set()
    assert await asyncio.gather(first, *others) == [None] * 40
    assert database.transactions == 2
    assert journal.counts()[CommandState.ACCEPTED] == 40


async def test_a_change_that_is_refused_does_not_take_the_others_with_it(
    journal: CommandJournal,
) -> None:
    journal.accept(command(1))
    changes = [
        journal.writer.run(journal.finish, result(1)),
        journal.writer.run(journal.finish, result(2)),
        journal.writer.run(journal.accept, command(3)),
    ]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [
        type(None),
        UnknownCommandError,
        type(None),
    ]
    counts = journal.counts()
    assert (counts[CommandState.FINISHED], counts[CommandState.ACCEPTED]) == (1, 1)


async def test_a_command_can_be_noted_as_started_when_it_is_accepted(
    journal: CommandJournal,
) -> None:
    assert await journal.writer.run(journal.accept, command(1), begin=True) is None
    [entry] = journal.unfinished()
    assert entry.state is CommandState.STARTED


def test_results_are_noted_as_stored_together_as_far_as_there_are_any(
    journal: CommandJournal, database: CountingDatabase
) -> None:
    for n in (1, 2):
        journal.accept(command(n))
    journal.finish(result(1))
    before = database.transactions
    refused = journal.mark_all_stored([command(n).command_id for n in (1, 2, 3)])
    assert set(refused) == {command(2).command_id, command(3).command_id}
    assert database.transactions == before + 1
    assert journal.counts()[CommandState.STORED] == 1
