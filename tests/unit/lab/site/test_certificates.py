from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from deploy.lab.site.certificates import CertificateStore
from deploy.lab.site.errors import HyperVError
from deploy.lab.site.replication_model import (
    Authentication,
    ReplicationHealth,
    ReplicationServerChanges,
    ReplicationState,
)
from deploy.lab.site.replicator import send_now
from deploy.lab.site.site import Site

if TYPE_CHECKING:
    from tests.unit.lab.site.conftest import Lab

PASSWORD = "of-the-test"
PORT = 8084


async def install(lab: Lab, site: Site, pfx: bytes, root: bytes | None = None) -> str:
    host = lab.host(site)
    return await site.install_certificate(
        host, pfx, PASSWORD, root or lab.authority.root_der(), "c-install"
    )


async def probe(lab: Lab, thumbprint: str, port: int = PORT) -> None:
    """Test-VMReplicationConnection from East to West."""
    await lab.east.test_replication_connection(
        lab.host(lab.east), lab.host(lab.west).fqdn, port, Authentication.CERTIFICATE, thumbprint
    )


async def serve_with(lab: Lab, thumbprint: str) -> None:
    """Let West's listener use a certificate that Set-VMReplicationServer would refuse."""
    lab.host(lab.west).replication_server.certificate_thumbprint = thumbprint
    await lab.west.listeners.refresh(lab.west, lab.host(lab.west))


async def test_good_certificates_connect(lab: Lab) -> None:
    await probe(lab, lab.thumbprints["East"])
    lab.east.links.cut("West")
    with pytest.raises(HyperVError, match="0x00002EFD"):
        await probe(lab, lab.thumbprints["East"])


@pytest.mark.parametrize("side", ["east", "west"])
async def test_a_host_that_asks_for_revocation_and_gets_no_answer_believes_nobody(
    lab: Lab, side: str
) -> None:
    site = getattr(lab, side)
    lab.host(site).revocation_check_disabled = False
    with pytest.raises(HyperVError, match=r"0x00002F8F|0x80092013"):
        await probe(lab, lab.thumbprints["East"])


async def test_a_wrong_port_cannot_connect(lab: Lab) -> None:
    with pytest.raises(HyperVError, match="0x00002EFD"):
        await probe(lab, lab.thumbprints["East"], 8099)


async def test_an_unknown_name_is_not_resolved(lab: Lab) -> None:
    with pytest.raises(HyperVError, match="0x00002EE7"):
        await lab.east.test_replication_connection(
            lab.host(lab.east),
            "nowhere.contoso.com",
            PORT,
            Authentication.CERTIFICATE,
            lab.thumbprints["East"],
        )


async def test_a_closed_firewall_cannot_be_connected_through(lab: Lab) -> None:
    west = lab.west
    await west.set_firewall_rule(lab.host(west), "OSR-Replica-8084-In-TCP", False, "c")
    with pytest.raises(HyperVError, match="0x00002EFD"):
        await probe(lab, lab.thumbprints["East"])


async def test_an_unknown_thumbprint_is_refused_before_connecting(lab: Lab) -> None:
    with pytest.raises(HyperVError, match="not found in the local"):
        await probe(lab, "00" * 20)


async def test_own_certificates_that_cannot_work_are_refused(lab: Lab) -> None:
    fqdn = lab.host(lab.east).fqdn
    expired = await install(lab, lab.east, lab.authority.pfx(fqdn, days=-1))
    with pytest.raises(HyperVError, match="expired"):
        await probe(lab, expired)
    one_usage = lab.authority.pfx(fqdn, usages=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    with pytest.raises(HyperVError, match="server authentication"):
        await probe(lab, await install(lab, lab.east, one_usage))
    with pytest.raises(HyperVError, match="does not match"):
        await probe(lab, await install(lab, lab.east, lab.authority.pfx("other.contoso.com")))


async def test_the_listener_refuses_a_foreign_primary(lab: Lab) -> None:
    foreign = type(lab.authority)(name="Foreign Root")
    thumbprint = await install(lab, lab.east, foreign.pfx(lab.host(lab.east).fqdn))
    with pytest.raises(HyperVError, match="0x00002F8F"):
        await probe(lab, thumbprint)


@pytest.mark.parametrize("case", ["foreign", "expired", "one usage", "other name"])
async def test_the_primary_refuses_a_listener_that_is_not_what_it_should_be(
    lab: Lab, case: str
) -> None:
    fqdn = lab.host(lab.west).fqdn
    authority = lab.authority
    pfx = {
        "foreign": lambda: type(authority)(name="Foreign Root").pfx(fqdn),
        "expired": lambda: authority.pfx(fqdn, days=-1),
        "one usage": lambda: authority.pfx(fqdn, usages=(ExtendedKeyUsageOID.SERVER_AUTH,)),
        "other name": lambda: authority.pfx("other.contoso.com"),
    }[case]()
    await serve_with(lab, await install(lab, lab.west, pfx))
    with pytest.raises(HyperVError, match="0x00002F8F"):
        await probe(lab, lab.thumbprints["East"])


async def test_a_certificate_that_is_gone_stops_replication(lab: Lab) -> None:
    await lab.replicate()
    east = lab.east
    await east.remove_certificate(lab.host(east), lab.thumbprints["East"], "c")
    send_now(east, lab.vm(east))
    await lab.in_state(east, ReplicationState.ERROR)
    assert east.replication_health(lab.vm(east)) is ReplicationHealth.CRITICAL
    assert lab.state(lab.west) == "Replica Replicating"


async def test_enabling_fails_without_trust_and_leaves_nothing_behind(lab: Lab) -> None:
    foreign = type(lab.authority)(name="Foreign Root")
    lab.thumbprints["East"] = await install(lab, lab.east, foreign.pfx(lab.host(lab.east).fqdn))
    with pytest.raises(HyperVError, match="failed to enable replication for virtual machine"):
        await lab.enable()
    assert lab.vm(lab.east).replication is None
    assert lab.west.virtual_machines == ()


async def test_a_primary_without_authorization_entry_is_refused(lab: Lab) -> None:
    await lab.west.set_replication_server(
        lab.host(lab.west), ReplicationServerChanges(allow_any_server=False), "c"
    )
    with pytest.raises(HyperVError, match="does not allow replication from the primary"):
        await lab.enable()


async def test_a_wrong_password_imports_nothing_and_shows_no_secret(lab: Lab) -> None:
    host = lab.host(lab.east)
    before = lab.east.certificates(host)
    with pytest.raises(HyperVError) as caught:
        await lab.east.install_certificate(
            host, lab.authority.pfx(host.fqdn), "wrong-secret", lab.authority.root_der(), "c"
        )
    assert "wrong-secret" not in str(caught.value)
    assert lab.east.certificates(host) == before


async def test_installing_twice_is_one_effect_and_the_key_is_private(lab: Lab) -> None:
    host = lab.host(lab.east)
    pfx = lab.authority.pfx(host.fqdn)
    first = await install(lab, lab.east, pfx)
    assert await install(lab, lab.east, pfx) == first
    lines = [
        each
        for each in lab.east.effects.read()
        if each.effect == "certificate.installed" and each.details["thumbprint"] == first
    ]
    assert len(lines) == 1
    _, key = CertificateStore(lab.east.host_folder(host)).files(first)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
