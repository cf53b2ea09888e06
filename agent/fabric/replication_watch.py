"""Watches the replication of the machines the coordinator named, host by host."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import structlog
from opensiterecovery.provider.v1 import replication_pb2, session_pb2

from agent.clock import Clock, utc_now
from agent.fabric.host_replication import read_host_replication
from agent.fabric.inventory import Inventory
from agent.fabric.inventory_watch import SendMessage
from agent.fabric.patient_reads import PatientReads
from agent.fabric.replication_report import Untold
from agent.powershell.errors import PowerShellError
from agent.powershell.interface import PowerShell
from agent.powershell.records import PropertyError

log = structlog.get_logger(__name__)


# A look asks at most twice, the second time for machines that left their hosts.
_LOOKS_IN_AN_INTERVAL = 2


@dataclass(frozen=True)
class ReplicationSettings:
    """How watching goes about.

    Attributes:
        interval_seconds: Between looks, until a session says otherwise.
        read_limit_seconds: For each pipeline.
        hosts_at_once: Hosts asked at the same time.
    """

    interval_seconds: float = 10.0
    read_limit_seconds: float = 60.0
    hosts_at_once: int = 4


class ReplicationWatch:
    """Polls the hosts of the watched machines and reports what changed.

    A machine is looked for where it was last seen, where VMM has it (on two hosts, when one VMM
    manages both sides) and where its relationship points to; on all hosts when it is on none of
    them: a replica that VMM does not know yet, or a machine that has moved.
    """

    def __init__(
        self,
        powershell: PowerShell,
        send: SendMessage,
        settings: ReplicationSettings,
        clock: Clock = utc_now,
    ) -> None:
        async def read(
            host: str, vm_ids: Collection[str]
        ) -> list[replication_pb2.ReplicationState]:
            return await read_host_replication(
                powershell, host, vm_ids, time_limit_seconds=settings.read_limit_seconds
            )

        self._reads = PatientReads(read, settings.hosts_at_once)
        self._send = send
        self._interval_seconds = settings.interval_seconds
        self._clock = clock
        self._wanted = asyncio.Event()
        self._watched: frozenset[str] | None = None
        self._hosts: dict[str, str] = {}
        self._places: dict[str, set[str]] = {}
        # Machines that were not where they had been, in this look.
        self._left: set[str] = set()
        self._untold = Untold()
        self._news = asyncio.Event()
        # The session wants everything once; afterwards what changes.
        self._wants_all = True

    def session_opened(self, interval_seconds: float) -> None:
        """The coordinator can be told things again: everything now, then what changes."""
        if interval_seconds > 0:
            self._interval_seconds = interval_seconds
        self._start_over()

    def watch(self, vm_ids: Iterable[str]) -> None:
        """Replaces the list of watched machines; of new ones everything is told."""
        self._watched = frozenset(vm_id.lower() for vm_id in vm_ids)
        self._untold.keep_only(self._watched)
        self._wanted.set()

    def set_inventory(self, inventory: Inventory) -> None:
        """Learns hosts, and where VMM has the machines."""
        fqdns = [item.host.fqdn for key, item in inventory.items() if key.kind == "host"]
        self._hosts = {fqdn.casefold(): fqdn for fqdn in fqdns}
        for places in self._places.values():
            places.intersection_update(fqdns)
        for key, item in inventory.items():
            if key.kind == "virtual_machine":
                machine = item.virtual_machine
                self._add_place(machine.vm_id, machine.host_fqdn)
        self._wanted.set()

    async def run(self) -> None:
        """Looks when something is new and at each interval, and tells what was found.

        A host that fails is logged; one that does not answer keeps no look waiting. Neither does a
        coordinator that takes reports slowly: what it has not been told yet is replaced by what is
        newer.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look_again_and_again(), name="replication looks")
                tasks.create_task(self._tell_again_and_again(), name="replication reports")
        finally:
            self._reads.cancel()

    async def report_everything(self) -> bool:
        """Looks now and reports all that is watched; see `look`."""
        self._start_over()
        return await self.look()

    async def look(self) -> bool:
        """Asks every host concerned once and reports.

        Returns:
            True when every host answered and the coordinator was told what is new.
        """
        all_answered = await self.observe()
        return await self.tell() and all_answered

    async def tell(self) -> bool:
        """Sends reports until there is nothing left to tell.

        Returns:
            False when the session ended; the next one is told everything.
        """
        while (report := self._untold.take()) is not None:
            if not await self._send(session_pb2.AgentMessage(replication=report)):
                self._untold.start_over()
                self._wants_all = True
                return False
        return True

    async def observe(self, patience_seconds: float | None = None) -> bool:
        """Asks every host concerned once, in a fixed number of pipelines a host.

        Args:
            patience_seconds: What a host says later than this is taken in by the next look; None:
                every host is waited for.

        Returns:
            True when every host answered.
        """
        watched = self._watched
        if watched is None:
            return False  # Nobody said yet what to watch: an empty report would be a lie.
        found: dict[str, list[replication_pb2.ReplicationState]] = {}
        all_answered = bool(self._hosts) or not watched
        asked = self._whom_to_ask(watched)
        all_answered = await self._ask(asked, found, patience_seconds) and all_answered
        # A machine that left the hosts it was on is looked for on all others at once.
        left = {vm_id for vm_id in self._left if not self._places.get(vm_id)}
        self._left.clear()
        if left:
            asked = self._whom_to_ask(left)
            all_answered = await self._ask(asked, found, patience_seconds) and all_answered
        self._add(found, watched, all_answered=all_answered)
        return all_answered

    async def _ask(
        self,
        asked: Mapping[str, Collection[str]],
        found: dict[str, list[replication_pb2.ReplicationState]],
        patience_seconds: float | None,
    ) -> bool:
        """Asks hosts and adds what they say; False when one did not answer all of it."""
        answers = await self._reads.ask(asked, patience_seconds)
        all_answered = len(answers) == len(asked)
        for host, answer in answers.items():
            if isinstance(answer.found, (PowerShellError, PropertyError)):
                log.warning("replication.host_failed", host=host, error=str(answer.found))
                all_answered = False
            elif isinstance(answer.found, BaseException):
                raise answer.found
            else:
                self._remember(host, answer.question, answer.found)
                found.setdefault(host, []).extend(answer.found)
                # A late answer may be to what an earlier look asked.
                all_answered = all_answered and set(asked[host]) <= set(answer.question)
        return all_answered

    def _add(
        self,
        found: dict[str, list[replication_pb2.ReplicationState]],
        watched: frozenset[str],
        *,
        all_answered: bool,
    ) -> None:
        # If the list was replaced while the hosts were asked, the next look is complete.
        complete = self._wants_all and all_answered and watched == self._watched
        self._untold.add(found, self._clock(), complete=complete)
        if self._watched is not None:
            self._untold.keep_only(self._watched)
        if complete:
            self._wants_all = False
        if self._untold:
            self._news.set()

    async def _look_again_and_again(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._interval_seconds):
                    await self._wanted.wait()
            except TimeoutError:
                log.debug("replication.due")
            self._wanted.clear()
            await self.observe(self._interval_seconds / _LOOKS_IN_AN_INTERVAL)

    async def _tell_again_and_again(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await self.tell()

    def _start_over(self) -> None:
        self._untold.start_over()
        self._wants_all = True
        self._wanted.set()

    def _whom_to_ask(self, vm_ids: Iterable[str]) -> dict[str, set[str]]:
        """Hosts to ask, each with the machines to ask about."""
        asked: dict[str, set[str]] = {}
        for vm_id in vm_ids:
            for host in self._places.get(vm_id) or self._hosts.values():
                asked.setdefault(host, set()).add(vm_id)
        return asked

    def _remember(
        self,
        host: str,
        asked: Collection[str],
        states: Iterable[replication_pb2.ReplicationState],
    ) -> None:
        missing = set(asked)
        for state in states:
            missing.discard(state.vm_id)
            self._add_place(state.vm_id, host)
            for server in (
                state.primary_server,
                state.replica_server,
                state.current_replica_server,
            ):
                self._add_place(state.vm_id, server)
        for vm_id in missing:
            places = self._places.get(vm_id, set())
            if host in places:
                places.discard(host)
                self._left.add(vm_id)

    def _add_place(self, vm_id: str, host: str) -> None:
        """Notes a place, if it is a host of this fabric (a broker or the other site is none)."""
        fqdn = self._hosts.get(host.casefold())
        if fqdn is not None:
            self._places.setdefault(vm_id, set()).add(fqdn)
