"""The journal's file when writing it fails or its bytes are damaged."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from opensiterecovery.provider.v1.command_pb2 import Command, RefreshHost

from agent.journal.commands import CommandJournal
from agent.journal.database import Database, JournalError
from tests.unit.agent.memory_keys import SetClock


def command(n: int, host: str = "hv1") -> Command:
    return Command(
        command_id=f"{n:08d}-0000-4000-8000-000000000000", refresh_host=RefreshHost(host=host)
    )


def test_a_full_disk_is_told_as_such_and_the_journal_goes_on_when_there_is_room(
    journal_path: Path,
) -> None:
    database = Database(journal_path)
    journal = CommandJournal(database, SetClock())
    with database.reading() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        journal.accept(command(1, host="h" * 100_000))
    assert journal.unfinished() == []
    with database.reading() as connection:
        connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
    assert journal.accept(command(1)) is None
    assert len(journal.unfinished()) == 1


def test_what_could_not_be_committed_is_seen_by_nobody(journal_path: Path) -> None:
    database = Database(journal_path)
    with database.reading() as connection:
        # A constraint that is looked at in COMMIT, which fails there as it does on a full disk.
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        connection.execute(
            "CREATE TABLE children (parent INTEGER"
            " REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)"
        )
    with pytest.raises(sqlite3.IntegrityError), database.transaction() as connection:
        connection.execute("INSERT INTO children VALUES (1)")
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM children").fetchone() == (0,)
    assert CommandJournal(database, SetClock()).accept(command(1)) is None


def test_a_journal_with_damaged_pages_is_refused_at_the_start(journal_path: Path) -> None:
    database = Database(journal_path)
    journal = CommandJournal(database, SetClock())
    for n in range(200):
        journal.accept(command(n))
    database.close()
    with journal_path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xa5" * 4 * 4096)
    with pytest.raises(JournalError, match=r"(damaged|not a journal).*Move it .* away"):
        Database(journal_path)
