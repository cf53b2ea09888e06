"""Serving a site's cmdlets on its socket, with the faults that the lab was told to have."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from deploy.lab.invocation import ErrorRecord, Invocation, InvocationResult
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.faults import VanishedError
from deploy.lab.site.json_lines import HangUpError, Request
from deploy.lab.wire import decode_invocation, encode_result

if TYPE_CHECKING:
    from deploy.lab.site.site import Site

log = structlog.get_logger(__name__)

Dispatch = Callable[["Site", Invocation], Awaitable[InvocationResult]]


class InvocationService:
    """Turns a request of the PowerShell process into a cmdlet's work.

    Args:
        site: Where the cmdlets act.
        dispatch: Runs one bound cmdlet.
    """

    def __init__(self, site: Site, dispatch: Dispatch) -> None:
        self._site = site
        self._dispatch = dispatch

    async def handle(self, request: Request) -> Request:
        """Raises HangUpError when a fault says that the answer is lost."""
        call = decode_invocation(request["invocation"])
        began = time.monotonic()

        async def work() -> InvocationResult:
            return await self._dispatch(self._site, call)

        if self._site.faults.powershell_down:
            raise HangUpError
        try:
            self._check_vmm(call)
            result = await self._site.faults.around(
                call.cmdlet, self._site.clock, work, InvocationResult()
            )
        except VanishedError as error:
            raise HangUpError from error
        except HyperVError as error:
            result = InvocationResult(errors=(_record(call, error),))
        log.info(
            "cmdlet.finished",
            site=self._site.name,
            cmdlet=call.cmdlet,
            command_id=call.command_id,
            errors=len(result.errors),
            seconds=round(time.monotonic() - began, 4),
        )
        return {"result": encode_result(result)}

    def _check_vmm(self, call: Invocation) -> None:
        """While the VMM service is down its own cmdlets fail; those of hosts do not need it."""
        if self._site.faults.vmm_down and call.cmdlet.partition("-")[2].lower().startswith("sc"):
            server = self._site.vmm.server.fqdn
            raise HyperVError(
                "1602",
                "ReadError",
                f"Unable to connect to the VMM management server {server}. The Virtual Machine "
                "Manager service on that server did not respond. (Error ID: 1602)",
                "Microsoft.VirtualManager.Utils.CarmineException",
                server,
            )


def _record(call: Invocation, error: HyperVError) -> ErrorRecord:
    verb_noun = call.cmdlet.replace("-", "")
    return ErrorRecord(
        error_id=error.error_id,
        category=error.category,
        message=error.message,
        exception_type=error.exception_type,
        target_name=error.target,
        activity=call.cmdlet,
        command_class=f"Microsoft.HyperV.PowerShell.Commands.{verb_noun}",
    )
