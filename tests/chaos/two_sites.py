"""Two site daemons as processes, with one machine that replicates from one to the other."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable
from pathlib import Path

from deploy.lab.invocation import EnumValue, Invocation, Value
from deploy.lab.powershell.backends import SocketBackend
from deploy.lab.site.admin import SiteAdmin, SiteDownError
from deploy.lab.site.admin_records import MachineStatus

MACHINE = "App"
PORT = 8083
LIMIT_SECONDS = 60.0
HOSTS = {"East": "e1.contoso.com", "West": "w1.contoso.com"}
TOPOLOGY = r"""
[guest]
interval_seconds = 0.02
fill_share = 1.0
[[sites]]
name = "East"
vmm_server = "vmm-east.contoso.com"
volumes = [{ path = 'D:\VMs' }]
[[sites.clouds]]
name = "CloudE"
hosts = ["e1.contoso.com"]
[[sites.clouds.vms]]
name = "App"
host = "e1.contoso.com"
disks = [{ path = 'D:\VMs', mib = 16 }, { path = 'D:\VMs', mib = 8 }]
[[sites]]
name = "West"
vmm_server = "vmm-west.contoso.com"
volumes = [{ path = 'D:\VMs' }]
[[sites.clouds]]
name = "CloudW"
hosts = ["w1.contoso.com"]
"""


class RefusedError(Exception):
    """A cmdlet wrote an error record, or its site has no power."""


class NeverError(Exception):
    """What had to come true did not, in time."""


class TwoSites:
    """Daemons that can be killed, their cmdlets and what they tell.

    Args:
        folder: Where both keep everything.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._topology = folder / "sites.toml"
        self._topology.write_text(TOPOLOGY, encoding="utf-8")
        self._processes: dict[str, Process] = {}
        self.admins = {name: SiteAdmin(folder, name, 10.0) for name in HOSTS}
        self._cmdlets = {
            name: SocketBackend(admin.powershell_socket) for name, admin in self.admins.items()
        }

    async def start(self, site: str) -> None:
        """Give a site its power and wait until it has booted."""
        self._processes[site] = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "deploy.lab.site",
            f"--state={self._folder}",
            f"--site={site}",
            "--speed=30",
            f"--topology={self._topology}",
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        await self.until(self.admins[site].is_up, f"{site} boots")

    async def kill(self, site: str) -> None:
        """Take its power."""
        process = self._processes.pop(site)
        process.kill()
        await process.wait()

    async def close(self) -> None:
        for backend in self._cmdlets.values():
            await backend.aclose()
        for process in self._processes.values():
            process.kill()
            await process.wait()

    async def do(self, site: str, cmdlet: str, /, **parameters: Value) -> None:
        """Run a cmdlet on the site's host.

        Raises:
            RefusedError: It failed, or its answer was lost.
        """
        call = Invocation(cmdlet, {"ComputerName": [HOSTS[site]], **parameters})
        result = await self._cmdlets[site].invoke(call)
        if result.errors:
            raise RefusedError(f"{cmdlet} at {site}: {result.errors[0].message}")

    async def machine(self, site: str) -> MachineStatus | None:
        """The machine's copy there; None when it has none.

        Raises:
            SiteDownError: The site has no power.
        """
        machines = await asyncio.to_thread(self.admins[site].machines)
        return next((each for each in machines if each.name == MACHINE), None)

    async def configure(self, site: str) -> None:
        """Make its host a replica server for any other."""
        await self.do(
            site,
            "Set-VMReplicationServer",
            ReplicationEnabled=True,
            AllowedAuthenticationType=EnumValue("RecoveryAuthenticationType", "Kerberos", 1),
            ReplicationAllowedFromAnyServer=True,
            KerberosAuthenticationPort=PORT,
            DefaultStorageLocation=r"D:\VMs",
        )
        call = Invocation(
            "Enable-OsrReplicationFirewallRule", {"ComputerName": HOSTS[site], "Port": PORT}
        )
        await self._cmdlets[site].invoke(call)

    @staticmethod
    async def until(condition: Callable[[], bool], what: str) -> None:
        """Poll with a deadline.

        Raises:
            NeverError: It did not come true.
        """
        deadline = asyncio.get_running_loop().time() + LIMIT_SECONDS
        while not await asyncio.to_thread(_true, condition):
            if asyncio.get_running_loop().time() > deadline:
                raise NeverError(f"never: {what}")


def _true(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except SiteDownError:
        return False
