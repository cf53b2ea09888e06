"""The sessions this gateway holds, one a provider."""

from __future__ import annotations

from uuid import UUID

from coordinator.gateway.connection import Connection
from coordinator.gateway.session_ends import STOPPING, SUPERSEDED


class LiveSessions:
    """Finds the connection of a provider."""

    def __init__(self) -> None:
        self._connections: dict[UUID, Connection] = {}
        self._stopped = False

    def add(self, connection: Connection) -> None:
        """Keeps a connection; of two of one provider the one with the higher fence stays."""
        provider_id = connection.identity.provider_id
        other = self._connections.get(provider_id)
        if other is not None and other.fence > connection.fence:
            connection.end(SUPERSEDED)
            return
        if other is not None:
            other.end(SUPERSEDED)
        self._connections[provider_id] = connection
        if self._stopped:
            connection.end(STOPPING)

    def remove(self, connection: Connection) -> None:
        """Forgets a connection that ended. Idempotent."""
        provider_id = connection.identity.provider_id
        if self._connections.get(provider_id) is connection:
            del self._connections[provider_id]

    def find(self, provider_id: UUID) -> Connection | None:
        return self._connections.get(provider_id)

    def all(self) -> list[Connection]:
        return list(self._connections.values())

    def stop(self) -> None:
        """Ends all sessions, and those that still come."""
        self._stopped = True
        for connection in self.all():
            connection.end(STOPPING)
