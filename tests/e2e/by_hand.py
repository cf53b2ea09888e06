"""What an administrator of a site does by hand, in the lab's PowerShell."""

from __future__ import annotations

import asyncio
import sys

from agent.powershell.cmdlet import Cmdlet
from agent.powershell.pool import NO_COMMAND, PowerShellPool
from agent.powershell.records import PSRecord
from deploy.lab.control.sites import Sites

LIMIT_SECONDS = 60.0


def by_hand(sites: Sites, site: str, *pipeline: Cmdlet) -> list[PSRecord]:
    """Runs one pipeline in a PowerShell of its own on a site's VMM server."""

    async def run() -> list[PSRecord]:
        socket = sites.admin(site).powershell_socket
        command = (sys.executable, "-m", "deploy.lab.powershell", f"--site-socket={socket}", "-s")
        pool = PowerShellPool(command, max_runspaces=1)
        try:
            powershell = pool.for_command(NO_COMMAND)
            return await powershell.run(*pipeline, time_limit_seconds=LIMIT_SECONDS)
        finally:
            await pool.close()

    return asyncio.run(run())
