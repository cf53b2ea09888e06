"""The command that takes back what a pairing configured on a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opensiterecovery.provider.v1.command_pb2 import (
    HostReplication,
    RemoveHostReplication,
    ReplicationAuthorization,
)

from agent.powershell.cmdlet import Value, cmdlet
from agent.verbs.act import Goal, reach
from agent.verbs.authorizations import differing, set_authorizations
from agent.verbs.certificate_removal import (
    present_certificates,
    remove_certificate,
    replicating_with,
)
from agent.verbs.context import VerbContext
from agent.verbs.firewall import close_firewall
from agent.verbs.replication_server import (
    ReplicationServer,
    read_replication_server,
    to_message,
)


@dataclass(frozen=True)
class _Leftovers:
    """What of the pairing is still on the host.

    Attributes:
        passed_on: Entries that stay for another pairing and do not have its values yet.
        certificates: By node, those to remove that are there.
    """

    server: ReplicationServer
    authorizations: tuple[ReplicationAuthorization, ...]
    passed_on: tuple[ReplicationAuthorization, ...]
    enabled: bool
    certificates: Mapping[str, tuple[str, ...]]

    @property
    def any(self) -> bool:
        return bool(
            self.authorizations or self.passed_on or self.enabled or any(self.certificates.values())
        )

    def __str__(self) -> str:
        certificates = any(self.certificates.values())
        return (
            f"{len(self.authorizations)} authorizations left,"
            f" {len(self.passed_on)} to pass on,"
            f" receiving {'not yet' if self.enabled else 'as wanted'} ended,"
            f" certificates {'still there' if certificates else 'as wanted'}"
        )


async def remove_host_replication(
    request: RemoveHostReplication, context: VerbContext
) -> HostReplication:
    """Removes one pairing's authorizations, and the rest when nobody else needs it.

    Entries that other pairings need pass to their trust groups. Entries that others made stay, and
    then the host goes on receiving with its certificate and its open port. A certificate that a
    machine still replicates by stays too: taking it away would stop that replication.

    Idempotent: what is gone already is not removed again.

    Raises:
        CommandError: The host refuses.

    Source: Remove-VMReplicationAuthorizationEntry, Set-VMReplicationServer.
    """

    async def act(left: _Leftovers) -> None:
        await set_authorizations(context, request.host, left.passed_on, left.server)
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
        for node, thumbprints in left.certificates.items():
            for thumbprint in thumbprints:
                await remove_certificate(context, node, thumbprint)

    goal = Goal(
        action="Remove-VMReplicationAuthorizationEntry",
        expected="nothing left of the pairing",
        observe=lambda: _look(context, request),
        reached=lambda left: not left.any,
        describe=str,
    )
    server = (await reach(context, goal, act)).server
    if request.closed_port and _ends(request, server):
        for node in _nodes(request):
            await close_firewall(context, node, request.closed_port)
    return to_message(server)


async def _run(context: VerbContext, name: str, host: str, **parameters: Value) -> None:
    await context.powershell.run(
        cmdlet(name, ComputerName=host, **parameters),
        time_limit_seconds=context.action_seconds(),
    )


async def _look(context: VerbContext, request: RemoveHostReplication) -> _Leftovers:
    server = await read_replication_server(context, request.host)
    ends = _ends(request, server)
    gone = {request.certificate_thumbprint, *request.superseded_thumbprints} - {""}
    thumbprints = {thumbprint.upper() for thumbprint in gone} if ends else set()
    return _Leftovers(
        server=server,
        authorizations=_own(request, server),
        passed_on=differing(request.kept_authorizations, server),
        enabled=ends and server.replication_enabled,
        certificates={
            node: await _unused_certificates(context, node, thumbprints) for node in _nodes(request)
        },
    )


async def _unused_certificates(
    context: VerbContext, node: str, thumbprints: set[str]
) -> tuple[str, ...]:
    present = await present_certificates(context, node, thumbprints)
    if not present:
        return ()
    used = {thumbprint for _, thumbprint in await replicating_with(context, node)}
    return tuple(each for each in present if each not in used)


def _own(
    request: RemoveHostReplication, server: ReplicationServer
) -> tuple[ReplicationAuthorization, ...]:
    """Entries of the pairing that nobody else needs."""
    groups = {request.trust_group, *request.trust_groups}
    kept = {name.casefold() for name in request.kept_primary_servers}
    kept |= {entry.allowed_primary_server.casefold() for entry in request.kept_authorizations}
    return tuple(
        entry
        for entry in server.authorizations
        if entry.trust_group in groups and entry.allowed_primary_server.casefold() not in kept
    )


def _ends(request: RemoveHostReplication, server: ReplicationServer) -> bool:
    """Whether the host is to receive no longer: entries that others made keep it receiving."""
    others = len(server.authorizations) > len(_own(request, server))
    return request.disable and not others and not server.allowed_from_any_server


def _nodes(request: RemoveHostReplication) -> tuple[str, ...]:
    return tuple(request.nodes) or (request.host,)
