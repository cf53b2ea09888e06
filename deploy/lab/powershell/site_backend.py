"""A site in the same process as the PowerShell that drives it, for benchmarks and tests."""

import asyncio

from deploy.lab.cmdlets.registry import run_cmdlet
from deploy.lab.invocation import Invocation, InvocationResult
from deploy.lab.site.site import Site


class SiteBackend:
    """Carries out bound cmdlets on a site of this process."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._working: set[asyncio.Task[InvocationResult]] = set()

    async def invoke(self, call: Invocation) -> InvocationResult:
        """Runs the cmdlet. What a host has begun goes on when the pipeline is stopped."""
        work = asyncio.create_task(run_cmdlet(self._site, call), name=f"cmdlet {call.cmdlet}")
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        return await asyncio.shield(work)
