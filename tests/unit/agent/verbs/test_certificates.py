"""The key of a host's certificate: made once, kept until it is installed, then forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from opensiterecovery.provider.v1.command_pb2 import InstallHostCertificate, PrepareHostCertificate

from agent.failures import CommandError
from agent.powershell.secret_text import SecretText
from agent.verbs.certificates import install_host_certificate, prepare_host_certificate
from agent.verbs.context import VerbContext
from tests.unit.agent.fake_hyperv import FakeHyperV, gone
from tests.unit.agent.memory_keys import MemoryKeys
from tests.unit.agent.verbs.conftest import BEIJING, MakeContext

PREPARE = PrepareHostCertificate(host=BEIJING, dns_names=[BEIJING, "Broker.beijing.test"])


class Authority:
    """Signs host certificates."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])

    def sign(self, public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=365))
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.DER)

    def answer(self, request: bytes) -> InstallHostCertificate:
        key = x509.load_der_x509_csr(request).public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        return InstallHostCertificate(
            host=BEIJING, certificate=self.sign(key), issuer=self.sign(self.key.public_key())
        )


async def prepared(context: VerbContext) -> InstallHostCertificate:
    request = await prepare_host_certificate(PREPARE, context)
    return Authority().answer(request.certificate_request)


async def test_the_request_names_every_name_and_both_usages(context: MakeContext) -> None:
    answer = await prepare_host_certificate(PREPARE, context())
    request = x509.load_der_x509_csr(answer.certificate_request)
    assert request.is_signature_valid
    key = request.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size >= 2048
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [BEIJING, "broker.beijing.test"]
    usages = request.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}


async def test_preparing_again_uses_the_same_key(context: MakeContext) -> None:
    keys = []
    for _ in range(2):
        answer = await prepare_host_certificate(PREPARE, context())
        keys.append(x509.load_der_x509_csr(answer.certificate_request).public_key())
    assert keys[0] == keys[1]


async def test_installing_twice_installs_once_and_forgets_the_key(
    hyperv: FakeHyperV, keys: MemoryKeys, context: MakeContext
) -> None:
    request = await prepared(context())
    thumbprints = set()
    for _ in range(2):
        found = await install_host_certificate(request, context())
        thumbprints.add(found.thumbprint)
        assert found.not_after.ToDatetime(tzinfo=UTC) == datetime(2027, 1, 1, tzinfo=UTC)
        assert keys.kept == {}
    [thumbprint] = thumbprints
    assert hyperv.effects == [("certificate.installed", thumbprint)]


async def test_the_password_travels_as_a_secret_and_differs_each_time(
    hyperv: FakeHyperV, context: MakeContext
) -> None:
    for _ in range(2):
        await install_host_certificate(await prepared(context()), context())
    first, second = (
        call.parameters["Password"] for call in hyperv.ran("Install-OsrReplicationCertificate")
    )
    assert isinstance(first, SecretText)
    assert isinstance(second, SecretText)
    assert first.reveal() != second.reveal()
    assert len(first.reveal()) >= 32


@pytest.mark.parametrize("after_the_effect", [False, True])
async def test_powershell_dying_while_installing_installs_once(
    hyperv: FakeHyperV, keys: MemoryKeys, context: MakeContext, *, after_the_effect: bool
) -> None:
    request = await prepared(context())
    hyperv.trouble("Install-OsrReplicationCertificate", gone(), after_the_effect=after_the_effect)
    await install_host_certificate(request, context())
    assert len(hyperv.effects) == 1
    assert keys.kept == {}


async def test_without_the_key_nothing_is_installed(
    hyperv: FakeHyperV, keys: MemoryKeys, context: MakeContext
) -> None:
    request = await prepared(context())
    keys.forget(BEIJING)
    with pytest.raises(CommandError) as caught:
        await install_host_certificate(request, context())
    assert caught.value.failure.code == "HostKeyMissing"
    assert hyperv.effects == []


async def test_a_certificate_for_another_key_is_not_installed(
    hyperv: FakeHyperV, keys: MemoryKeys, context: MakeContext
) -> None:
    request = await prepared(context())
    keys.forget(BEIJING)
    await prepare_host_certificate(PREPARE, context())
    with pytest.raises(CommandError) as caught:
        await install_host_certificate(request, context())
    assert caught.value.failure.code == "HostCertificateMismatch"
    assert hyperv.effects == []


async def test_something_that_is_no_certificate_is_refused(context: MakeContext) -> None:
    request = InstallHostCertificate(host=BEIJING, certificate=b"x", issuer=b"y")
    with pytest.raises(CommandError) as caught:
        await install_host_certificate(request, context())
    assert caught.value.failure.code == "HostCertificateInvalid"


async def test_no_key_shows_in_what_is_printed(keys: MemoryKeys, context: MakeContext) -> None:
    await prepare_host_certificate(PREPARE, context())
    assert "********" in repr(keys.kept)
    assert "MII" not in repr(keys.kept)
