"""Which updates a host lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.powershell.cmdlet import cmdlet, select
from agent.verbs.context import VerbContext


async def missing_updates(
    context: VerbContext, hosts: Sequence[str], updates: Sequence[str]
) -> list[str]:
    """Wanted updates that Windows does not list, as "KB2961977 on hv1.contoso.com".

    An update that came inside a later roll-up is not listed either, so what is missing here is
    worth telling and no reason to refuse.

    Source: Get-HotFix.
    """
    if not updates:
        return []
    installed = await asyncio.gather(*(_installed(context, host) for host in hosts))
    return [
        f"{update} on {host}"
        for host, found in zip(hosts, installed, strict=True)
        for update in updates
        if update.upper() not in found
    ]


async def _installed(context: VerbContext, host: str) -> set[str]:
    found = await context.reader.run(
        cmdlet("Get-HotFix", ComputerName=host),
        select("HotFixID"),
        time_limit_seconds=context.read_seconds(),
    )
    return {(record.optional_text("HotFixID") or "").upper() for record in found}
