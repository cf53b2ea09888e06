"""Authorization entries of a replica server: what differs from what is wanted, and setting it."""

from __future__ import annotations

from collections.abc import Iterable

from opensiterecovery.provider.v1.command_pb2 import ReplicationAuthorization

from agent.powershell.cmdlet import cmdlet
from agent.verbs.context import VerbContext
from agent.verbs.replication_server import ReplicationServer, same_path


def differing(
    wanted: Iterable[ReplicationAuthorization], server: ReplicationServer
) -> tuple[ReplicationAuthorization, ...]:
    """Wanted entries that the host lacks or has with other values."""
    present = {entry.allowed_primary_server.casefold(): entry for entry in server.authorizations}
    return tuple(
        entry
        for entry in wanted
        if not _same_entry(entry, present.get(entry.allowed_primary_server.casefold()))
    )


async def set_authorizations(
    context: VerbContext,
    host: str,
    entries: Iterable[ReplicationAuthorization],
    server: ReplicationServer,
) -> None:
    """Makes or changes entries on the host, given what it has now."""
    known = {entry.allowed_primary_server.casefold() for entry in server.authorizations}
    for entry in entries:
        exists = entry.allowed_primary_server.casefold() in known
        name = (
            "Set-VMReplicationAuthorizationEntry"
            if exists
            else "New-VMReplicationAuthorizationEntry"
        )
        await context.powershell.run(
            cmdlet(
                name,
                ComputerName=host,
                AllowedPrimaryServer=entry.allowed_primary_server,
                ReplicaStorageLocation=entry.replica_storage_location,
                TrustGroup=entry.trust_group,
                Confirm=False,
            ),
            time_limit_seconds=context.action_seconds(),
        )


def _same_entry(wanted: ReplicationAuthorization, present: ReplicationAuthorization | None) -> bool:
    return (
        present is not None
        and same_path(present.replica_storage_location, wanted.replica_storage_location)
        and present.trust_group == wanted.trust_group
    )
