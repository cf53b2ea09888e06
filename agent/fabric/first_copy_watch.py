"""Watches the folders of offline first copies that the coordinator named."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from opensiterecovery.provider.v1 import first_copy_pb2, session_pb2

from agent.clock import Clock, utc_now
from agent.fabric.first_copy_folders import Folder, folder_of, read_folders
from agent.fabric.inventory_watch import SendMessage
from agent.powershell.errors import PowerShellError
from agent.powershell.interface import PowerShell
from agent.powershell.records import PropertyError

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 30.0
LOOKS_EVERY = 3
READ_LIMIT_SECONDS = 120.0


@dataclass(frozen=True)
class Place:
    """Where one machine's folder is looked for."""

    vm_id: str
    host: str
    path: str


class FirstCopyWatch:
    """Looks at each path once an interval, for however many machines, and tells what changed.

    A folder counts as settled when it is as it was at the look before: whoever copies into it, or
    exports to it, has stopped for that long.

    Args:
        powershell: Where to run.
        send: Tells the coordinator.
        interval_seconds: Between two looks.
        clock: The time.
    """

    def __init__(
        self,
        powershell: PowerShell,
        send: SendMessage,
        interval_seconds: float = INTERVAL_SECONDS,
        clock: Clock = utc_now,
    ) -> None:
        self._powershell = powershell
        self._send = send
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._wanted = asyncio.Event()
        self._places: frozenset[Place] = frozenset()
        self._seen: dict[Place, Folder | None] = {}
        self._told: dict[Place, bytes] = {}

    def session_opened(self, replication_interval_seconds: float) -> None:
        """The coordinator may know nothing: everything is told again.

        Args:
            replication_interval_seconds: Of the session; folders are looked at a third as often.
        """
        if replication_interval_seconds > 0:
            self._interval_seconds = LOOKS_EVERY * replication_interval_seconds
        self._told.clear()
        self._wanted.set()

    def watch(self, places: Iterable[first_copy_pb2.FirstCopyPlace]) -> None:
        """Replaces the list of places."""
        self._places = frozenset(Place(each.vm_id, each.host, each.path) for each in places)
        self._seen = {place: seen for place, seen in self._seen.items() if place in self._places}
        self._told = {place: told for place, told in self._told.items() if place in self._places}
        self._wanted.set()

    async def run(self) -> None:
        """Looks when the list is new and at each interval; a path that fails is logged."""
        while True:
            try:
                async with asyncio.timeout(self._interval_seconds):
                    await self._wanted.wait()
            except TimeoutError:
                log.debug("first_copies.due")
            self._wanted.clear()
            await self.look()

    async def look(self) -> None:
        """Reads every path once and tells what is new."""
        found: dict[Place, first_copy_pb2.FirstCopyFolder] = {}
        by_path: dict[tuple[str, str], list[Place]] = {}
        for place in self._places:
            by_path.setdefault((place.host, place.path), []).append(place)
        for (host, path), places in by_path.items():
            try:
                folders = await read_folders(
                    self._powershell, host, path, time_limit_seconds=READ_LIMIT_SECONDS
                )
            except (PowerShellError, PropertyError) as error:
                log.warning("first_copies.unread", host=host, path=path, error=str(error))
                continue
            for place in places:
                found[place] = self._note(place, folder_of(place.vm_id, folders))
        await self._tell(found)

    def _note(self, place: Place, folder: Folder | None) -> first_copy_pb2.FirstCopyFolder:
        answer = first_copy_pb2.FirstCopyFolder(vm_id=place.vm_id, host=place.host, path=place.path)
        if folder is not None:
            folder.add_to(answer)
            answer.settled = folder == self._seen.get(place)
        self._seen[place] = folder
        return answer

    async def _tell(self, found: dict[Place, first_copy_pb2.FirstCopyFolder]) -> None:
        content = {
            place: folder.SerializeToString(deterministic=True) for place, folder in found.items()
        }
        news = [place for place in found if self._told.get(place) != content[place]]
        if not news:
            return
        report = first_copy_pb2.FirstCopyReport(folders=[found[place] for place in news])
        report.observed_at.FromDatetime(self._clock())
        if await self._send(session_pb2.AgentMessage(first_copies=report)):
            self._told |= {place: content[place] for place in news}
