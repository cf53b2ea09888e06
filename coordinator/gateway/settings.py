"""What a gateway's parts share: settings, clock, authority, database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from coordinator.events.audit.services import RefusalRecorder, process_recorder
from coordinator.gateway.database import Database
from coordinator.jobs.registry import Registry
from coordinator.jobs.services import Engine
from coordinator.vaults.services import Authority


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """How a gateway behaves.

    Attributes:
        heartbeat_seconds: How often agents are told to show that they live.
        lease_seconds: A stream not heard of for so long is ended.
        inventory_seconds: How often agents look for changes in VMM.
        replication_seconds: How often agents look at replication.
        round_seconds: How often sessions are compared with the database.
        watch_seconds: How often it is looked up which machines are to be watched.
        role_seconds: How often it is looked up which copies may run.
        inventory_objects: More objects in one revision are not accepted.
    """

    heartbeat_seconds: float = 5.0
    lease_seconds: float = 25.0
    inventory_seconds: float = 30.0
    replication_seconds: float = 5.0
    round_seconds: float = 1.0
    watch_seconds: float = 2.0
    role_seconds: float = 4.0
    inventory_objects: int = 500_000


@dataclass(frozen=True, kw_only=True)
class GatewayContext:
    """What every call needs.

    Attributes:
        gateway_id: Tells gateways apart; new with each process.
        authority: Signs and checks certificates.
        database: Where services are called.
        clock: The time, UTC.
        settings: See there.
        engine: Brings jobs on when results have come.
        inventory_turns: Held while a revision is applied, so that large ones at the same moment do
            not take every thread from commands and heartbeats.
    """

    gateway_id: str
    authority: Authority
    database: Database
    clock: Callable[[], datetime]
    settings: GatewaySettings
    engine: Engine = field(default_factory=lambda: Engine(Registry(), lambda: datetime.now(UTC)))
    inventory_turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))

    @cached_property
    def refusals(self) -> RefusalRecorder:
        """Who was turned away."""
        folder = self.authority.folder
        return RefusalRecorder(lambda: process_recorder(folder), self.database.run)
