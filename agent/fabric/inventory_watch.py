"""Keeps the coordinator's picture of the fabric up to date."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

import structlog
from opensiterecovery.provider.v1 import inventory_pb2, session_pb2

from agent.clock import Clock, utc_now
from agent.fabric.differences import Difference, Step, difference, digest, parts
from agent.fabric.discovery import Vmm
from agent.fabric.inventory import Inventory, ObjectKey, key_of
from agent.fabric.reader import FabricReader
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

    def amend(
        self,
        revision: int,
        changed: Mapping[tuple[str, str], bytes],
        removed: Iterable[tuple[str, str]],
    ) -> None:
        """Changes what is remembered; on disk when it returns."""
        ...


@dataclass(frozen=True)
class InventorySettings:
    """How discovery goes about.

    Attributes:
        vmm_server: Name of the VMM server or cluster role.
        interval_seconds: Between looks, until a session says otherwise.
        whole_interval_seconds: Between two looks at everything; see FabricReader.
        read_limit_seconds: For each of discovery's pipelines.
        stored_limit_seconds: For the coordinator to say that it has applied a revision.
    """

    vmm_server: str = "localhost"
    interval_seconds: float = 300.0
    whole_interval_seconds: float = 900.0
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
        self.reader = FabricReader(
            Vmm(powershell, settings.vmm_server, settings.read_limit_seconds),
            settings.whole_interval_seconds,
        )
        self._base = base
        self._send = send
        self._settings = settings
        self._interval_seconds = settings.interval_seconds
        self._on_inventory = on_inventory
        self._clock = clock
        self._wanted = asyncio.Event()
        self._full = False
        self._whole = False
        self._sent_revision = 0
        self._answer: asyncio.Future[bool] | None = None
        # Host and Hyper-V's id of machines that commands have changed since the last look.
        self._touched: set[tuple[str, str]] = set()
        # One look at a time.
        self._turn = asyncio.Lock()
        self._opened = asyncio.Event()
        self._known: tuple[int, dict[ObjectKey, bytes]] | None = None
        self._digests: dict[ObjectKey, tuple[inventory_pb2.InventoryObject, bytes]] = {}

    def session_opened(self, interval_seconds: float, *, chosen_clouds_only: bool = False) -> None:
        """The coordinator can be told things again: looks now, then at this interval."""
        if interval_seconds > 0:
            self._interval_seconds = interval_seconds
        self.reader.chosen_clouds_only = chosen_clouds_only
        self._settle(stored=False)
        self._wanted.set()
        opened, self._opened = self._opened, asyncio.Event()
        opened.set()

    def request(self, *, full: bool) -> None:
        """Looks now, at everything. With "full" it is sent: the coordinator lost its base."""
        self._whole = True
        self._full = self._full or full
        if full:
            self._settle(stored=False)
        self._wanted.set()

    async def refresh(self, *, everything: bool) -> int:
        """Looks at everything until the coordinator has what was seen.

        Args:
            everything: All of it is sent, not only what has changed.

        Returns:
            The revision that the coordinator has.

        Raises:
            PowerShellError, PropertyError: The fabric could not be read.
        """
        while True:
            opened = self._opened
            self._whole = True
            self._full = self._full or everything
            if await self.look():
                return self._revision
            # Not told: with the next session, or when the coordinator was only slow.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval_seconds):
                    await opened.wait()

    def stored(self, revision: int) -> None:
        """The coordinator has applied a revision; any but the last sent is old news."""
        if revision == self._sent_revision:
            self._settle(stored=True)

    def touched(self, host: str, vm_id: str) -> None:
        """A command that may have changed a machine has ended: the next look tells of it.

        Also if it sees what the coordinator was told before: since then that has been told by the
        command's result what became of the machine, and takes nothing that a look saw earlier.
        """
        self._touched.add((host.lower(), vm_id.lower()))

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
        async with self._turn:
            return await self._look()

    async def _look(self) -> bool:
        started, began_at = time.monotonic(), self._clock()
        whole, self._whole = self._whole, False
        touched, self._touched = self._touched, set()
        told = False
        try:
            inventory = await self.reader.look(whole=whole, touched=touched)
            self._on_inventory(inventory)
            told = await self._tell(inventory, {vm_id for _, vm_id in touched}, began_at)
        finally:
            if not told:
                self._touched |= touched
                self._whole = self._whole or whole
        log.info(
            "inventory.read",
            objects=len(inventory),
            whole=whole,
            touched=len(touched),
            seconds=round(time.monotonic() - started, 3),
        )
        return told

    async def _tell(
        self, inventory: Inventory, touched: Collection[str], began_at: datetime
    ) -> bool:
        """Sends what changed; gives whether the coordinator now has what was seen.

        Args:
            inventory: What was seen.
            touched: Hyper-V's ids of machines to tell of in any case.
            began_at: When the look began.
        """
        if self._known is None:
            self._known = await asyncio.to_thread(self._load)
        revision, loaded = self._known
        full = self._full or revision == 0
        again = machines_of(inventory, touched)
        known = {} if full else {key: kept for key, kept in loaded.items() if key not in again}
        now = await asyncio.to_thread(self._digests_of, inventory)
        found = difference(known, inventory, now)
        log.info(
            "inventory.compared",
            changed=len(found.changed),
            removed=len(found.removed),
            full=full,
        )
        if not found and not full:
            return True
        step = Step(0 if full else revision, self._next_revision(revision, self._clock()), began_at)
        self._full = False
        if not await self._deliver(found, step):
            self._full = self._full or full
            return False
        if full:
            everything = {(key.kind, key.id): value for key, value in now.items()}
            await asyncio.to_thread(self._base.save, step.revision, everything)
        else:
            changed = {(key.kind, key.id): now[key] for key in map(key_of, found.changed)}
            await asyncio.to_thread(self._base.amend, step.revision, changed, found.removed)
        self._known = (step.revision, now)
        return True

    @property
    def _revision(self) -> int:
        """What the coordinator is known to have."""
        return self._known[0] if self._known is not None else 0

    def _load(self) -> tuple[int, dict[ObjectKey, bytes]]:
        revision, loaded = self._base.load()
        return revision, {ObjectKey(*key): value for key, value in loaded.items()}

    def _digests_of(self, inventory: Inventory) -> dict[ObjectKey, bytes]:
        """Digests; of the very objects of the last look they are known."""
        before, self._digests = self._digests, {}
        for key, item in inventory.items():
            kept = before.get(key)
            known = kept if kept is not None and kept[0] is item else (item, digest(item))
            self._digests[key] = known
        return {key: found for key, (_, found) in self._digests.items()}

    async def _deliver(self, found: Difference, step: Step) -> bool:
        """Sends all parts and waits until the coordinator has applied them."""
        self._sent_revision = step.revision
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._answer = answer
        for part in parts(found, step):
            if not await self._send(session_pb2.AgentMessage(inventory=part)):
                return False
        try:
            async with asyncio.timeout(self._settings.stored_limit_seconds):
                return await answer
        except TimeoutError:
            log.warning("inventory.unanswered", revision=step.revision)
            return False

    def _settle(self, *, stored: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(stored)

    def _next_revision(self, revision: int, now: datetime) -> int:
        return max(revision, self._sent_revision, int(now.timestamp() * 1000)) + 1


def machines_of(inventory: Inventory, vm_ids: Collection[str]) -> set[ObjectKey]:
    """Keys of the machines with one of Hyper-V's ids: a machine, copies of it."""
    if not vm_ids:
        return set()
    return {
        key
        for key, item in inventory.items()
        if key.kind == "virtual_machine" and item.virtual_machine.vm_id in vm_ids
    }
