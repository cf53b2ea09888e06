"""Two site daemons as processes, each with an agent in this process; both die together."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from opensiterecovery.provider.v1.command_pb2 import Command, CommandResult
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState
from opensiterecovery.provider.v1.role_pb2 import RoleAssignment
from opensiterecovery.provider.v1.session_pb2 import AgentMessage

from agent.clock import utc_now
from agent.fabric.host_replication import read_host_replication
from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from agent.journal.host_keys import HostKeyStore
from agent.journal.roles import RoleStore
from agent.powershell.pool import NO_COMMAND, PowerShellPool
from agent.powershell.transport import EndHandler, LineHandler
from agent.roles.gate import RoleGate
from agent.roles.keeper import KeeperParts, RoleKeeper
from agent.session.executor import CommandExecutor, ExecutorSettings, Fabric
from agent.session.turns import MachineTurns
from agent.verbs.registry import VERBS
from deploy.lab.invocation import EnumValue, Invocation, PSObject, Value
from deploy.lab.powershell.backends import SocketBackend
from deploy.lab.powershell.in_process import InProcessPowerShell
from deploy.lab.site.admin import SiteAdmin, SiteDownError
from deploy.lab.site.effects import Effect
from deploy.lab.site.power import record_loss_of_power
from tests.integration.agent.lab_powershell import LabTransport

SITES = ("Shanghai", "Beijing")
HOSTS = {"Shanghai": "sh1.contoso.com", "Beijing": "bj1.contoso.com"}
NETWORK = "Production"
PORT = 8083
# What owners chose, in turn.
START_ACTIONS = ("StartIfRunning", "Start")
# A host that starts sooner than this after it started is not seen to have been down.
BETWEEN_BOOTS_SECONDS = 6.0
LIMIT_SECONDS = 60.0
POLL_SECONDS = 0.05
QUICK = ExecutorSettings(poll_interval_seconds=0.05, settle_seconds=5.0, overtime_seconds=5.0)


def topology(machines: list[str]) -> str:
    """Both sites with a network each; the machines are at the first."""
    parts = ["[guest]\ninterval_seconds = 0.2\nfill_share = 0.1\n"]
    for number, site in enumerate(SITES, 1):
        parts.append(f"""
[[sites]]
name = "{site}"
vmm_server = "vmm-{site.lower()}.contoso.com"
volumes = [{{ path = 'D:\\VMs' }}]
logical_networks = ["Production"]
[[sites.vm_networks]]
name = "Front"
logical_network = "Production"
[[sites.vm_networks.subnets]]
name = "Front"
subnet = "10.{number}.0.0/24"
vlan = 101
pool = ["10.{number}.0.10", "10.{number}.0.99"]
[[sites.clouds]]
name = "Cloud{number}"
hosts = ["{HOSTS[site]}"]
logical_networks = ["Production"]
""")
        if site == SITES[0]:
            parts += [
                f"""
[[sites.clouds.vms]]
name = "{name}"
host = "{HOSTS[site]}"
automatic_start_action = "{START_ACTIONS[number % len(START_ACTIONS)]}"
networks = [{{ network = "Front", subnet = "Front" }}]
disks = [{{ path = 'D:\\VMs', mib = 3 }}]
"""
                for number, name in enumerate(machines)
            ]
    return "".join(parts)


@dataclass
class LivingAgent:
    """One life of an agent."""

    database: Database
    pool: PowerShellPool
    keeper: RoleKeeper
    executor: CommandExecutor
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def replication(self, host: str, vm_ids: list[str]) -> list[ReplicationState]:
        return await read_host_replication(
            self.pool.for_command(NO_COMMAND), host, vm_ids, time_limit_seconds=20
        )


Announce = Callable[[CommandResult], Awaitable[object]]
Send = Callable[[AgentMessage], Awaitable[bool]]


class ReturningSite:
    """A site whose power is cut and given back."""

    def __init__(self, name: str, folder: Path, file: Path) -> None:
        self.name = name
        self.host = HOSTS[name]
        self.admin = SiteAdmin(folder, name, 20.0)
        self.agent: LivingAgent | None = None
        self._folder = folder
        self._file = file
        self._process: Process | None = None
        self._booted_at = -BETWEEN_BOOTS_SECONDS

    @property
    def alive(self) -> bool:
        return self._process is not None

    async def boot(self) -> None:
        """Gives the power and waits until the hosts have booted."""
        await self._between_boots()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "deploy.lab.site",
            f"--state={self._folder}",
            f"--site={self.name}",
            "--speed=30",
            f"--topology={self._file}",
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        await until(lambda: asyncio.to_thread(self._is_up), f"{self.name} boots")
        self._booted_at = asyncio.get_running_loop().time()

    async def reboot_host(self) -> None:
        """Its host crashes and boots again; the VMM server and the agent go on."""
        await asyncio.to_thread(self.admin.crash_host, self.host)
        await self._between_boots()
        await asyncio.to_thread(self.admin.boot_host, self.host)
        self._booted_at = asyncio.get_running_loop().time()

    async def _between_boots(self) -> None:
        due = self._booted_at + BETWEEN_BOOTS_SECONDS

        async def passed() -> bool:
            return asyncio.get_running_loop().time() >= due

        await until(passed, f"{self.name} may boot again")

    def _is_up(self) -> bool:
        try:
            return self.admin.is_up()
        except SiteDownError:
            return False

    async def kill(self) -> None:
        """Cuts the power: of hosts, VMM server and agent, at once."""
        if self._process is None:
            return
        self._process.kill()
        await self._process.wait()
        record_loss_of_power(self._folder, self.name, datetime.now(UTC))
        self._process = None
        await self.end_agent()

    async def start_agent(self, announce: Announce, send: Send) -> LivingAgent:
        """Begins the life of an agent, with the journal that the one before it left."""

        async def start(on_line: LineHandler, on_end: EndHandler) -> LabTransport:
            backend = SocketBackend(self.admin.powershell_socket)
            return LabTransport(InProcessPowerShell(backend), on_line, on_end)

        database = Database(self._folder / f"agent-{self.name}.sqlite3")
        pool = PowerShellPool(start)
        store, turns, keys = RoleStore(database), MachineTurns(), HostKeyStore(database, utc_now)
        parts = KeeperParts(pool.for_command(NO_COMMAND), keys, store, turns, send)
        keeper = RoleKeeper(parts)
        fabric = Fabric(
            pool.for_command,
            keys,
            VERBS,
            vmm_server=f"vmm-{self.name.lower()}.contoso.com",
            gate=RoleGate(store),
            turns=turns,
            before_start=keeper.before_start,
        )
        executor = CommandExecutor(
            CommandJournal(database, utc_now), fabric, announce, utc_now, QUICK
        )
        agent = LivingAgent(database, pool, keeper, executor)
        agent.tasks += [
            asyncio.create_task(executor.run(), name=f"executor {self.name}"),
            asyncio.create_task(keeper.run(), name=f"keeper {self.name}"),
        ]
        self.agent = agent
        return agent

    async def end_agent(self) -> None:
        """The agent dies wherever it is."""
        agent, self.agent = self.agent, None
        if agent is None:
            return
        for task in agent.tasks:
            task.cancel()
        await asyncio.gather(*agent.tasks, return_exceptions=True)
        await agent.pool.close()
        agent.database.close()

    async def run(self, cmdlet: str, **parameters: Value) -> None:
        """Runs a cmdlet as an administrator on the host."""
        backend = SocketBackend(self.admin.powershell_socket)
        result = await backend.invoke(Invocation(cmdlet, parameters))
        await backend.aclose()
        if result.errors:
            raise RuntimeError(f"{cmdlet} at {self.name}: {result.errors[0].message}")

    async def connections(self, machines: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The switches that the adapters of each machine's copy are connected to."""
        backend = SocketBackend(self.admin.powershell_socket)
        found: dict[str, tuple[str, ...]] = {}
        for machine in machines:
            asked = Invocation(
                "Get-VMNetworkAdapter", {"ComputerName": [self.host], "VMName": [machine]}
            )
            answer = await backend.invoke(asked)
            adapters = [each.properties for each in answer.output if isinstance(each, PSObject)]
            switches = (each.get("SwitchName") for each in adapters)
            found[machine] = tuple(sorted(str(switch) for switch in switches if switch))
        await backend.aclose()
        return found

    async def receive_replication(self) -> None:
        """Makes its host a replica server for the other one."""
        await self.run(
            "Set-VMReplicationServer",
            ComputerName=[self.host],
            ReplicationEnabled=True,
            AllowedAuthenticationType=EnumValue("RecoveryAuthenticationType", "Kerberos", 1),
            ReplicationAllowedFromAnyServer=True,
            KerberosAuthenticationPort=PORT,
            DefaultStorageLocation=r"D:\VMs",
        )
        await self.run("Enable-OsrReplicationFirewallRule", ComputerName=self.host, Port=PORT)

    def effects(self) -> list[Effect]:
        return self.admin.effects()


async def deliver(agent: LivingAgent, body: bytes, answer: Announce) -> None:
    """Gives a command to an agent; one that was finished before is answered at once."""
    known = await agent.executor.deliver(Command.FromString(body))
    if known is not None:
        await answer(known)


async def assign(agent: LivingAgent, roles: list[RoleAssignment]) -> None:
    await agent.keeper.assigned(roles)


class NeverError(Exception):
    """What had to come true did not, in time."""


async def until(
    condition: Callable[[], Awaitable[bool]], what: str, limit_seconds: float = LIMIT_SECONDS
) -> None:
    """Polls with a deadline.

    Raises:
        NeverError: It did not come true.
    """
    deadline = asyncio.get_running_loop().time() + limit_seconds
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            raise NeverError(f"never: {what}")
        await asyncio.sleep(POLL_SECONDS)
