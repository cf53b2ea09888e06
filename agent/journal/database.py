"""The SQLite file of the journal: made private, written durably, used by one thread at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.private_files import make_private_folder

SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE commands (
    command_id TEXT PRIMARY KEY,
    body BLOB NOT NULL,
    state TEXT NOT NULL,
    received_at TEXT NOT NULL,
    started_at TEXT,
    finished_at TEXT,
    stored_at TEXT,
    result BLOB
) STRICT;
CREATE INDEX commands_in_state ON commands (state, received_at);
CREATE TABLE inventory_base (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision INTEGER NOT NULL
) STRICT;
CREATE TABLE inventory_digests (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE host_keys (
    host TEXT PRIMARY KEY,
    private_key BLOB NOT NULL,
    made_at TEXT NOT NULL
) STRICT;
"""

_ROLES = """
CREATE TABLE roles (
    vm_id TEXT NOT NULL,
    location TEXT NOT NULL,
    item_id TEXT NOT NULL,
    host TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    role TEXT NOT NULL,
    start_action TEXT NOT NULL,
    start_delay_seconds INTEGER NOT NULL,
    adapters TEXT,
    held INTEGER NOT NULL DEFAULT 0,
    released_epoch INTEGER NOT NULL DEFAULT 0,
    assigned INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (vm_id, location)
) STRICT, WITHOUT ROWID;
"""
# What each version added, in order.
_VERSIONS = (_SCHEMA, _ROLES)


_SETTING_ASIDE = (
    "Move it and its side files (-wal, -shm) away and start the agent again: the coordinator sends"
    " once more what is not finished, and every command looks at the state before it acts. Only"
    " scripts of recovery plans may run a second time: see in the vault's jobs whether any was"
    " running here, and what it did."
)


class JournalError(Exception):
    """The file is no journal, or one of a newer agent; the text says what to do."""


class Database:
    """One connection; each transaction is on disk before its block is left."""

    def __init__(self, path: Path) -> None:
        """Opens the journal, making it when it is missing.

        Args:
            path: The file; made with mode 0600, which SQLite copies to its side files.

        Raises:
            JournalError: The file is not a journal this agent can read.
        """
        self.path = path
        self._lock = threading.RLock()
        make_private_folder(path.parent)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        try:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            damage = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise JournalError(
                f"{self.path} is not a journal: {error}. {_SETTING_ASIDE}"
            ) from error
        if damage != "ok":
            raise JournalError(
                f"{self.path} is damaged: {' '.join(damage.split())}. {_SETTING_ASIDE}"
            )
        if version > SCHEMA_VERSION:
            raise JournalError(
                f"{self.path} was written by a newer agent (schema {version}). Install that one."
            )
        self._connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit is in the file when it returns, also when the machine loses power.
        self._connection.execute("PRAGMA synchronous = FULL")
        # Host keys are overwritten when they are deleted.
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute("PRAGMA busy_timeout = 5000")
        if version < SCHEMA_VERSION:
            added = " ".join(_VERSIONS[version:])
            self._connection.executescript(
                f"BEGIN IMMEDIATE; {added} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything in the block or nothing of it; durable when the block has been left.

        Inside another transaction of the same thread it is a part of that one, and is durable when
        that one's block has been left.
        """
        with self._lock:
            inside = self._connection.in_transaction
            if inside:
                with self._savepoint():
                    yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # On a full disk SQLite may have rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        self._connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO part")
                self._connection.execute("RELEASE part")
            raise
        self._connection.execute("RELEASE part")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection for questions."""
        with self._lock:
            yield self._connection

    def close(self) -> None:
        with self._lock:
            self._connection.close()
