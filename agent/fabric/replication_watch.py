"""Watches the replication of the machines the coordinator named, host by host."""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import structlog
from opensiterecovery.provider.v1 import replication_pb2, session_pb2

from agent.clock import Clock, utc_now
from agent.fabric.host_replication import read_host_replication
from agent.fabric.inventory import Inventory
from agent.fabric.inventory_watch import SendMessage
from agent.fabric.replication_report import ToldStates, reports
from agent.powershell.errors import PowerShellError
from agent.powershell.interface import PowerShell
from agent.powershell.records import PropertyError

log = structlog.get_logger(__name__)


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

    A machine is looked for on the host where it was last seen, or where VMM has it; on all hosts
    when it is on neither: a replica that VMM does not know yet, or a machine that has moved.
    """

    def __init__(
        self,
        powershell: PowerShell,
        send: SendMessage,
        settings: ReplicationSettings,
        clock: Clock = utc_now,
    ) -> None:
        self._powershell = powershell
        self._send = send
        self._settings = settings
        self._interval_seconds = settings.interval_seconds
        self._clock = clock
        self._wanted = asyncio.Event()
        self._watched: frozenset[str] = frozenset()
        self._hosts: tuple[str, ...] = ()
        self._vmm_places: dict[str, str] = {}
        self._seen_places: dict[str, str] = {}
        self._told = ToldStates()
        self._complete = False

    def session_opened(self, interval_seconds: float) -> None:
        """The coordinator can be told things again: everything now, then what changes."""
        if interval_seconds > 0:
            self._interval_seconds = interval_seconds
        self._start_over()

    def watch(self, vm_ids: Iterable[str]) -> None:
        """Replaces the list of watched machines."""
        self._watched = frozenset(vm_id.lower() for vm_id in vm_ids)
        self._start_over()

    def set_inventory(self, inventory: Inventory) -> None:
        """Learns hosts, and where VMM has the machines."""
        self._hosts = tuple(item.host.fqdn for key, item in inventory.items() if key.kind == "host")
        self._vmm_places = {
            item.virtual_machine.vm_id: item.virtual_machine.host_fqdn
            for key, item in inventory.items()
            if key.kind == "virtual_machine"
        }
        self._wanted.set()

    async def run(self) -> None:
        """Looks when something is new and at each interval; a host that fails is logged."""
        while True:
            try:
                async with asyncio.timeout(self._interval_seconds):
                    await self._wanted.wait()
            except TimeoutError:
                log.debug("replication.due")
            self._wanted.clear()
            await self.look()

    async def look(self) -> bool:
        """Asks every host concerned once and reports.

        Returns:
            True when every host answered and the coordinator was told what is new.
        """
        watched = self._watched
        places = self._places(watched)
        limit = asyncio.Semaphore(self._settings.hosts_at_once)

        async def ask(host: str, vm_ids: Collection[str]) -> list[replication_pb2.ReplicationState]:
            async with limit:
                return await read_host_replication(
                    self._powershell,
                    host,
                    vm_ids,
                    time_limit_seconds=self._settings.read_limit_seconds,
                )

        answers = await asyncio.gather(
            *(ask(host, vm_ids) for host, vm_ids in places.items()), return_exceptions=True
        )
        states: list[replication_pb2.ReplicationState] = []
        all_answered = bool(self._hosts) or not watched
        for (host, vm_ids), answer in zip(places.items(), answers, strict=True):
            if isinstance(answer, (PowerShellError, PropertyError)):
                log.warning("replication.host_failed", host=host, error=str(answer))
                all_answered = False
            elif isinstance(answer, BaseException):
                raise answer
            else:
                self._remember(host, vm_ids, answer)
                states.extend(answer)
        return await self._report(states, watched, all_answered=all_answered) and all_answered

    async def _report(
        self,
        states: list[replication_pb2.ReplicationState],
        watched: frozenset[str],
        *,
        all_answered: bool,
    ) -> bool:
        # The list may have been replaced while the hosts were asked: then the next look is complete.
        complete = self._complete and all_answered and watched == self._watched
        chosen = states if complete else self._told.news(states)
        for report in reports(chosen, self._clock(), complete=complete):
            if not await self._send(session_pb2.AgentMessage(replication=report)):
                return False
            self._told.told(report.states)
        if complete:
            self._complete = False
        return True

    def _start_over(self) -> None:
        self._told.forget()
        self._complete = True
        self._wanted.set()

    def _places(self, watched: frozenset[str]) -> dict[str, Collection[str]]:
        """Hosts to ask, each with the machines to ask about."""
        places: dict[str, set[str]] = {}
        lost: set[str] = set()
        for vm_id in watched:
            host = self._seen_places.get(vm_id) or self._vmm_places.get(vm_id)
            if host:
                places.setdefault(host, set()).add(vm_id)
            else:
                lost.add(vm_id)
        if lost:
            for host in self._hosts:
                places.setdefault(host, set()).update(lost)
        return dict(places)

    def _remember(
        self,
        host: str,
        asked: Collection[str],
        states: Iterable[replication_pb2.ReplicationState],
    ) -> None:
        found = {state.vm_id for state in states}
        for vm_id in asked:
            if vm_id in found:
                self._seen_places[vm_id] = host
            elif self._seen_places.get(vm_id) == host:
                # It has moved: VMM's word counts again, and after that every host is asked.
                del self._seen_places[vm_id]
            elif self._vmm_places.get(vm_id) == host:
                del self._vmm_places[vm_id]
