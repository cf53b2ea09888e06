"""Sites, agents and the coordinator together, in one process but for the sites' daemons."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from django.db import connections
from opensiterecovery.provider.v1.command_pb2 import CommandResult
from opensiterecovery.provider.v1.session_pb2 import AgentMessage

from agent.powershell.errors import PowerShellError
from deploy.lab.invocation import EnumValue
from deploy.lab.site.effects import Effect
from deploy.lab.site.vm_maker import switch_name
from tests.chaos.returning.coordinator import ChaosCoordinator
from tests.chaos.returning.sites import (
    HOSTS,
    NETWORK,
    PORT,
    SITES,
    LivingAgent,
    ReturningSite,
    assign,
    deliver,
    topology,
    until,
)

T = TypeVar("T")

TICK_SECONDS = 0.1
LOOKS_EVERY = 3


class ReturnStage:
    """Everything that runs while a campaign goes on.

    Args:
        folder: Of the sites and the agents' journals.
        machines: Names of the machines; all begin at the first site.
    """

    def __init__(self, folder: Path, machines: list[str]) -> None:
        self._folder = folder
        self._machines = machines
        self._database = ThreadPoolExecutor(1, thread_name_prefix="coordinator")
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._coordinator: ChaosCoordinator | None = None
        self.vm_ids: dict[str, str] = {}
        # Sites whose agents the coordinator hears; those that nothing but the link parts from it.
        self._heard: set[str] = set()
        self._cut: set[str] = set()
        file = folder / "sites.toml"
        file.write_text(topology(machines), encoding="utf-8")
        self.sites = {name: ReturningSite(name, folder, file) for name in SITES}

    @property
    def coordinator(self) -> ChaosCoordinator:
        assert self._coordinator is not None, "the stage is not open"
        return self._coordinator

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Calls what uses the database, one after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._database, work, *arguments)

    async def open(self) -> None:
        """Boots the sites, has every machine replicate, and protects it."""
        self._coordinator = await self.run(ChaosCoordinator, self._folder)
        await self.run(self.coordinator.pair)
        for site in self.sites.values():
            await site.boot()
            await site.receive_replication()
        first = self.sites[SITES[0]]
        for machine in await asyncio.to_thread(first.admin.machines):
            self.vm_ids[machine.name] = machine.vm_id.lower()
        for name in self._machines:
            await self._replicate(first, name)
        for name in self._machines:
            await until(partial(self._replicates, name), f"{name} replicates")
            # As a network mapping has it: what is failed over is on production networks.
            second = self.sites[SITES[1]]
            await second.run(
                "Connect-VMNetworkAdapter",
                ComputerName=[second.host],
                VMName=[name],
                SwitchName=switch_name(NETWORK),
            )
            await self.run(self.coordinator.protect, name, self.vm_ids[name])
        for name in SITES:
            await self._start_agent(name)
        await self.start_coordinator()
        await until(self._guarded, "hosts are told to start nothing")

    async def close(self) -> None:
        """Ends everything."""
        await self.stop_coordinator()
        for name in SITES:
            await self.sites[name].kill()
        await self.run(connections.close_all)
        self._database.shutdown()

    async def kill(self, name: str, *, noticed: bool) -> None:
        """Cuts a site's power.

        Args:
            name: The site.
            noticed: The coordinator sees the connection break; else its lease has to run out.
        """
        await self._end(name)
        self._cut.discard(name)
        await self.sites[name].kill()
        if noticed:
            await self.run(self.coordinator.disconnect, name)

    async def give_power(self, name: str, *, cut: bool = False) -> None:
        """Gives the power back; the agent starts with the host it is on.

        Args:
            name: The site.
            cut: The link from the agent to the coordinator is not back yet; see `heal`.
        """
        if cut:
            self._cut.add(name)
        await self.sites[name].boot()
        await self._start_agent(name)
        if "wheels" in self._tasks:
            self._connect(name)

    async def heal(self, name: str) -> None:
        """Gives the link back that was cut."""
        self._cut.discard(name)
        if "wheels" in self._tasks and name not in self._tasks:
            self._connect(name)

    async def stop_coordinator(self) -> None:
        """Everything of the coordinator ends; agents and hosts go on."""
        for name in SITES:
            await self._end(name)
        await self._end("wheels")

    async def start_coordinator(self) -> None:
        """The coordinator is back, and agents connect again."""
        self._tasks["wheels"] = asyncio.create_task(self._turn_wheels(), name="wheels")
        for name in SITES:
            self._connect(name)

    async def connections(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """The switches that each copy's adapters are connected to, by site and machine."""
        return {
            (name, machine): switches
            for name, site in self.sites.items()
            for machine, switches in (await site.connections(self._machines)).items()
        }

    def effects(self) -> list[Effect]:
        """Both journals, in order of time."""
        found = [effect for site in self.sites.values() for effect in site.effects()]
        return sorted(found, key=lambda effect: effect.at)

    async def _replicate(self, first: ReturningSite, name: str) -> None:
        await first.run(
            "Enable-VMReplication",
            ComputerName=[first.host],
            VMName=[name],
            ReplicaServerName=HOSTS[SITES[1]],
            ReplicaServerPort=PORT,
            AuthenticationType=EnumValue("ReplicationAuthenticationType", "Kerberos", 1),
            ReplicationFrequencySec=30,
        )
        await first.run("Start-VMInitialReplication", ComputerName=[first.host], VMName=[name])

    async def _replicates(self, name: str) -> bool:
        for site in self.sites.values():
            machines = await asyncio.to_thread(site.admin.machines)
            found = [each for each in machines if each.name == name]
            if not found or found[0].replication_state != "Replicating":
                return False
        return True

    async def _guarded(self) -> bool:
        """Both copies of every machine are started by nobody but the coordinator."""
        effects = await asyncio.to_thread(self.effects)
        told = {
            (each.site, each.target) for each in effects if each.effect == "vm.automatic_start_set"
        }
        return len(told) == len(SITES) * len(self._machines)

    async def _start_agent(self, name: str) -> None:
        async def announce(result: CommandResult) -> None:
            if name in self._heard:
                await self.run(self.coordinator.take_result, name, result.SerializeToString())

        async def send(message: AgentMessage) -> bool:
            if name not in self._heard:
                return False
            copies = list(message.role_report.copies)
            await self.run(self.coordinator.take_roles, name, copies)
            return True

        await self.sites[name].start_agent(announce, send)

    def _connect(self, name: str) -> None:
        agent = self.sites[name].agent
        if agent is not None and name not in self._cut:
            self._tasks[name] = asyncio.create_task(self._serve(name, agent), name=name)

    async def _serve(self, name: str, agent: LivingAgent) -> None:
        """A session of an agent, as long as both live and the link is there."""

        async def answer(result: CommandResult) -> None:
            await self.run(self.coordinator.take_result, name, result.SerializeToString())

        bodies = await self.run(self.coordinator.connect, name)
        self._heard.add(name)
        try:
            await assign(agent, await self.run(self.coordinator.roles, name))
            agent.keeper.session_opened()
            look = 0
            while True:
                for body in bodies:
                    await deliver(agent, body, answer)
                if look % LOOKS_EVERY == 0:
                    await assign(agent, await self.run(self.coordinator.roles, name))
                    with contextlib.suppress(PowerShellError):
                        states = await agent.replication(HOSTS[name], list(self.vm_ids.values()))
                        await self.run(self.coordinator.take_replication, name, states)
                look += 1
                await asyncio.sleep(TICK_SECONDS)
                bodies = await self.run(self.coordinator.beat, name)
        finally:
            self._heard.discard(name)
            self.coordinator.leave(name)

    async def _turn_wheels(self) -> None:
        while True:
            await self.run(self.coordinator.work)
            await asyncio.sleep(TICK_SECONDS)

    async def _end(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task is None:
            return
        task.cancel()
        [ended] = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ended, Exception) and not isinstance(ended, asyncio.CancelledError):
            raise ended
