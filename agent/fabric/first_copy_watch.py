"""Watches the folders of offline first copies that the coordinator named."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from opensiterecovery.provider.v1 import first_copy_pb2, session_pb2

from agent.clock import Clock, utc_now
from agent.fabric.first_copy_folders import Folder, folder_of, read_folders
from agent.fabric.inventory_watch import SendMessage
from agent.fabric.patient_reads import PatientReads
from agent.powershell.errors import PowerShellError
from agent.powershell.interface import PowerShell
from agent.powershell.records import PropertyError

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 30.0
LOOKS_EVERY = 3
READ_LIMIT_SECONDS = 120.0
PATHS_AT_ONCE = 4

# Looks come an interval apart but for the clock's grain.
_SETTLED_SHARE = 0.9


@dataclass(frozen=True)
class Place:
    """Where one machine's folder is looked for."""

    vm_id: str
    host: str
    path: str


@dataclass(frozen=True)
class _Seen:
    """A folder as it is, and since when it has been seen to be so."""

    folder: Folder | None
    since: datetime


class FirstCopyWatch:
    """Looks at each path once an interval, for however many machines, and tells what changed.

    A folder counts as settled when it has been the same for an interval: whoever copies into it, or
    exports to it, has stopped for that long. Looks that come closer together, because the list is
    new or a session began, settle nothing. A path that does not answer holds up no other.

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
        async def read(place: tuple[str, str], _: None) -> list[Folder]:
            return await read_folders(powershell, *place, time_limit_seconds=READ_LIMIT_SECONDS)

        self._reads = PatientReads(read, PATHS_AT_ONCE)
        self._send = send
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._wanted = asyncio.Event()
        self._places: frozenset[Place] = frozenset()
        self._seen: dict[Place, _Seen] = {}
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
        try:
            await self._look_again_and_again()
        finally:
            self._reads.cancel()

    async def look(self, patience_seconds: float | None = None) -> None:
        """Reads every path once and tells what is new.

        Args:
            patience_seconds: What is read later than this is taken in by the next look; None:
                every path is waited for.
        """
        found: dict[Place, first_copy_pb2.FirstCopyFolder] = {}
        by_path: dict[tuple[str, str], list[Place]] = {}
        for place in self._places:
            by_path.setdefault((place.host, place.path), []).append(place)
        answers = await self._reads.ask(dict.fromkeys(by_path), patience_seconds)
        for (host, path), answer in answers.items():
            if isinstance(answer.found, (PowerShellError, PropertyError)):
                log.warning("first_copies.unread", host=host, path=path, error=str(answer.found))
            elif isinstance(answer.found, BaseException):
                raise answer.found
            else:
                for place in by_path[host, path]:
                    found[place] = self._note(place, folder_of(place.vm_id, answer.found))
        await self._tell(found)

    async def _look_again_and_again(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._interval_seconds):
                    await self._wanted.wait()
            except TimeoutError:
                log.debug("first_copies.due")
            self._wanted.clear()
            await self.look(self._interval_seconds)

    def _note(self, place: Place, folder: Folder | None) -> first_copy_pb2.FirstCopyFolder:
        now, seen = self._clock(), self._seen.get(place)
        if seen is None or seen.folder != folder:
            seen = self._seen[place] = _Seen(folder, now)
        answer = first_copy_pb2.FirstCopyFolder(vm_id=place.vm_id, host=place.host, path=place.path)
        if folder is not None:
            folder.add_to(answer)
            long_enough = timedelta(seconds=_SETTLED_SHARE * self._interval_seconds)
            answer.settled = now - seen.since >= long_enough
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
