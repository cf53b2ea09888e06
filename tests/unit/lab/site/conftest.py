"""Two small sites in one process, with certificates of one authority."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.lab.site.clock import SiteClock
from deploy.lab.site.environment import Environment
from deploy.lab.site.model import Host, VirtualMachine
from deploy.lab.site.power import boot, lose_power, open_site, shut_down
from deploy.lab.site.replication_model import (
    Authentication,
    Replication,
    ReplicationServerChanges,
    ReplicationSettings,
    ReplicationState,
)
from deploy.lab.site.replicator import send_now
from deploy.lab.site.site import Site
from deploy.lab.site.topology import parse_topology

TOPOLOGY = r"""
[guest]
interval_seconds = 0.01
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
disks = [{ path = 'C:\ClusterStorage\V1', mib = 3 }, { path = 'C:\ClusterStorage\V1', mib = 4 }]
[[sites]]
name = "West"
vmm_server = "vmm-west.contoso.com"
volumes = [{ path = 'C:\ClusterStorage\T1' }]
[[sites.clouds]]
name = "CloudW"
hosts = ["hv-w1.contoso.com"]
"""

PASSWORD = "of-the-test"
PORT = 8084


@dataclass
class Authority:
    """A certificate authority that can also make certificates that must not work."""

    name: str = "Test Root"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @cached_property
    def root(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def root_der(self) -> bytes:
        return self.root.public_bytes(serialization.Encoding.DER)

    def pfx(
        self,
        fqdn: str,
        *,
        days: int = 365,
        names: tuple[str, ...] = (),
        usages: tuple[x509.ObjectIdentifier, ...] = (
            ExtendedKeyUsageOID.CLIENT_AUTH,
            ExtendedKeyUsageOID.SERVER_AUTH,
        ),
    ) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        end = now + timedelta(days=days)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, fqdn)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, end) - timedelta(days=10))
            .not_valid_after(end)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(each) for each in names or (fqdn,)]),
                critical=False,
            )
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return pkcs12.serialize_key_and_certificates(
            b"replication", key, certificate, None, BestAvailableEncryption(PASSWORD.encode())
        )


async def until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Poll with a deadline; the test fails saying what never came true."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    pause = 0.01
    while not condition():
        if loop.time() > deadline:
            pytest.fail(f"never came true: {what}")
        await asyncio.sleep(pause)


class Lab:
    """East has one VM with two disks on one host; West has one empty host."""

    def __init__(self, state_dir: Path, speed: float) -> None:
        self.state_dir = state_dir
        self.speed = speed
        self.authority = Authority()
        self.sites: dict[str, Site] = {}
        self.thumbprints: dict[str, str] = {}

    def open(self, name: str) -> Site:
        environment = Environment(
            state_dir=self.state_dir,
            clock=SiteClock(self.speed),
            random=random.Random(name),
            connect_timeout_seconds=2.0,
        )
        self.sites[name] = open_site(parse_topology(TOPOLOGY), name, environment)
        return self.sites[name]

    async def boot(self, name: str) -> Site:
        site = self.open(name)
        await boot(site)
        return site

    async def lose_power(self, name: str) -> None:
        await lose_power(self.sites.pop(name))

    async def close(self) -> None:
        for site in list(self.sites.values()):
            await shut_down(site)

    @staticmethod
    async def until(condition: Callable[[], bool], what: str) -> None:
        await until(condition, what)

    @property
    def east(self) -> Site:
        return self.sites["East"]

    @property
    def west(self) -> Site:
        return self.sites["West"]

    @staticmethod
    def host(site: Site) -> Host:
        return site.hosts[0]

    @staticmethod
    def vm(site: Site) -> VirtualMachine:
        return site.vm(site.hosts[0], name="App")

    def replication(self, site: Site) -> Replication:
        replication = self.vm(site).replication
        assert replication is not None
        return replication

    def state(self, site: Site) -> str:
        """Mode and state, as "Primary Replicating"."""
        replication = self.replication(site)
        return f"{replication.mode} {replication.state}"

    async def certify(self, site: Site, authority: Authority | None = None) -> str:
        """Install a certificate of the host's own name, and the root, on the site's host."""
        host = self.host(site)
        pfx = (authority or self.authority).pfx(host.fqdn)
        root = self.authority.root_der()
        thumbprint = await site.install_certificate(host, pfx, PASSWORD, root, "c-cert")
        self.thumbprints[site.name] = thumbprint
        return thumbprint

    async def receive(self, site: Site) -> None:
        """Make the site's host a replica server for any server."""
        host = self.host(site)
        await site.set_replication_server(
            host,
            ReplicationServerChanges(
                enabled=True,
                authentication="Certificate",
                certificate_thumbprint=self.thumbprints[site.name],
                certificate_port=PORT,
                allow_any_server=True,
                default_storage_location=r"C:\Replicas",
            ),
            "c-server",
        )
        await site.open_firewall_port(host, PORT, "c-firewall")

    def settings(
        self, site: Site, other: Site, *, recovery_history: int = 0
    ) -> ReplicationSettings:
        return ReplicationSettings(
            replica_server=self.host(other).fqdn,
            port=PORT,
            authentication=Authentication.CERTIFICATE,
            certificate_thumbprint=self.thumbprints[site.name],
            frequency_seconds=30,
            recovery_history=recovery_history,
        )

    async def enable(self, *, recovery_history: int = 0) -> None:
        east = self.east
        settings = self.settings(east, self.west, recovery_history=recovery_history)
        await east.enable_replication(self.host(east), self.vm(east), settings, "c-enable")

    async def replicate(self, *, recovery_history: int = 0) -> None:
        """Enable App from East to West and wait until the first copy and one log are there."""
        await self.enable(recovery_history=recovery_history)
        east = self.east
        await east.start_initial_replication(self.host(east), self.vm(east), "c-ir")
        await self.in_state(self.west, ReplicationState.REPLICATING)
        await self.in_state(east, ReplicationState.REPLICATING)
        await self.cycle()

    async def in_state(self, site: Site, state: ReplicationState) -> None:
        def reached() -> bool:
            replication = self.vm(site).replication
            return replication is not None and replication.state is state

        await until(reached, f"{site.name} is {state}")

    async def cycle(self, source: Site | None = None) -> None:
        """Have one more log applied."""
        source = source or self.east
        vm = self.vm(source)
        assert vm.replication is not None
        before = vm.replication.log.sequence
        send_now(source, vm)

        def advanced() -> bool:
            if vm.replication is not None and vm.replication.log.failures:
                send_now(source, vm)  # without waiting for the time of the next attempt
            return vm.replication is not None and vm.replication.log.sequence > before

        await until(advanced, "one more log is acknowledged")

    def bytes_of(self, site: Site) -> list[bytes]:
        """Content of all disks of App, in order."""
        vm = self.vm(site)
        return [(site.folder / each.file).read_bytes() for each in vm.disks]


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """Both sites run, certified and receiving; nothing replicates."""
    lab = Lab(tmp_path, speed=10.0)
    for name in ("East", "West"):
        site = await lab.boot(name)
        await lab.certify(site)
        await lab.receive(site)
    yield lab
    await lab.close()
