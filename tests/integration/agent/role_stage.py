"""A site of the lab with agents beside it that keep to roles; both can die."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from opensiterecovery.provider.v1.command_pb2 import Command, CommandResult
from opensiterecovery.provider.v1.role_pb2 import Role, RoleAssignment, RoleReport
from opensiterecovery.provider.v1.session_pb2 import AgentMessage
from opensiterecovery.provider.v1.virtual_machine_pb2 import VirtualMachineRef

from agent.clock import utc_now
from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from agent.journal.host_keys import HostKeyStore
from agent.journal.roles import RoleStore
from agent.powershell.pool import NO_COMMAND, PowerShellPool
from agent.roles.gate import RoleGate
from agent.roles.keeper import KeeperParts, RoleKeeper
from agent.session.executor import CommandExecutor, Fabric
from agent.session.turns import MachineTurns
from agent.verbs.registry import VERBS
from deploy.lab.site.environment import Environment
from deploy.lab.site.model import VirtualMachine
from deploy.lab.site.power import boot, lose_power, open_site
from deploy.lab.site.site import Site
from deploy.lab.site.topology import Topology
from tests.integration.agent.failover_stage import EAST, QUICK
from tests.integration.agent.lab_powershell import LabPowerShells

ITEM = "item-1"
TOPOLOGY = r"""
[guest]
interval_seconds = 0.02
[[sites]]
name = "East"
vmm_server = "vmm-east.contoso.com"
volumes = [{ path = 'C:\VMs' }]
logical_networks = ["Production"]
[[sites.vm_networks]]
name = "Front"
logical_network = "Production"
[[sites.vm_networks.subnets]]
name = "Front"
subnet = "10.1.0.0/24"
vlan = 101
pool = ["10.1.0.10", "10.1.0.99"]
[[sites.clouds]]
name = "CloudE"
hosts = ["hv-e1.contoso.com"]
logical_networks = ["Production"]
[[sites.clouds.vms]]
name = "App"
host = "hv-e1.contoso.com"
networks = [{ network = "Front", subnet = "Front", ip = "10.1.0.10" }]
disks = [{ path = 'C:\VMs', mib = 3 }]
"""


@dataclass
class Agent:
    """One life of an agent beside a site."""

    site: Site
    pool: PowerShellPool
    database: Database
    keeper: RoleKeeper
    executor: CommandExecutor
    journal: CommandJournal
    sent: list[RoleReport] = field(default_factory=list)
    results: dict[str, CommandResult] = field(default_factory=dict)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    number: int = 0

    @property
    def vm(self) -> VirtualMachine:
        return self.site.vm(self.site.host(EAST), name="App")

    @property
    def store(self) -> RoleStore:
        return RoleStore(self.database)

    @property
    def switch(self) -> str | None:
        return self.vm.adapters[0].switch_name

    async def assign(self, role: Role.ValueType, epoch: int = 1, **more: object) -> None:
        """The coordinator says what the copy here may do; the keeper sees to it."""
        given = RoleAssignment(
            item_id=ITEM,
            vm_id=self.vm.vm_id.upper(),
            location="Primary",
            host=EAST,
            epoch=epoch,
            role=role,
            automatic_start_action="StartIfRunning",
        )
        given.MergeFrom(RoleAssignment(**more))  # type: ignore[arg-type] # fields by name
        await self.keeper.assigned([given])
        await self.keeper.keep()

    def ref(self, epoch: int) -> VirtualMachineRef:
        return VirtualMachineRef(vm_id=self.vm.vm_id, host=EAST, role_epoch=epoch)

    def command(self, **verb: object) -> Command:
        self.number += 1
        return Command(
            command_id=str(UUID(int=self.number << 32)),
            time_limit=Duration(seconds=30),
            **verb,  # type: ignore[arg-type] # the verb by its name
        )

    async def deliver(self, command: Command) -> CommandResult:
        done = await self.executor.deliver(command)
        return done or await self.result(command.command_id)

    async def result(self, command_id: str) -> CommandResult:
        async with asyncio.timeout(30):
            while command_id not in self.results:
                self.heard.clear()
                await self.heard.wait()
        return self.results[command_id]


@dataclass
class RoleStage:
    """A site, and a folder in which agents leave their journals."""

    folder: Path
    topology: Topology
    environment: Environment
    site: Site
    running: list[asyncio.Task[None]] = field(default_factory=list)
    agents: list[Agent] = field(default_factory=list)

    async def agent(self, journal: str = "journal") -> Agent:
        """Begins the life of an agent."""
        database = Database(self.folder / f"{journal}.sqlite3")
        pool = PowerShellPool(LabPowerShells(self.site).start)
        store, turns = RoleStore(database), MachineTurns()
        keys = HostKeyStore(database, utc_now)

        async def send(message: AgentMessage) -> bool:
            made.sent.append(message.role_report)
            return True

        async def announce(result: CommandResult) -> None:
            made.results[result.command_id] = result
            made.heard.set()

        keeper = RoleKeeper(KeeperParts(pool.for_command(NO_COMMAND), keys, store, turns, send))
        fabric = Fabric(
            pool.for_command,
            keys,
            VERBS,
            gate=RoleGate(store),
            turns=turns,
            before_start=keeper.before_start,
        )
        commands = CommandJournal(database, utc_now)
        executor = CommandExecutor(commands, fabric, announce, utc_now, QUICK)
        made = Agent(self.site, pool, database, keeper, executor, commands)
        self.running.append(asyncio.create_task(executor.run()))
        self.agents.append(made)
        return made

    async def end_agents(self) -> None:
        """They die, wherever they are."""
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        for agent in self.agents:
            await agent.pool.close()
            agent.database.close()
        self.running.clear()
        self.agents.clear()

    async def cut_power(self) -> None:
        await self.end_agents()
        await lose_power(self.site)

    async def give_power(self) -> None:
        self.site = open_site(self.topology, "East", self.environment)
        await boot(self.site)
