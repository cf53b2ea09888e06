"""Two sites of the lab with an agent each, on an event loop of their own beside the test."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from opensiterecovery.provider.v1.command_pb2 import Command, CommandResult
from opensiterecovery.provider.v1.inventory_pb2 import InventoryObject
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState
from opensiterecovery.provider.v1.role_pb2 import HeldCopy, RoleAssignment
from opensiterecovery.provider.v1.session_pb2 import AgentMessage

from agent.clock import utc_now
from agent.fabric.discovery import read_inventory
from agent.fabric.host_replication import read_host_replication
from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from agent.journal.host_keys import HostKeyStore
from agent.journal.roles import RoleStore
from agent.powershell.pool import NO_COMMAND, PowerShellPool
from agent.roles.gate import RoleGate
from agent.roles.keeper import KeeperParts, RoleKeeper
from agent.session.executor import CommandExecutor, ExecutorSettings, Fabric
from agent.session.turns import MachineTurns
from agent.verbs.registry import VERBS
from deploy.lab.site.clock import SiteClock
from deploy.lab.site.environment import Environment
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.site import Site
from deploy.lab.site.topology import parse_topology
from tests.integration.agent.lab_powershell import LabPowerShells
from tests.integration.walks.faulty_backend import FaultyBackend

T = TypeVar("T")

SPEED = 120.0
LIMIT_SECONDS = 60.0
QUICK = ExecutorSettings(poll_interval_seconds=0.01, settle_seconds=10.0)
MACHINE = "GoldVM1"
SHANGHAI, BEIJING = "vmm-shanghai", "vmm-beijing"
HOSTS = {SHANGHAI: "sh-gold-1.contoso.com", BEIJING: "bj-gold-1.contoso.com"}
TEST_NETWORK = "Drill"


def _site(fabric: str, number: int) -> str:
    name = fabric.removeprefix("vmm-").title()
    return f"""
[[sites]]
name = "{name}"
vmm_server = "{fabric}.contoso.com"
volumes = [{{ path = 'D:\\VMs' }}]
[[sites.logical_networks]]
name = "Production"
[[sites.logical_networks]]
name = "Drills"
[[sites.logical_networks]]
name = "Isolated"
free_subnet_vlans = [{{ subnet = "10.{number}.90.0/24", vlan = 290 }}]
[[sites.vm_networks]]
name = "Front"
logical_network = "Production"
[[sites.vm_networks.subnets]]
name = "Front"
subnet = "10.{number}.0.0/24"
vlan = 101
pool = ["10.{number}.0.10", "10.{number}.0.99"]
[[sites.vm_networks]]
name = "{TEST_NETWORK}"
logical_network = "Drills"
[[sites.vm_networks.subnets]]
name = "Drill"
subnet = "10.{number}.9.0/24"
vlan = 109
pool = ["10.{number}.9.10", "10.{number}.9.99"]
[[sites.clouds]]
name = "GoldCloud{number}"
hosts = ["{HOSTS[fabric]}"]
logical_networks = ["Production", "Drills", "Isolated"]
"""


TOPOLOGY = f"""
[guest]
interval_seconds = 0.02
block_bytes = 4096
{_site(SHANGHAI, 1)}
[[sites.clouds.vms]]
name = "{MACHINE}"
host = "{HOSTS[SHANGHAI]}"
networks = [{{ network = "Front", subnet = "Front", ip = "10.1.0.10" }}]
disks = [{{ path = 'D:\\VMs', mib = 3 }}]
{_site(BEIJING, 2)}
"""


@dataclass
class Agent:
    """A site and the agent beside it.

    Attributes:
        held: What its keeper told of copies that it holds, newest last.
    """

    site: Site
    host: str
    pool: PowerShellPool
    database: Database
    keeper: RoleKeeper
    executor: CommandExecutor
    running: asyncio.Task[None]
    results: dict[str, CommandResult]
    heard: asyncio.Event
    held: list[HeldCopy] = field(default_factory=list)

    async def answer(self, command: Command) -> CommandResult:
        known = await self.executor.deliver(command)
        if known is not None:
            return known
        async with asyncio.timeout(LIMIT_SECONDS):
            while command.command_id not in self.results:
                self.heard.clear()
                await self.heard.wait()
        return self.results.pop(command.command_id)

    async def keep(self, roles: list[RoleAssignment]) -> None:
        """Takes over roles and sees to them at once."""
        await self.keeper.assigned(roles)
        await self.keeper.keep()

    async def inventory(self) -> list[InventoryObject]:
        server = self.site.vmm.server.fqdn
        powershell = self.pool.for_command(NO_COMMAND)
        return list((await read_inventory(powershell, vmm_server=server)).values())

    async def replication(self, vm_id: str) -> list[ReplicationState]:
        powershell = self.pool.for_command(NO_COMMAND)
        return await read_host_replication(
            powershell, self.host, [vm_id], time_limit_seconds=LIMIT_SECONDS
        )

    async def end(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.pool.close()
        self.database.close()
        await shut_down(self.site)


class LabSites:
    """Both sites; everything that works on them is awaited from the test's thread.

    Args:
        folder: Of the sites and the agents' journals.
        seed: Of the sites' chances.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lab", daemon=True)
        self.agents: dict[str, Agent] = {}

    def open(self) -> None:
        self._thread.start()
        for fabric in HOSTS:
            self.agents[fabric] = self.wait(self._start(fabric))

    def close(self) -> None:
        for agent in self.agents.values():
            self.wait(agent.end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Has the loop do something, and waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * LIMIT_SECONDS)

    async def _start(self, fabric: str) -> Agent:
        environment = Environment(
            state_dir=self._folder,
            clock=SiteClock(SPEED),
            random=random.Random(f"{fabric} {self._seed}"),
            connect_timeout_seconds=2.0,
        )
        name = fabric.removeprefix("vmm-").title()
        site = open_site(parse_topology(TOPOLOGY), name, environment)
        await boot(site)
        database = Database(self._folder / f"agent-{name}.sqlite3")
        pool = PowerShellPool(LabPowerShells(site, FaultyBackend).start)
        store, turns, keys = RoleStore(database), MachineTurns(), HostKeyStore(database, utc_now)
        results: dict[str, CommandResult] = {}
        heard = asyncio.Event()
        held: list[HeldCopy] = []

        async def send(message: AgentMessage) -> bool:
            held[:] = message.role_report.copies
            return True

        async def announce(result: CommandResult) -> None:
            results[result.command_id] = result
            heard.set()

        keeper = RoleKeeper(KeeperParts(pool.for_command(NO_COMMAND), keys, store, turns, send))
        executor = CommandExecutor(
            CommandJournal(database, utc_now),
            Fabric(
                pool.for_command,
                keys,
                VERBS,
                vmm_server=site.vmm.server.fqdn,
                gate=RoleGate(store),
                turns=turns,
                before_start=keeper.before_start,
            ),
            announce,
            utc_now,
            QUICK,
        )
        running = asyncio.create_task(executor.run(), name=f"executor {name}")
        return Agent(
            site, HOSTS[fabric], pool, database, keeper, executor, running, results, heard, held
        )
