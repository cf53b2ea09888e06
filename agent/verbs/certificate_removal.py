"""The command that removes certificates which others took the place of."""

from __future__ import annotations

from dataclasses import dataclass

from opensiterecovery.provider.v1.failure_pb2 import Failure
from opensiterecovery.provider.v1.host_pb2 import HostCertificatesRemoved, RemoveHostCertificates

from agent.failures import failure
from agent.powershell.cmdlet import cmdlet, select
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext


@dataclass(frozen=True)
class _Found:
    """Which of the certificates are there, and what uses one of them."""

    present: tuple[str, ...]
    users: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.present)} of the certificates still there"


async def remove_host_certificates(
    request: RemoveHostCertificates, context: VerbContext
) -> HostCertificatesRemoved:
    """Removes certificates from the host's store, once nothing names them any more.

    Idempotent: what is gone already is not removed again.

    Raises:
        CommandError: The host's listener or a machine's replication still uses one of them.
    """
    wanted = {thumbprint.upper() for thumbprint in request.thumbprints}

    async def act(found: _Found) -> None:
        for thumbprint in found.present:
            await remove_certificate(context, request.host, thumbprint)

    goal = Goal(
        action="Remove-OsrReplicationCertificate",
        expected="none of the certificates left",
        observe=lambda: _look(context, request.host, wanted),
        reached=lambda found: not found.present,
        describe=str,
        refuse=lambda found: _refusal(request.host, found),
    )
    await reach(context, goal, act)
    return HostCertificatesRemoved(host=request.host)


async def present_certificates(
    context: VerbContext, host: str, thumbprints: set[str]
) -> tuple[str, ...]:
    """Those of the certificates (upper-case SHA-1) that are in the host's store."""
    if not thumbprints:
        return ()
    found = await context.reader.run(
        cmdlet("Get-OsrReplicationCertificate", ComputerName=host),
        select("Thumbprint"),
        time_limit_seconds=context.read_seconds(),
    )
    return tuple(
        thumbprint
        for record in found
        if (thumbprint := record.text("Thumbprint").upper()) in thumbprints
    )


async def remove_certificate(context: VerbContext, host: str, thumbprint: str) -> None:
    """Removes one certificate with its key; the caller has seen that it is there."""
    await context.powershell.run(
        cmdlet("Remove-OsrReplicationCertificate", ComputerName=host, Thumbprint=thumbprint),
        time_limit_seconds=context.action_seconds(),
    )


async def _look(context: VerbContext, host: str, wanted: set[str]) -> _Found:
    present = await present_certificates(context, host, wanted)
    return _Found(present, await _users(context, host, set(present)) if present else ())


async def _users(context: VerbContext, host: str, thumbprints: set[str]) -> tuple[str, ...]:
    """What of the host uses one of the certificates: its listener, its machines by name."""
    servers = await context.reader.run(
        cmdlet("Get-VMReplicationServer", ComputerName=host),
        select("ReplicationEnabled", "CertificateThumbprint"),
        time_limit_seconds=context.read_seconds(),
    )
    users = [
        "the replication listener"
        for server in servers
        if server.boolean("ReplicationEnabled")
        and (server.optional_text("CertificateThumbprint") or "").upper() in thumbprints
    ]
    machines = await replicating_with(context, host)
    return (*users, *(name for name, thumbprint in machines if thumbprint in thumbprints))


async def replicating_with(context: VerbContext, host: str) -> list[tuple[str, str]]:
    """Names of the host's machines, each with the certificate it replicates by (upper case)."""
    machines = await context.reader.run(
        cmdlet("Get-VMReplication", ComputerName=host),
        select("VMName", "CertificateThumbprint"),
        time_limit_seconds=context.read_seconds(),
    )
    return [
        (machine.text("VMName"), (machine.optional_text("CertificateThumbprint") or "").upper())
        for machine in machines
    ]


def _refusal(host: str, found: _Found) -> Failure | None:
    if not found.users:
        return None
    return failure(
        "CertificateInUse",
        f"A certificate on {host} that was to be removed is still used by"
        f" {', '.join(found.users[:10])}.",
        [
            "A machine's replication could not be changed, or was set up meanwhile.",
            "A machine was failed over and its replication is not reversed yet.",
        ],
        "Bring these machines' replication back to normal; the certificate is removed later by"
        " itself.",
        transient=True,
    )
