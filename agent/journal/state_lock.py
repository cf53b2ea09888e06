"""One running agent a state folder, also after a crash."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from agent.private_files import make_private_folder


class AlreadyRunningError(Exception):
    """Another agent process works with this state folder."""


class StateLock:
    """A lock that the operating system releases when the process ends, however it ends.

    It is SQLite's own file lock, so that it works the same on Windows and elsewhere.
    """

    def __init__(self, path: Path) -> None:
        """Takes the lock.

        Raises:
            AlreadyRunningError: Another process has it.
        """
        make_private_folder(path.parent)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise AlreadyRunningError(f"another agent holds {path}") from error

    def release(self) -> None:
        self._connection.close()
