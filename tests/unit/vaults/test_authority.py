"""The coordinator's authority: its files, its certificates."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from coordinator.failures import RefusedError
from coordinator.vaults.authority import (
    Authority,
    ensure_authority,
    ensure_server_certificate,
    provider_uri,
    read_provider_uri,
)
from coordinator.vaults.certificates import read_request_key
from coordinator.vaults.key_files import KeyFileError, read_certificate, read_private_key

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def make_request(key: Key | None = None) -> bytes:
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Administrator")])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_the_key_is_for_its_owner_only(tmp_path: Path, now: datetime) -> None:
    folder = tmp_path / "state" / "ca"
    ensure_authority(folder, now)
    ensure_server_certificate(folder, ["localhost"], now)
    assert mode(folder) == 0o700
    assert mode(folder / "ca.key") == 0o600
    assert mode(folder / "server.key") == 0o600
    assert not list(folder.glob("*.draft"))


def test_many_processes_at_once_get_one_authority(tmp_path: Path, now: datetime) -> None:
    # flock excludes two descriptors of one process as it does two processes.
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: ensure_authority(tmp_path / "ca", now), range(16)))
    assert len({authority.certificate.serial_number for authority in made}) == 1


def test_a_process_killed_between_key_and_certificate_is_made_good(
    tmp_path: Path, now: datetime
) -> None:
    made = ensure_authority(tmp_path, now)
    (tmp_path / "ca.pem").unlink()
    (tmp_path / "ca.key.draft").write_bytes(b"half a k")
    again = ensure_authority(tmp_path, now)
    assert again.certificate.public_key() == made.certificate.public_key()


def test_a_certificate_of_another_key_is_not_taken(
    tmp_path: Path, now: datetime, other_authority: Authority
) -> None:
    ensure_authority(tmp_path, now)
    (tmp_path / "ca.pem").write_text(other_authority.pem)
    with pytest.raises(KeyFileError):
        ensure_authority(tmp_path, now)


def test_the_authority_does_not_print_its_key(authority: Authority) -> None:
    assert "PrivateKey" not in repr(authority)


def test_the_servers_certificate_holds_for_every_name(tmp_path: Path, now: datetime) -> None:
    authority = ensure_authority(tmp_path, now)
    files = ensure_server_certificate(tmp_path, ["dr.example.com", "192.0.2.7", "::1"], now)
    certificate = read_certificate(files.certificate_file)
    verifier = PolicyBuilder().store(Store([authority.certificate])).time(now)
    for name in ("dr.example.com", "registration.opensiterecovery", "session.opensiterecovery"):
        verifier.build_server_verifier(x509.DNSName(name)).verify(certificate, [])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name) for name in names.get_values_for_type(x509.IPAddress)} == {"192.0.2.7", "::1"}
    assert files.certificate_file.read_text().count("BEGIN CERTIFICATE") == 2


def test_the_servers_certificate_is_renewed_when_a_third_of_its_life_is_left(
    tmp_path: Path, now: datetime
) -> None:
    def serial(at: datetime) -> int:
        files = ensure_server_certificate(tmp_path, ["localhost"], at)
        return read_certificate(files.certificate_file).serial_number

    first = serial(now)
    assert serial(now + timedelta(days=397 * 2 / 3 - 1)) == first
    assert serial(now + timedelta(days=397 * 2 / 3 + 1)) != first


def test_a_new_name_renews_the_servers_certificate_and_keeps_the_old_names(
    tmp_path: Path, now: datetime
) -> None:
    def serial(name: str) -> int:
        files = ensure_server_certificate(tmp_path, [name], now)
        return read_certificate(files.certificate_file).serial_number

    first = serial("a.example.com")
    second = serial("b.example.com")
    assert first != second
    assert serial("a.example.com") == second


def test_a_server_key_that_does_not_fit_is_replaced(tmp_path: Path, now: datetime) -> None:
    files = ensure_server_certificate(tmp_path, ["localhost"], now)
    files.key_file.write_bytes((tmp_path / "ca.key").read_bytes())
    ensure_server_certificate(tmp_path, ["localhost"], now)
    key = read_private_key(files.key_file)
    assert read_certificate(files.certificate_file).public_key() == key.public_key()


@pytest.mark.spec("EN-9")
def test_a_providers_certificate_names_vault_and_provider_and_nothing_of_the_request(
    authority: Authority, now: datetime
) -> None:
    vault_id, provider_id = uuid4(), uuid4()
    certificate = authority.issue_provider_certificate(make_request(), vault_id, provider_id, now)
    assert read_provider_uri(certificate) == (vault_id, provider_id)
    assert "Administrator" not in certificate.subject.rfc4514_string()
    assert certificate.not_valid_after_utc == now + timedelta(days=30)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    store = Store([authority.certificate])
    PolicyBuilder().store(store).time(now).build_client_verifier().verify(certificate, [])


def test_a_servers_certificate_is_no_providers(tmp_path: Path, now: datetime) -> None:
    files = ensure_server_certificate(tmp_path, ["localhost"], now)
    assert read_provider_uri(read_certificate(files.certificate_file)) is None


def test_the_provider_uri_is_stable() -> None:
    identifier = uuid4()
    assert provider_uri(identifier, identifier) == (
        f"urn:opensiterecovery:vault:{identifier}:provider:{identifier}"
    )


def test_a_damaged_request_never_gives_another_key() -> None:
    """Refused, but for the count of padding bits in the signature's encoding: nothing signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    whole = make_request(key)
    accepted = []
    for position in range(len(whole)):
        for byte in {0, 1, 127, 255, whole[position] ^ 1, whole[position] ^ 64} - {whole[position]}:
            damaged = whole[:position] + bytes([byte]) + whole[position + 1 :]
            try:
                found = read_request_key(damaged)
            except RefusedError as error:
                assert error.failure.code == "CertificateRequestInvalid"  # noqa: PT017 - both ways are right
            else:
                assert found == key.public_key()
                accepted.append(position)
    assert len(accepted) <= 1


@pytest.mark.parametrize(
    "request_der",
    [
        b"",
        b"no request",
        make_request(rsa.generate_private_key(65537, 1024)),
        make_request(ed25519.Ed25519PrivateKey.generate()),
        make_request(ec.generate_private_key(ec.SECP192R1())),
        make_request()[:-4] + b"\x00\x00\x00\x00",
    ],
    ids=["empty", "not DER", "short RSA", "Ed25519", "weak curve", "wrong signature"],
)
def test_an_unusable_request_is_refused(
    request_der: bytes, authority: Authority, now: datetime
) -> None:
    with pytest.raises(RefusedError) as refused:
        authority.issue_provider_certificate(request_der, uuid4(), uuid4(), now)
    assert refused.value.failure.code == "CertificateRequestInvalid"
