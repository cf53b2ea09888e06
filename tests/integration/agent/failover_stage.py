"""Two sites of the lab, each with an agent's executor, journal and PowerShell."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from google.protobuf.duration_pb2 import Duration
from opensiterecovery.provider.v1.command_pb2 import (
    Command,
    CommandResult,
    InstallHostCertificate,
)

from agent.clock import utc_now
from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from agent.journal.host_keys import HostKeyStore
from agent.powershell.pool import PowerShellPool
from agent.session.executor import CommandExecutor, ExecutorSettings, Fabric
from agent.verbs.registry import VERBS
from deploy.lab.site.clock import SiteClock
from deploy.lab.site.environment import Environment
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.site import Site
from deploy.lab.site.topology import parse_topology
from tests.integration.agent.lab_powershell import LabPowerShells

EAST = "hv-e1.contoso.com"
WEST = "hv-w1.contoso.com"
TOPOLOGY = r"""
[guest]
interval_seconds = 0.02
block_bytes = 4096
[[sites]]
name = "East"
vmm_server = "vmm-east.contoso.com"
volumes = [{ path = 'C:\ClusterStorage\V1' }]
[[sites.clouds]]
name = "CloudE"
hosts = ["hv-e1.contoso.com"]
[[sites.clouds.vms]]
name = "App"
host = "hv-e1.contoso.com"
disks = [{ path = 'C:\ClusterStorage\V1', mib = 3 }]
[[sites]]
name = "West"
vmm_server = "vmm-west.contoso.com"
volumes = [{ path = 'C:\ClusterStorage\T1' }]
[[sites.clouds]]
name = "CloudW"
hosts = ["hv-w1.contoso.com"]
"""

QUICK = ExecutorSettings(poll_interval_seconds=0.02, settle_seconds=10.0)


class HostAuthority:
    """Signs the hosts' replication certificates."""

    def __init__(self, name: str = "Replication CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def _builder(self) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .issuer_name(self._name)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
        )

    def answer(self, host: str, request: bytes) -> InstallHostCertificate:
        """The command that installs what was asked for."""
        asked = x509.load_der_x509_csr(request)
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        certificate = (
            self._builder()
            .subject_name(asked.subject)
            .public_key(asked.public_key())
            .add_extension(names, critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        root = (
            self._builder()
            .subject_name(self._name)
            .public_key(self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        der = serialization.Encoding.DER
        return InstallHostCertificate(
            host=host, certificate=certificate.public_bytes(der), issuer=root.public_bytes(der)
        )


class SiteAgent:
    """The executor of one site's agent, through any number of its lives."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.shells = LabPowerShells(site)
        self._path = folder / f"journal-{site.name}.sqlite3"
        self._results: dict[str, CommandResult] = {}
        self._heard = asyncio.Event()

    @asynccontextmanager
    async def life(self) -> AsyncIterator[CommandExecutor]:
        """One run of the agent; leaving it is its death."""
        database = Database(self._path)
        pool = PowerShellPool(self.shells.start)
        executor = CommandExecutor(
            CommandJournal(database, utc_now),
            Fabric(pool.for_command, HostKeyStore(database, utc_now), VERBS),
            self._hear,
            utc_now,
            QUICK,
        )
        running = asyncio.create_task(executor.run())
        try:
            yield executor
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await pool.close()
            database.close()

    async def result(self, command_id: str) -> CommandResult:
        """The result, as soon as it is announced."""
        async with asyncio.timeout(60):
            while command_id not in self._results:
                self._heard.clear()
                await self._heard.wait()
        return self._results[command_id]

    async def _hear(self, result: CommandResult) -> None:
        self._results[result.command_id] = result
        self._heard.set()


class Stage:
    """Sends commands to the agents of two sites, each with the trouble that was asked for."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._number = 0
        self.agents: dict[str, SiteAgent] = {}

    async def open(self) -> None:
        for name, host in (("East", EAST), ("West", WEST)):
            environment = Environment(
                state_dir=self._folder,
                clock=SiteClock(10.0),
                random=random.Random(name),
                connect_timeout_seconds=2.0,
            )
            site = open_site(parse_topology(TOPOLOGY), name, environment)
            await boot(site)
            self.agents[host] = SiteAgent(site, self._folder)

    async def close(self) -> None:
        for agent in self.agents.values():
            await shut_down(agent.site)

    @property
    def vm_id(self) -> str:
        site = self.agents[EAST].site
        return site.vm(site.host(EAST), name="App").vm_id.lower()

    def command(self, **verb: Any) -> Command:
        self._number += 1
        command_id = str(UUID(f"{self._number:08x}-0000-4000-8000-000000000000"))
        return Command(command_id=command_id, time_limit=Duration(seconds=50), **verb)

    async def do(self, host: str, **verb: Any) -> CommandResult:
        """Runs a command without trouble, delivered twice; it must succeed."""
        agent, command = self.agents[host], self.command(**verb)
        async with agent.life() as executor:
            await executor.deliver(command)
            await executor.deliver(command)
            result = await agent.result(command.command_id)
            assert await executor.deliver(command) == result
        return _good(result)

    async def do_with_crash(self, host: str, **verb: Any) -> CommandResult:
        """The agent dies at a random moment of the command and is started again."""
        agent, command = self.agents[host], self.command(**verb)
        async with agent.life() as executor:
            await executor.deliver(command)
            await self._while_it_works(agent, command)
        async with agent.life() as executor:
            # Finished, but not announced, before the death: then the delivery gives the result.
            known = await executor.deliver(command)
            return _good(known or await agent.result(command.command_id))

    async def do_with_powershell_killed(self, host: str, **verb: Any) -> CommandResult:
        """PowerShell dies at a random moment of the command."""
        agent, command = self.agents[host], self.command(**verb)
        async with agent.life() as executor:
            await executor.deliver(command)
            await self._while_it_works(agent, command)
            agent.shells.kill()
            return _good(await agent.result(command.command_id))

    async def _while_it_works(self, agent: SiteAgent, command: Command) -> None:
        """Waits a random part of the time such commands take, or until the result is there."""
        done = asyncio.create_task(agent.result(command.command_id))
        await asyncio.wait({done}, timeout=self._random.expovariate(20))
        done.cancel()
        await asyncio.gather(done, return_exceptions=True)

    async def until_replicating(self, host: str) -> None:
        """Reads until the first copy is done, with a deadline."""
        async with asyncio.timeout(60):
            while True:
                result = await self.do(host, read_replication={"vm": self.vm(host)})
                if result.replication.state == "Replicating":
                    return

    def vm(self, host: str) -> dict[str, str]:
        return {"vm_id": self.vm_id, "host": host}

    def effects(self) -> Counter[tuple[str, str, str]]:
        """How often each command had each effect on each target."""
        return Counter(
            (each.command_id or "", each.effect, each.target)
            for agent in self.agents.values()
            for each in agent.site.effects.read()
        )

    def names_of_effects(self) -> set[str]:
        return {effect for _, effect, _ in self.effects()}


def _good(result: CommandResult) -> CommandResult:
    assert not result.HasField("failure"), str(result.failure)
    return result
