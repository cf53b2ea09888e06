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
        self._powershell = powershell
        self._send = send
        self._settings = settings
        self._interval_seconds = settings.interval_seconds
        self._clock = clock
        self._wanted = asyncio.Event()
        self._watched: frozenset[str] | None = None
        self._hosts: dict[str, str] = {}
        self._places: dict[str, set[str]] = {}
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
        """Looks when something is new and at each interval; a host that fails is logged."""
        while True:
            try:
                async with asyncio.timeout(self._interval_seconds):
                    await self._wanted.wait()
            except TimeoutError:
                log.debug("replication.due")
            self._wanted.clear()
            await self.look()

    async def report_everything(self) -> bool:
        """Looks now and reports all that is watched; see `look`."""
        self._start_over()
        return await self.look()

    async def look(self) -> bool:
        """Asks every host concerned once and reports.

        Returns:
            True when every host answered and the coordinator was told what is new.
        """
        watched = self._watched
        if watched is None:
            return False  # Nobody said yet what to watch: an empty report would be a lie.
        asked = self._whom_to_ask(watched)
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
            *(ask(host, vm_ids) for host, vm_ids in asked.items()), return_exceptions=True
        )
        states: list[replication_pb2.ReplicationState] = []
        all_answered = bool(self._hosts) or not watched
        for (host, vm_ids), answer in zip(asked.items(), answers, strict=True):
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
        # If the list was replaced while the hosts were asked, the next look is complete.
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

    def _whom_to_ask(self, watched: frozenset[str]) -> dict[str, set[str]]:
        """Hosts to ask, each with the machines to ask about."""
        asked: dict[str, set[str]] = {}
        for vm_id in watched:
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
            self._places.get(vm_id, set()).discard(host)

    def _add_place(self, vm_id: str, host: str) -> None:
        """Notes a place, if it is a host of this fabric (a broker or the other site is none)."""
        fqdn = self._hosts.get(host.casefold())
        if fqdn is not None:
            self._places.setdefault(vm_id, set()).add(fqdn)
