"""Keeps the coordinator's picture of the fabric up to date."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

import structlog
from opensiterecovery.provider.v1 import session_pb2

from agent.clock import Clock, utc_now
from agent.fabric.differences import Difference, difference, digests, parts
from agent.fabric.discovery import read_inventory
from agent.fabric.inventory import Inventory, ObjectKey
from agent.powershell.errors import PowerShellError
from agent.powershell.interface import PowerShell
from agent.powershell.records import PropertyError

log = structlog.get_logger(__name__)

SendMessage: TypeAlias = Callable[[session_pb2.AgentMessage], Awaitable[bool]]
"""Hands a message to the session; False when there is none, or it ended."""


class InventoryBase(Protocol):
    """Remembers, over restarts of the agent, what the coordinator has. Called in a thread."""

    def load(self) -> tuple[int, Mapping[tuple[str, str], bytes]]:
        """Revision and digests by (kind, id); 0 and nothing at first."""
        ...

    def save(self, revision: int, digests: Mapping[tuple[str, str], bytes]) -> None:
        """Replaces what is remembered; on disk when it returns."""
        ...


@dataclass(frozen=True)
class InventorySettings:
    """How discovery goes about.

    Attributes:
        vmm_server: Name of the VMM server or cluster role.
        interval_seconds: Between looks, until a session says otherwise.
        read_limit_seconds: For each of discovery's pipelines.
        stored_limit_seconds: For the coordinator to say that it has applied a revision.
    """

    vmm_server: str = "localhost"
    interval_seconds: float = 300.0
    read_limit_seconds: float = 300.0
    stored_limit_seconds: float = 120.0


class InventoryWatch:
    """Looks at the fabric now and then, and sends what changed since the coordinator's revision.

    Args:
        powershell: Where discovery runs.
        base: What the coordinator has.
        send: The way to it.
        settings: See InventorySettings.
        on_inventory: Told each inventory that was read.
        clock: For revision numbers, which never repeat, even when the agent's state was lost.
    """

    def __init__(
        self,
        powershell: PowerShell,
        base: InventoryBase,
        send: SendMessage,
        settings: InventorySettings,
        on_inventory: Callable[[Inventory], None] = lambda _: None,
        clock: Clock = utc_now,
    ) -> None:
        self._powershell = powershell
        self._base = base
        self._send = send
        self._settings = settings
        self._interval_seconds = settings.interval_seconds
        self._on_inventory = on_inventory
        self._clock = clock
        self._wanted = asyncio.Event()
        self._full = False
        self._sent_revision = 0
        self._answer: asyncio.Future[bool] | None = None

    def session_opened(self, interval_seconds: float) -> None:
        """The coordinator can be told things again: looks now, then at this interval."""
        if interval_seconds > 0:
            self._interval_seconds = interval_seconds
        self._settle(stored=False)
        self._wanted.set()

    def request(self, *, full: bool) -> None:
        """Looks now. With "full" everything is sent: the coordinator has lost its base."""
        self._full = self._full or full
        if full:
            self._settle(stored=False)
        self._wanted.set()

    def stored(self, revision: int) -> None:
        """The coordinator has applied a revision; any but the last sent is old news."""
        if revision == self._sent_revision:
            self._settle(stored=True)

    async def run(self) -> None:
        """Looks when asked and at each interval. Errors are logged; the next look is as usual."""
        while True:
            try:
                async with asyncio.timeout(self._interval_seconds):
                    await self._wanted.wait()
            except TimeoutError:
                log.debug("inventory.due")
            self._wanted.clear()
            try:
                await self.look()
            except (PowerShellError, PropertyError) as error:
                log.warning("inventory.failed", error=str(error), kind=type(error).__name__)

    async def look(self) -> bool:
        """Reads the fabric and sends what changed.

        Returns:
            True when the coordinator now has what was seen.

        Raises:
            PowerShellError, PropertyError: The fabric could not be read; nothing was sent.
        """
        started = time.monotonic()
        inventory = await read_inventory(
            self._powershell,
            vmm_server=self._settings.vmm_server,
            time_limit_seconds=self._settings.read_limit_seconds,
        )
        self._on_inventory(inventory)
        revision, loaded = await asyncio.to_thread(self._base.load)
        full = self._full or revision == 0
        known = {} if full else {ObjectKey(*key): value for key, value in loaded.items()}
        now = await asyncio.to_thread(digests, inventory)
        found = difference(known, inventory, now)
        log.info(
            "inventory.read",
            objects=len(inventory),
            changed=len(found.changed),
            removed=len(found.removed),
            full=full,
            seconds=round(time.monotonic() - started, 3),
        )
        if not found and not full:
            return True
        base_revision = 0 if full else revision
        new_revision = self._next_revision(revision, self._clock())
        self._full = False
        if not await self._deliver(found, base_revision, new_revision):
            self._full = self._full or full
            return False
        plain = {(key.kind, key.id): value for key, value in now.items()}
        await asyncio.to_thread(self._base.save, new_revision, plain)
        return True

    async def _deliver(self, found: Difference, base_revision: int, revision: int) -> bool:
        """Sends all parts and waits until the coordinator has applied them."""
        self._sent_revision = revision
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._answer = answer
        for part in parts(found, base_revision, revision):
            if not await self._send(session_pb2.AgentMessage(inventory=part)):
                return False
        try:
            async with asyncio.timeout(self._settings.stored_limit_seconds):
                return await answer
        except TimeoutError:
            log.warning("inventory.unanswered", revision=revision)
            return False

    def _settle(self, *, stored: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(stored)

    def _next_revision(self, revision: int, now: datetime) -> int:
        return max(revision, self._sent_revision, int(now.timestamp() * 1000)) + 1
