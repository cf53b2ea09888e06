"""A site in the test's process with the faults that it was told to have."""

from __future__ import annotations

import asyncio

from deploy.lab.cmdlets.registry import run_cmdlet
from deploy.lab.invocation import ErrorRecord, Invocation, InvocationResult
from deploy.lab.site.invocations import InvocationService
from deploy.lab.site.json_lines import HangUpError
from deploy.lab.site.site import Site
from deploy.lab.wire import decode_result, encode_invocation


class FaultyBackend:
    """As `SiteBackend`, by way of what the site's daemon does with an invocation."""

    def __init__(self, site: Site) -> None:
        self._service = InvocationService(site, run_cmdlet)
        self._working: set[asyncio.Task[InvocationResult]] = set()

    async def invoke(self, call: Invocation) -> InvocationResult:
        """Runs the cmdlet. What a host has begun goes on when the pipeline is stopped."""
        work = asyncio.create_task(self._run(call), name=f"cmdlet {call.cmdlet}")
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        return await asyncio.shield(work)

    async def _run(self, call: Invocation) -> InvocationResult:
        try:
            answer = await self._service.handle({"invocation": encode_invocation(call)})
        except HangUpError:
            return InvocationResult(errors=(_connection_lost(call),))
        return decode_result(answer["result"])


def _connection_lost(call: Invocation) -> ErrorRecord:
    return ErrorRecord(
        error_id="ConnectionFailed",
        category="ConnectionError",
        message="The server could not be reached. The connection to the server was lost.",
        exception_type="System.Management.Automation.Remoting.PSRemotingTransportException",
        activity=call.cmdlet,
        terminating=True,
    )
