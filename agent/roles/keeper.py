"""Keeps every copy at this fabric to its role: hosts start nothing, held copies stay held."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
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
TROUBLE_LENGTH = 1000


@dataclass(frozen=True)
class KeeperSettings:
    """How the keeper goes about.

    Attributes:
        interval_seconds: Between looks when nothing is new.
        limit: For each copy.
        look_limit_seconds: For a look at all copies of a host.
        at_once: Hosts looked at, or copies worked at, at the same time.
    """

    interval_seconds: float = 20.0
    limit: timedelta = timedelta(minutes=2)
    look_limit_seconds: float = 60.0
    at_once: int = 4


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
        self._places = asyncio.Semaphore(settings.at_once)
        # Hosts that are worked at; and whether to look at them again right after.
        self._working: dict[str, asyncio.Event] = {}
        # Why a copy could not be held at the last look.
        self._troubles: dict[tuple[str, str], str] = {}
        self._telling = asyncio.Lock()
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
        """Looks when something is new and at each interval, until it is cancelled.

        A host that is slow, or does not answer, keeps no other one waiting.
        """
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    async with asyncio.timeout(self._settings.interval_seconds):
                        await self._wanted.wait()
                except TimeoutError:
                    log.debug("roles.due")
                self._wanted.clear()
                # Of a fabric without copies too that is told.
                hosts = await self._hosts()
                if not hosts:
                    await self._tell()
                for host in hosts:
                    if (again := self._working.get(host)) is not None:
                        again.set()
                    else:
                        self._working[host] = asyncio.Event()
                        group.create_task(self._work(host), name=f"roles at {host}")

    async def keep(self) -> None:
        """Looks at every host concerned once, does what is to be done, and tells what is held."""
        async with asyncio.TaskGroup() as group:
            for host in await self._hosts():
                group.create_task(self._keep_host(host), name=f"roles at {host}")
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

    async def _hosts(self) -> set[str]:
        return {copy.host for copy in await asyncio.to_thread(self._parts.store.copies)}

    async def _work(self, host: str) -> None:
        again = self._working[host]
        try:
            while True:
                again.clear()
                await self._keep_host(host)
                await self._tell()
                if not again.is_set():
                    return
        finally:
            del self._working[host]

    async def _keep_host(self, host: str) -> None:
        """A host that fails is logged, and asked again at the next look."""
        copies = [
            copy for copy in await asyncio.to_thread(self._parts.store.copies) if copy.host == host
        ]
        try:
            async with self._places:
                seen = await self._look(host, held=any(copy.to_be_held for copy in copies))
        except TROUBLE as error:
            log.warning("roles.host_failed", host=host, error=str(error))
            for copy in copies:
                self._note_trouble(copy, f"{host} does not tell its machines: {error}")
            return
        due = []
        for copy in copies:
            found = seen.get(copy.vm_id)
            if self._is_settled(copy, found):
                self._note_trouble(copy, "")
            else:
                due.append((copy, found))
        # What runs and must not is turned off before anything else.
        due.sort(key=lambda each: not (each[0].to_be_held and each[1] and each[1].runs))
        for copy, _ in due:
            async with self._places, self._parts.turns.of(host, copy.vm_id):
                await self._settle(copy)

    async def _look(self, host: str, *, held: bool) -> dict[str, SeenCopy]:
        """All machines of a host; with those that are to be held also what is connected."""
        limit = self._settings.look_limit_seconds
        powershell = self._parts.powershell
        machines = cmdlet("Get-VM", ComputerName=host)
        records = await powershell.run(machines, select(*SEEN_PROPERTIES), time_limit_seconds=limit)
        seen = {copy.vm_id: copy for copy in map(SeenCopy.of, records)}
        if not held:
            return seen
        adapters = await powershell.run(
            machines,
            cmdlet("Get-VMNetworkAdapter"),
            select("VMId", "SwitchName"),
            time_limit_seconds=limit,
        )
        for vm_id in {
            str(each.guid("VMId")) for each in adapters if each.optional_text("SwitchName")
        }:
            if vm_id in seen:
                seen[vm_id] = replace(seen[vm_id], connected=True)
        return seen

    def _is_settled(self, copy: KnownCopy, seen: SeenCopy | None) -> bool:
        if not copy.assigned:
            return _was_the_machine(copy) and seen is not None and not seen.runs
        if seen is None:
            # The replica is not made yet, or the copy is on its way to another host.
            return True
        guarded = not copy.start_action or seen.start_action == NOTHING
        if copy.to_be_held:
            return guarded and copy.held and not seen.runs and not seen.connected
        return guarded and copy.adapters is None

    async def _settle(self, known: KnownCopy) -> None:
        """What is to be done for one copy; the newest role counts, not the one that was listed."""
        copy = await asyncio.to_thread(self._parts.store.find, known.vm_id, known.location)
        if copy is None:
            return
        context = self._context()
        vm = VirtualMachineRef(vm_id=copy.vm_id, host=copy.host)
        trouble = ""
        # Whether its host may start it comes last: what it is now matters more.
        for deed in (self._hold_or_put_back, self._guard):
            try:
                await deed(context, vm, copy)
            except TROUBLE as error:
                trouble = trouble or str(error)
                log.warning(
                    "role.not_kept",
                    vm_id=copy.vm_id,
                    host=copy.host,
                    role=copy.role.value,
                    error=str(error),
                )
        self._note_trouble(copy, trouble)

    def _note_trouble(self, copy: KnownCopy, trouble: str) -> None:
        key = (copy.vm_id, copy.location)
        if trouble and copy.assigned and copy.to_be_held:
            self._troubles[key] = trouble
        else:
            self._troubles.pop(key, None)

    async def _hold_or_put_back(
        self, context: VerbContext, vm: VirtualMachineRef, copy: KnownCopy
    ) -> None:
        if not copy.assigned:
            await self._give_back(context, vm, copy)
        elif copy.to_be_held:
            await self._hold(context, vm, copy)
        elif copy.role is not CopyRole.UNDECIDED:
            await self._put_back(context, vm, copy)

    async def _guard(self, context: VerbContext, vm: VirtualMachineRef, copy: KnownCopy) -> None:
        if copy.assigned and copy.start_action:
            await set_automatic_start(context, vm, NOTHING)

    async def _hold(self, context: VerbContext, vm: VirtualMachineRef, copy: KnownCopy) -> None:
        """Off the network first, then off; what was connected is remembered before that."""
        store = self._parts.store
        known = {adapter.adapter_id: adapter for adapter in copy.adapters or ()}
        connected = await connected_adapters(context, vm)
        if copy.adapters is None or connected:
            # What somebody connected meanwhile goes back to where he connected it.
            known.update({adapter.adapter_id: adapter for adapter in connected})
            await asyncio.to_thread(store.remember_adapters, copy, list(known.values()))
        await disconnect(context, vm)
        await turn_off(context, vm)
        if not copy.held or connected:
            log.info("copy.held", vm_id=copy.vm_id, host=copy.host, epoch=copy.epoch)
        await asyncio.to_thread(store.mark_held, copy, held=True)

    async def _put_back(self, context: VerbContext, vm: VirtualMachineRef, copy: KnownCopy) -> None:
        if copy.adapters is None:
            return
        # Before the first is connected: should it be held again, nothing of this counts.
        await asyncio.to_thread(self._parts.store.mark_held, copy, held=False)
        await connect(context, vm, copy.adapters)
        await asyncio.to_thread(self._parts.store.forget_hold, copy)
        log.info("copy.released", vm_id=copy.vm_id, host=copy.host, epoch=copy.epoch)

    async def _give_back(
        self, context: VerbContext, vm: VirtualMachineRef, copy: KnownCopy
    ) -> None:
        """The machine is protected no more: its host starts it as its owner had it.

        Only the copy that was the machine: any other one that is left must not start. One that does
        not run may have been failed over while this server was away, and nobody can be asked any
        more: it is given back when it is seen to run, because somebody started it.
        """
        if _was_the_machine(copy):
            try:
                seen = await read_copy(context, vm)
            except CommandError:
                seen = None
            if seen is not None and not seen.runs:
                return
            if seen is not None:
                await set_automatic_start(context, vm, copy.start_action)
            log.info("automatic_start.given_back", vm_id=copy.vm_id, action=copy.start_action)
        await asyncio.to_thread(self._parts.store.forget, copy)

    async def _tell(self) -> None:
        async with self._telling:
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
                trouble=self._troubles.get((copy.vm_id, copy.location), "")[:TROUBLE_LENGTH],
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


def _was_the_machine(copy: KnownCopy) -> bool:
    """Of a copy that is assigned no more: whether there is something to give back."""
    return copy.role is CopyRole.ACTIVE and copy.start_action != ""
