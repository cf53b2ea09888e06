"""The command that takes back what a pairing configured on a host."""

from __future__ import annotations

from dataclasses import dataclass

from opensiterecovery.provider.v1.command_pb2 import (
    HostReplication,
    RemoveHostReplication,
    ReplicationAuthorization,
)

from agent.powershell.cmdlet import cmdlet, select
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext
from agent.verbs.replication_server import (
    ReplicationServer,
    read_replication_server,
    to_message,
)


@dataclass(frozen=True)
class _Leftovers:
    """What of the pairing is still on the host."""

    server: ReplicationServer
    authorizations: tuple[ReplicationAuthorization, ...]
    enabled: bool
    certificate: bool

    def __str__(self) -> str:
        return (
            f"{len(self.authorizations)} authorizations left,"
            f" receiving {'not yet' if self.enabled else 'as wanted'} ended,"
            f" certificate {'still there' if self.certificate else 'as wanted'}"
        )


async def remove_host_replication(
    request: RemoveHostReplication, context: VerbContext
) -> HostReplication:
    """Removes one pairing's authorizations, and the rest when nobody else needs it.

    Entries that others made stay, and then the host goes on receiving with its certificate. The
    firewall rule stays: it may be the built-in one of another port's user, and without a
    listener it lets nothing in.

    Idempotent: what is gone already is not removed again.

    Raises:
        CommandError: The host refuses.

    Source: Remove-VMReplicationAuthorizationEntry, Set-VMReplicationServer.
    """

    async def act(left: _Leftovers) -> None:
        for entry in left.authorizations:
            await _run(
                context,
                "Remove-VMReplicationAuthorizationEntry",
                request.host,
                AllowedPrimaryServer=entry.allowed_primary_server,
                Confirm=False,
            )
        if left.enabled:
            await _run(
                context,
                "Set-VMReplicationServer",
                request.host,
                ReplicationEnabled=False,
                Force=True,
                Confirm=False,
            )
        if left.certificate:
            await _run(
                context,
                "Remove-OsrReplicationCertificate",
                request.host,
                Thumbprint=request.certificate_thumbprint,
            )

    goal = Goal(
        action="Remove-VMReplicationAuthorizationEntry",
        expected="nothing left of the pairing",
        observe=lambda: _look(context, request),
        reached=lambda left: not (left.authorizations or left.enabled or left.certificate),
        describe=str,
    )
    return to_message((await reach(context, goal, act)).server)


async def _run(context: VerbContext, name: str, host: str, **parameters: str | bool) -> None:
    await context.powershell.run(
        cmdlet(name, ComputerName=host, **parameters),
        time_limit_seconds=context.action_seconds(),
    )


async def _look(context: VerbContext, request: RemoveHostReplication) -> _Leftovers:
    server = await read_replication_server(context, request.host)
    kept = {name.casefold() for name in request.kept_primary_servers}
    ours = tuple(
        entry
        for entry in server.authorizations
        if entry.trust_group == request.trust_group
        and entry.allowed_primary_server.casefold() not in kept
    )
    others = len(server.authorizations) > len(ours) or server.allowed_from_any_server
    ends = request.disable and not others
    return _Leftovers(
        server=server,
        authorizations=ours,
        enabled=ends and server.replication_enabled,
        certificate=ends and await _installed(context, request),
    )


async def _installed(context: VerbContext, request: RemoveHostReplication) -> bool:
    if not request.certificate_thumbprint:
        return False
    found = await context.reader.run(
        cmdlet("Get-OsrReplicationCertificate", ComputerName=request.host),
        select("Thumbprint"),
        time_limit_seconds=context.read_seconds(),
    )
    wanted = request.certificate_thumbprint.upper()
    return any(record.text("Thumbprint").upper() == wanted for record in found)
