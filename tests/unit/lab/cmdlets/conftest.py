"""Two small sites in one process, driven through PowerShell only."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from psrpcore.types import PSSecureString

from deploy.lab.powershell.site_backend import SiteBackend
from deploy.lab.site.clock import SiteClock
from deploy.lab.site.environment import Environment
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.site import Site
from deploy.lab.site.topology import parse_topology

if TYPE_CHECKING:
    from tests.unit.lab.conftest import Client, Connect, Outcome, Step

TOPOLOGY = r"""
[guest]
interval_seconds = 0.05
block_bytes = 4096
[[sites]]
name = "East"
vmm_server = "vmm-east.contoso.com"
logical_networks = ["LN"]
storage_classifications = [{ name = "GOLD" }]
volumes = [{ path = 'C:\ClusterStorage\V1', classification = "GOLD" }]
[[sites.vm_networks]]
name = "VMN"
logical_network = "LN"
subnets = [{ name = "S", subnet = "10.0.0.0/24" }]
[[sites.clouds]]
name = "CloudE"
hosts = ["hv-e1.contoso.com"]
logical_networks = ["LN"]
storage_classifications = ["GOLD"]
[[sites.clouds.vms]]
name = "App"
host = "hv-e1.contoso.com"
networks = [{ network = "VMN", subnet = "S" }]
disks = [{ path = 'C:\ClusterStorage\V1', mib = 3 }]
[[sites]]
name = "West"
vmm_server = "vmm-west.contoso.com"
volumes = [{ path = 'C:\ClusterStorage\T1' }]
[[sites.clouds]]
name = "CloudW"
hosts = ["hv-w1.contoso.com"]
"""
PASSWORD = "of-the-test"
EAST = "hv-e1.contoso.com"
WEST = "hv-w1.contoso.com"
PORT = 8084


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Authority:
    """Makes the certificates of the test's hosts."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("Test Root")

    def _builder(self, common_name: str) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_named(common_name))
            .issuer_name(self._name)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
        )

    def root(self) -> bytes:
        builder = self._builder("Test Root").public_key(self._key.public_key())
        usage = x509.BasicConstraints(ca=True, path_length=0)
        certificate = builder.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.DER)

    def pfx(self, fqdn: str) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        usages = x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        )
        names = x509.SubjectAlternativeName([x509.DNSName(fqdn)])
        builder = self._builder(fqdn).public_key(key.public_key())
        certificate = (
            builder.add_extension(names, critical=False)
            .add_extension(usages, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return pkcs12.serialize_key_and_certificates(
            b"replication", key, certificate, None, BestAvailableEncryption(PASSWORD.encode())
        )


@dataclass
class Shell:
    """PowerShell on the VMM server of one site."""

    site: Site
    client: Client

    async def run(self, *steps: Step) -> Outcome:
        return await self.client.run(*steps)

    async def objects(self, *steps: Step) -> list[Any]:
        """The output of a pipeline that must succeed."""
        outcome = await self.client.run(*steps)
        problems = [str(error) for error in outcome.errors] + [str(outcome.reason or "")]
        assert not any(problems), problems
        return outcome.output

    def effects(self) -> list[str]:
        return [each.effect for each in self.site.effects.read()]


MakeShell = Callable[[str], Awaitable[Shell]]


@pytest.fixture
async def shell(tmp_path: Path, connect: Connect) -> AsyncIterator[MakeShell]:
    """Boots a site by name and gives its PowerShell."""
    shells: list[Shell] = []

    async def make(name: str) -> Shell:
        environment = Environment(
            state_dir=tmp_path,
            clock=SiteClock(10.0),
            random=random.Random(name),
            connect_timeout_seconds=2.0,
        )
        site = open_site(parse_topology(TOPOLOGY), name, environment)
        await boot(site)
        client = await connect(SiteBackend(site), 2)
        client.pool.exchange_key()
        client.flush()
        shells.append(Shell(site, client))
        return shells[-1]

    yield make
    for each in shells:
        await shut_down(each.site)


@pytest.fixture
async def east(shell: MakeShell) -> Shell:
    return await shell("East")


@pytest.fixture
async def west(shell: MakeShell) -> Shell:
    return await shell("West")


@pytest.fixture
async def pair(east: Shell, west: Shell, step: Any) -> tuple[Shell, Shell]:
    """Both hosts have certificates and receive from each other; nothing replicates."""
    authority = Authority()
    for shell, host, other in ((east, EAST, WEST), (west, WEST, EAST)):
        [certificate] = await shell.objects(
            step(
                "Install-OsrReplicationCertificate",
                ComputerName=host,
                Pfx=authority.pfx(host),
                Password=PSSecureString(PASSWORD),
                Root=authority.root(),
            )
        )
        await shell.objects(
            step(
                "Set-VMReplicationServer",
                ComputerName=host,
                ReplicationEnabled=True,
                AllowedAuthenticationType="Certificate",
                CertificateThumbprint=str(certificate.Thumbprint),
                CertificateAuthenticationPort=PORT,
                ReplicationAllowedFromAnyServer=False,
                Confirm=False,
            ),
        )
        await shell.objects(
            step(
                "New-VMReplicationAuthorizationEntry",
                other,
                r"C:\Replicas",
                "trusted",
                ComputerName=host,
            )
        )
        await shell.objects(step("Enable-OsrReplicationFirewallRule", ComputerName=host, Port=PORT))
    return east, west
