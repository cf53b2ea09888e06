"""What inventory the coordinator has, so that after a restart only differences travel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sqlite3 import Connection

from agent.journal.database import Database


class JournalInventoryBase:
    """Revision and digests of the inventory the coordinator confirmed last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> tuple[int, dict[tuple[str, str], bytes]]:
        """Revision and digests by (kind, id); 0 and nothing at first."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT revision FROM inventory_base").fetchone()
            rows = connection.execute("SELECT kind, id, digest FROM inventory_digests").fetchall()
        return (row[0] if row else 0), {(kind, key): digest for kind, key, digest in rows}

    def revision(self) -> int:
        """The revision alone; 0 at first."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT revision FROM inventory_base").fetchone()
        return int(row[0]) if row else 0

    def save(self, revision: int, digests: Mapping[tuple[str, str], bytes]) -> None:
        """Replaces what is remembered, whole or not at all; on disk when it returns."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM inventory_digests")
            connection.executemany(
                "INSERT INTO inventory_digests (kind, id, digest) VALUES (?, ?, ?)",
                [(kind, key, digest) for (kind, key), digest in digests.items()],
            )
            _set_revision(connection, revision)

    def amend(
        self,
        revision: int,
        changed: Mapping[tuple[str, str], bytes],
        removed: Iterable[tuple[str, str]],
    ) -> None:
        """Changes what is remembered, whole or not at all; on disk when it returns."""
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO inventory_digests (kind, id, digest) VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET digest = excluded.digest",
                [(kind, key, digest) for (kind, key), digest in changed.items()],
            )
            connection.executemany(
                "DELETE FROM inventory_digests WHERE kind = ? AND id = ?", list(removed)
            )
            _set_revision(connection, revision)


def _set_revision(connection: Connection, revision: int) -> None:
    connection.execute(
        "INSERT INTO inventory_base (only_row, revision) VALUES (1, ?)"
        " ON CONFLICT (only_row) DO UPDATE SET revision = excluded.revision",
        (revision,),
    )
