"""Comparing all sessions with the database, a few statements for however many there are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from coordinator.fabrics.queries import current_fences
from coordinator.fabrics.services import heartbeat_many
from coordinator.gateway.connection import Connection
from coordinator.gateway.database import DatabaseAwayError
from coordinator.gateway.deliveries import end_of
from coordinator.gateway.live_sessions import LiveSessions
from coordinator.gateway.session_ends import LOST
from coordinator.gateway.settings import GatewayContext
from coordinator.jobs.queries import providers_with_waiting_commands
from coordinator.protection.queries import (
    Place,
    RoleOfCopy,
    first_copies_to_watch,
    machines_to_watch,
    roles_of,
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Findings:
    """What the database says about the sessions.

    Attributes:
        fences: Of the newest session of each provider that is registered.
        waiting: Providers with commands to send.
        watched: Hyper-V ids by fabric; None when it was not looked up.
        first_copies: Where to look for offline first copies, by fabric; None like `watched`.
        roles: Of the copies at each fabric; None when they were not looked up.
    """

    fences: Mapping[UUID, int]
    waiting: set[UUID]
    watched: Mapping[UUID, Sequence[str]] | None
    first_copies: Mapping[UUID, Sequence[Place]] | None
    roles: Mapping[UUID, Sequence[RoleOfCopy]] | None


class Rounds:
    """Writes down who was heard of, ends sessions that are over, wakes those with work."""

    def __init__(self, gateway: GatewayContext, live: LiveSessions) -> None:
        self._gateway = gateway
        self._live = live
        self._watch_due_at = 0.0
        self._roles_due_at = 0.0

    async def run(self) -> None:
        """Goes round until it is cancelled."""
        while True:
            await asyncio.sleep(self._gateway.settings.round_seconds)
            await self.go()

    async def go(self) -> None:
        """One round."""
        settings = self._gateway.settings
        now = asyncio.get_running_loop().time()
        connections = self._live.all()
        for connection in connections:
            if now - connection.heard_at > settings.lease_seconds:
                connection.end(LOST)
        if not connections:
            return
        heard = [connection for connection in connections if connection.heard]
        for connection in heard:
            connection.heard = False
        watch_due = now >= self._watch_due_at
        roles_due = now >= self._roles_due_at
        fabric_ids = [connection.identity.fabric_id for connection in connections]
        try:
            findings = await self._gateway.database.run(
                look,
                {connection.identity.provider_id: connection.fence for connection in heard},
                [connection.identity.provider_id for connection in connections],
                (fabric_ids if watch_due else [], fabric_ids if roles_due else []),
                self._gateway.clock(),
            )
        except DatabaseAwayError:
            log.warning("round.failed", sessions=len(connections))
            for connection in heard:
                connection.heard = True
            return
        if watch_due:
            self._watch_due_at = now + settings.watch_seconds
        if roles_due:
            self._roles_due_at = now + settings.role_seconds
        for connection in connections:
            apply(connection, findings)


def look(
    heard: Mapping[UUID, int],
    provider_ids: Sequence[UUID],
    due: tuple[Sequence[UUID], Sequence[UUID]],
    now: datetime,
) -> Findings:
    """All that a round asks of the database, in one transaction.

    Args:
        heard: Fences of the sessions that were heard of.
        provider_ids: Of all sessions.
        due: Fabrics whose watched machines are to be looked up, and those whose roles are.
        now: The time.
    """
    fabric_ids, role_fabric_ids = due
    heartbeat_many(heard, now)
    return Findings(
        fences=current_fences(provider_ids),
        waiting=providers_with_waiting_commands(provider_ids),
        watched=machines_to_watch(fabric_ids) if fabric_ids else None,
        first_copies=first_copies_to_watch(fabric_ids) if fabric_ids else None,
        roles=roles_of(role_fabric_ids) if role_fabric_ids else None,
    )


def apply(connection: Connection, findings: Findings) -> None:
    """What the findings mean for one session."""
    provider_id = connection.identity.provider_id
    end = end_of(provider_id, connection.fence, findings.fences)
    if end is not None:
        connection.end(end)
    elif provider_id in findings.waiting:
        connection.wake()
    if findings.watched is not None:
        connection.watch(findings.watched[connection.identity.fabric_id])
    if findings.first_copies is not None:
        connection.watch_first_copies(findings.first_copies[connection.identity.fabric_id])
    if findings.roles is not None:
        connection.assign_roles(findings.roles[connection.identity.fabric_id])
