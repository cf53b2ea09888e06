"""How a host receives replication: what it is, and what differs from what is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from opensiterecovery.provider.v1.command_pb2 import (
    AUTHENTICATION_TYPE_CERTIFICATE,
    AUTHENTICATION_TYPE_KERBEROS,
    AUTHENTICATION_TYPE_UNSPECIFIED,
    AuthenticationType,
    ConfigureReplicationServer,
    HostReplication,
    ReplicationAuthorization,
)

from agent.powershell.cmdlet import Value, cmdlet, select
from agent.powershell.records import PSRecord
from agent.verbs.context import VerbContext
from agent.verbs.relationship import authentication_name

BOTH = "CertificateAndKerberos"

_SERVER_PROPERTIES = (
    "ReplicationEnabled",
    "AllowedAuthenticationType",
    "KerberosAuthenticationPort",
    "CertificateAuthenticationPort",
    "CertificateThumbprint",
    "DefaultStorageLocation",
    "ReplicationAllowedFromAnyServer",
    "OperationalStatus",
)


@dataclass(frozen=True)
class ReplicationServer:
    """Get-VMReplicationServer, Get-VMReplicationAuthorizationEntry and Get-VMHost of one host."""

    host: str
    replication_enabled: bool
    authentication: str
    """Name of the RecoveryAuthenticationType; empty when it was never set."""
    kerberos_port: int
    certificate_port: int
    certificate_thumbprint: str
    default_storage_location: str
    allowed_from_any_server: bool
    operational_status: str
    authorizations: tuple[ReplicationAuthorization, ...]
    virtual_hard_disk_path: str

    def accepts(self, authentication: str) -> bool:
        return self.replication_enabled and self.authentication in (authentication, BOTH)

    def port_of(self, authentication: str) -> int:
        return self.kerberos_port if authentication == "Kerberos" else self.certificate_port


async def read_replication_server(context: VerbContext, host: str) -> ReplicationServer:
    """Asks the host.

    Raises:
        PowerShellError: It could not be asked.
    """
    [server] = await context.reader.run(
        cmdlet("Get-VMReplicationServer", ComputerName=host),
        select(*_SERVER_PROPERTIES),
        time_limit_seconds=context.read_seconds(),
    )
    entries = await context.reader.run(
        cmdlet("Get-VMReplicationAuthorizationEntry", ComputerName=host),
        select("AllowedPrimaryServer", "ReplicaStorageLocation", "TrustGroup"),
        time_limit_seconds=context.read_seconds(),
    )
    [settings] = await context.reader.run(
        cmdlet("Get-VMHost", ComputerName=host),
        select("VirtualHardDiskPath"),
        time_limit_seconds=context.read_seconds(),
    )
    return _replication_server(host, server, entries, settings)


def server_changes(
    wanted: ConfigureReplicationServer, server: ReplicationServer
) -> dict[str, Value]:
    """Parameters of Set-VMReplicationServer that make the host as wanted; empty when it is."""
    authentication = authentication_name(wanted.authentication_type)
    changes: dict[str, Value] = {}
    if not server.replication_enabled:
        changes["ReplicationEnabled"] = True
    if not server.accepts(authentication):
        in_use = server.replication_enabled and server.authentication
        changes["AllowedAuthenticationType"] = BOTH if in_use else authentication
    if server.port_of(authentication) != wanted.port:
        changes[f"{authentication}AuthenticationPort"] = wanted.port
    if authentication == "Certificate" and (
        server.certificate_thumbprint.upper() != wanted.certificate_thumbprint.upper()
    ):
        changes["CertificateThumbprint"] = wanted.certificate_thumbprint
    if wanted.default_storage_location and not same_path(
        server.default_storage_location, wanted.default_storage_location
    ):
        changes["DefaultStorageLocation"] = wanted.default_storage_location
    # Entries count only when not everybody is allowed.
    if server.allowed_from_any_server:
        changes["ReplicationAllowedFromAnyServer"] = False
    return _complete(changes, authentication, wanted)


def to_message(
    server: ReplicationServer,
    preferred: AuthenticationType.ValueType = AUTHENTICATION_TYPE_CERTIFICATE,
) -> HostReplication:
    """As the protocol shows it; of two kinds of authentication the preferred one is told."""
    authentication = _told_authentication(server, preferred)
    certificate = authentication == AUTHENTICATION_TYPE_CERTIFICATE
    port = server.certificate_port if certificate else server.kerberos_port
    return HostReplication(
        host=server.host,
        replication_enabled=server.replication_enabled,
        authentication_type=authentication,
        port=0 if authentication == AUTHENTICATION_TYPE_UNSPECIFIED else port,
        certificate_thumbprint=server.certificate_thumbprint if certificate else "",
        default_storage_location=server.default_storage_location,
        authorizations=server.authorizations,
        operational_status=server.operational_status,
        virtual_hard_disk_path=server.virtual_hard_disk_path,
    )


def same_path(one: str, other: str) -> bool:
    """True for the same Windows path."""
    return one.rstrip("\\").casefold() == other.rstrip("\\").casefold()


def _complete(
    changes: dict[str, Value], authentication: str, wanted: ConfigureReplicationServer
) -> dict[str, Value]:
    """Adds what Set-VMReplicationServer needs together with a new kind of authentication."""
    if "AllowedAuthenticationType" in changes:
        changes[f"{authentication}AuthenticationPort"] = wanted.port
        if authentication == "Certificate":
            changes["CertificateThumbprint"] = wanted.certificate_thumbprint
    return changes


def _told_authentication(
    server: ReplicationServer, preferred: AuthenticationType.ValueType
) -> AuthenticationType.ValueType:
    if server.authentication == BOTH:
        return preferred
    return {
        "Kerberos": AUTHENTICATION_TYPE_KERBEROS,
        "Certificate": AUTHENTICATION_TYPE_CERTIFICATE,
    }.get(server.authentication, AUTHENTICATION_TYPE_UNSPECIFIED)


def _replication_server(
    host: str, server: PSRecord, entries: list[PSRecord], settings: PSRecord
) -> ReplicationServer:
    status = server.strings("OperationalStatus")
    return ReplicationServer(
        host=host,
        replication_enabled=server.boolean("ReplicationEnabled"),
        authentication=server.optional_enum_name("AllowedAuthenticationType") or "",
        kerberos_port=server.optional_integer("KerberosAuthenticationPort") or 0,
        certificate_port=server.optional_integer("CertificateAuthenticationPort") or 0,
        certificate_thumbprint=server.optional_text("CertificateThumbprint") or "",
        default_storage_location=server.optional_text("DefaultStorageLocation") or "",
        allowed_from_any_server=server.optional_boolean("ReplicationAllowedFromAnyServer") or False,
        operational_status=status[0] if status else "Unknown",
        authorizations=tuple(
            ReplicationAuthorization(
                allowed_primary_server=entry.text("AllowedPrimaryServer"),
                replica_storage_location=entry.optional_text("ReplicaStorageLocation") or "",
                trust_group=entry.optional_text("TrustGroup") or "",
            )
            for entry in entries
        ),
        virtual_hard_disk_path=settings.optional_text("VirtualHardDiskPath") or "",
    )
