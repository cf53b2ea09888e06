"""Private keys of host certificates, from the request until the certificate is installed."""

from __future__ import annotations

from agent.clock import Clock
from agent.journal.database import Database
from agent.secret_bytes import SecretBytes


class HostKeyStore:
    """At most one key a host; the name of a host is compared without regard to case."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def find(self, host: str) -> SecretBytes | None:
        """The key (PKCS #8, DER) that waits for its certificate, if there is one."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT private_key FROM host_keys WHERE host = ?", (host.lower(),)
            ).fetchone()
        return None if row is None else SecretBytes(row[0])

    def keep(self, host: str, key: SecretBytes) -> SecretBytes:
        """Keeps the key unless the host has one.

        Returns:
            The key that is now kept: the one given, or the one that was there first.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO host_keys (host, private_key, made_at) VALUES (?, ?, ?)"
                " ON CONFLICT (host) DO NOTHING",
                (host.lower(), key.reveal(), self._clock().isoformat()),
            )
            row = connection.execute(
                "SELECT private_key FROM host_keys WHERE host = ?", (host.lower(),)
            ).fetchone()
        return SecretBytes(row[0])

    def forget(self, host: str) -> None:
        """Deletes the key. Idempotent."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM host_keys WHERE host = ?", (host.lower(),))
