"""Keeps every copy at this fabric to its role: hosts start nothing, held copies stay held."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from opensiterecovery.provider.v1 import role_pb2
from opensiterecovery.provider.v1.session_pb2 import AgentMessage
from opensiterecovery.provider.v1.virtual_machine_pb2 import VirtualMachineRef

from agent.clock import Clock, utc_now
from agent.fabric.inventory_watch import SendMessage
from agent.failures import CommandError
from agent.journal.roles import CopyRole, KnownCopy, RoleStore
from agent.powershell.cmdlet import cmdlet, select
from agent.powershell.errors import PowerShellError
from agent.powershell.interface import PowerShell
from agent.powershell.pool import NO_COMMAND
from agent.powershell.records import PropertyError
from agent.roles.copies import (
    NOTHING,
    SEEN_PROPERTIES,
    SeenCopy,
    connect,
    connected_adapters,
    disconnect,
    read_copy,
    set_automatic_start,
    turn_off,
)
from agent.session.turns import MachineTurns
from agent.verbs.context import HostKeys, VerbContext

log = structlog.get_logger(__name__)

TROUBLE = (CommandError, PowerShellError, PropertyError)


@dataclass(frozen=True)
class KeeperSettings:
    """How the keeper goes about.

    Attributes:
        interval_seconds: Between looks when nothing is new.
        limit: For each copy.
        hosts_at_once: Hosts worked at the same time.
    """

    interval_seconds: float = 20.0
    limit: timedelta = timedelta(minutes=2)
    hosts_at_once: int = 4


@dataclass(frozen=True)
class KeeperParts:
    """What the keeper works with.

    Attributes:
        powershell: The agent's own: what the keeper does belongs to no command.
        host_keys: For the surroundings of what it does; not used.
        turns: Shared with the executor.
        send: To the coordinator, if it can be reached.
    """

    powershell: PowerShell
    host_keys: HostKeys
    store: RoleStore
    turns: MachineTurns
    send: SendMessage


class RoleKeeper:
    """Makes copies what their roles say, again and again.

    What it does is safe however late it does it: it turns off and disconnects what is HELD by the
    newest epoch it knows, puts back what it disconnected, and has hosts start no protected machine
    by themselves. It never starts one: that is a command, given by the coordinator while no other
    operation of the machine runs.

    Source: SPEC FO-7; decision 0013.
    """

    def __init__(
        self,
        parts: KeeperParts,
        clock: Clock = utc_now,
        settings: KeeperSettings = KeeperSettings(),
    ) -> None:
        self._parts = parts
        self._clock = clock
        self._settings = settings
        self._wanted = asyncio.Event()
        self._told: bytes | None = None

    def session_opened(self) -> None:
        """The coordinator is told anew what is held."""
        self._told = None
        self._wanted.set()

    async def assigned(self, assignments: Iterable[role_pb2.RoleAssignment]) -> None:
        """Takes over the coordinator's roles; in the journal when this returns."""
        await asyncio.to_thread(self._parts.store.replace, list(assignments))
        self._wanted.set()

    async def run(self) -> None:
        """Looks when something is new and at each interval, until it is cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._settings.interval_seconds):
                    await self._wanted.wait()
            except TimeoutError:
                log.debug("roles.due")
            self._wanted.clear()
            await self.keep()

    async def keep(self) -> None:
        """Looks at every host concerned once, does what is to be done, and tells what is held."""
        by_host: dict[str, list[KnownCopy]] = {}
        for copy in await asyncio.to_thread(self._parts.store.copies):
            by_host.setdefault(copy.host, []).append(copy)
        places = asyncio.Semaphore(self._settings.hosts_at_once)

        async def keep_host(host: str, copies: list[KnownCopy]) -> None:
            async with places:
                await self._keep_host(host, copies)

        async with asyncio.TaskGroup() as group:
            for host, copies in by_host.items():
                group.create_task(keep_host(host, copies), name=f"roles at {host}")
        await self._tell()

    async def before_start(self, context: VerbContext, vm: VirtualMachineRef) -> None:
        """A command starts a copy: what was taken off its switches goes back first.

        The command holds the copy's turn.

        Raises:
            CommandError, PowerShellError: It cannot be connected.
        """
        for copy in await asyncio.to_thread(self._parts.store.of_machine, vm.vm_id):
            if copy.host.casefold() == vm.host.casefold():
                await self._put_back(context, vm, copy)
                self._wanted.set()

    async def _keep_host(self, host: str, copies: list[KnownCopy]) -> None:
        """A host that fails is logged, and asked again at the next look."""
        try:
            seen = await self._look(host)
        except TROUBLE as error:
            log.warning("roles.host_failed", host=host, error=str(error))
            return
        for copy in copies:
            found = seen.get(copy.vm_id)
            if self._is_settled(copy, found):
                continue
            async with self._parts.turns.of(host, copy.vm_id):
                await self._settle(copy)

    async def _look(self, host: str) -> dict[str, SeenCopy]:
        records = await self._parts.powershell.run(
            cmdlet("Get-VM", ComputerName=host),
            select(*SEEN_PROPERTIES),
            time_limit_seconds=self._settings.limit.total_seconds(),
        )
        return {copy.vm_id: copy for copy in map(SeenCopy.of, records)}

    def _is_settled(self, copy: KnownCopy, seen: SeenCopy | None) -> bool:
        if not copy.assigned:
            return False
        if seen is None:
            # The replica is not made yet, or the copy is on its way to another host.
            return True
        guarded = not copy.start_action or seen.start_action == NOTHING
        if copy.to_be_held:
            return guarded and copy.held and not seen.runs
        return guarded and copy.adapters is None

    async def _settle(self, known: KnownCopy) -> None:
        """What is to be done for one copy; the newest role counts, not the one that was listed."""
        copy = await asyncio.to_thread(self._parts.store.find, known.vm_id, known.location)
        if copy is None:
            return
        context = self._context()
        vm = VirtualMachineRef(vm_id=copy.vm_id, host=copy.host)
        try:
            if not copy.assigned:
                await self._give_back(context, vm, copy)
                return
            if copy.start_action:
                await set_automatic_start(context, vm, NOTHING)
            if copy.to_be_held:
                await self._hold(context, vm, copy)
            elif copy.role is not CopyRole.UNDECIDED:
                await self._put_back(context, vm, copy)
        except TROUBLE as error:
            log.warning(
                "role.not_kept",
                vm_id=copy.vm_id,
                host=copy.host,
                role=copy.role.value,
                error=str(error),
            )

    async def _hold(self, context: VerbContext, vm: VirtualMachineRef, copy: KnownCopy) -> None:
        """Off the network first, then off; what was connected is remembered before that."""
        store = self._parts.store
        known = {adapter.adapter_id: adapter for adapter in copy.adapters or ()}
        connected = await connected_adapters(context, vm)
        if copy.adapters is None or connected:
            known.update({adapter.adapter_id: adapter for adapter in connected})
            await asyncio.to_thread(store.remember_adapters, copy, list(known.values()))
        await disconnect(context, vm)
        await turn_off(context, vm)
        if not copy.held or connected:
            log.info("copy.held", vm_id=copy.vm_id, host=copy.host, epoch=copy.epoch)
        await asyncio.to_thread(store.mark_held, copy)

    async def _put_back(self, context: VerbContext, vm: VirtualMachineRef, copy: KnownCopy) -> None:
        if copy.adapters is None:
            return
        await connect(context, vm, copy.adapters)
        await asyncio.to_thread(self._parts.store.forget_hold, copy)
        log.info("copy.released", vm_id=copy.vm_id, host=copy.host, epoch=copy.epoch)

    async def _give_back(
        self, context: VerbContext, vm: VirtualMachineRef, copy: KnownCopy
    ) -> None:
        """The machine is protected no more: its host starts it as its owner had it.

        Only the copy that was the machine: any other one that is left must not start.
        """
        if copy.role is CopyRole.ACTIVE and copy.start_action:
            try:
                seen = await read_copy(context, vm)
            except CommandError:
                seen = None
            if seen is not None:
                await set_automatic_start(context, vm, copy.start_action)
            log.info("automatic_start.given_back", vm_id=copy.vm_id, action=copy.start_action)
        await asyncio.to_thread(self._parts.store.forget, copy)

    async def _tell(self) -> None:
        report = await asyncio.to_thread(self.report)
        told = report.SerializeToString(deterministic=True)
        if told != self._told and await self._parts.send(AgentMessage(role_report=report)):
            self._told = told

    def report(self) -> role_pb2.RoleReport:
        """What is held, and what is being let go."""
        report = role_pb2.RoleReport()
        for copy in self._parts.store.copies():
            if not copy.assigned or not (copy.to_be_held or copy.adapters is not None):
                continue
            report.copies.add(
                item_id=copy.item_id,
                location=copy.location,
                epoch=copy.epoch,
                held=copy.to_be_held and copy.held,
                adapters=[
                    role_pb2.HeldAdapter(
                        adapter_id=each.adapter_id, name=each.name, switch_name=each.switch_name
                    )
                    for each in copy.adapters or ()
                ],
            )
        return report

    def _context(self) -> VerbContext:
        return VerbContext(
            powershell=self._parts.powershell,
            host_keys=self._parts.host_keys,
            clock=self._clock,
            command_id=NO_COMMAND,
            deadline=self._clock() + self._settings.limit,
        )
