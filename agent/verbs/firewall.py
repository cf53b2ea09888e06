"""The product's firewall rule for a replication port on a host."""

from __future__ import annotations

from agent.powershell.cmdlet import cmdlet
from agent.verbs.context import VerbContext


async def open_firewall(context: VerbContext, host: str, port: int) -> None:
    """Lets the host receive on the port. Idempotent."""
    await context.powershell.run(
        cmdlet("Enable-OsrReplicationFirewallRule", ComputerName=host, Port=port),
        time_limit_seconds=context.action_seconds(),
    )


async def close_firewall(context: VerbContext, host: str, port: int) -> None:
    """Removes the product's own rule for the port; rules of others stay. Idempotent."""
    await context.powershell.run(
        cmdlet("Remove-OsrReplicationFirewallRule", ComputerName=host, Port=port),
        time_limit_seconds=context.action_seconds(),
    )
