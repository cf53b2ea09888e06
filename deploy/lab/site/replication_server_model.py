"""The records of a host, or of a cluster of hosts, as replication server."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class AuthenticationType(StrEnum):
    """What a replication server accepts."""

    KERBEROS = "Kerberos"
    CERTIFICATE = "Certificate"
    CERTIFICATE_AND_KERBEROS = "CertificateAndKerberos"


@dataclass(kw_only=True)
class AuthorizationEntry:
    allowed_primary_server: str
    replica_storage_location: str
    trust_group: str


@dataclass(kw_only=True)
class ReplicationServer:
    """A host's receiver settings; operational_status is "Ok" or "Error" (a listener is down)."""

    enabled: bool = False
    authentication: AuthenticationType | None = None
    kerberos_port: int = 80
    certificate_port: int = 443
    certificate_thumbprint: str = ""
    default_storage_location: str = ""
    allow_any_server: bool = False
    authorization_entries: list[AuthorizationEntry] = field(default_factory=list)
    monitoring_interval: timedelta = timedelta(hours=12)
    monitoring_start: timedelta = timedelta(hours=9)
    operational_status: str = "Ok"
    status_descriptions: list[str] = field(default_factory=list)
