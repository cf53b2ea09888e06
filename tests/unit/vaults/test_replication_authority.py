"""Certificates Hyper-V hosts replicate with."""

from __future__ import annotations

import hashlib
import stat
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from coordinator.failures import RefusedError
from coordinator.vaults.authority import ensure_authority
from coordinator.vaults.replication_authority import (
    HOST_LIFETIME,
    SIGNS_UNTIL,
    SUCCESSOR_FROM,
    ReplicationAuthority,
    ensure_replication_authority,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ca")


@pytest.fixture
def hosts(folder: Path, now: datetime) -> ReplicationAuthority:
    return ensure_replication_authority(folder, now)


@pytest.fixture(scope="module")
def request_der() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "*")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def test_a_hosts_certificate_is_what_hyper_v_replica_asks_for(
    hosts: ReplicationAuthority, request_der: bytes, now: datetime
) -> None:
    names = ["hv1.shanghai.example.com", "broker.shanghai.example.com"]
    issued = hosts.issue_host_certificate(request_der, names, now)
    certificate = x509.load_der_x509_certificate(issued.certificate)
    extensions = certificate.extensions
    usages = set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert usages == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    alternative = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternative.get_values_for_type(x509.DNSName) == names
    common_names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert [name.value for name in common_names] == ["hv1.shanghai.example.com"]
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(issued.issuer))
    assert issued.thumbprint == hashlib.sha1(issued.certificate).hexdigest().upper()
    assert issued.not_after == certificate.not_valid_after_utc


def test_hosts_and_providers_trust_different_authorities(
    hosts: ReplicationAuthority, folder: Path, now: datetime
) -> None:
    assert hosts.certificate != ensure_authority(folder, now).certificate


def test_the_authority_is_made_once_and_its_key_is_private(
    hosts: ReplicationAuthority, folder: Path, now: datetime
) -> None:
    assert ensure_replication_authority(folder, now).certificate == hosts.certificate
    assert stat.S_IMODE((folder / "replication-ca.key").stat().st_mode) == 0o600
    assert "PrivateKey" not in repr(hosts)


def test_a_host_without_a_name_gets_none(
    hosts: ReplicationAuthority, request_der: bytes, now: datetime
) -> None:
    with pytest.raises(RefusedError) as refused:
        hosts.issue_host_certificate(request_der, [], now)
    assert refused.value.failure.code == "HostNameMissing"


@pytest.mark.spec("PO-3")
def test_in_time_before_its_end_hosts_learn_to_trust_a_successor_which_then_signs(
    tmp_path: Path, request_der: bytes, now: datetime
) -> None:
    first = ensure_replication_authority(tmp_path, now)
    assert first.successors == ()
    end = first.certificate.not_valid_after_utc
    learning = ensure_replication_authority(tmp_path, end - SUCCESSOR_FROM + timedelta(days=1))
    assert learning.certificate == first.certificate
    [successor] = learning.successors
    issued = learning.issue_host_certificate(request_der, ["hv1.example.com"], now)
    assert [x509.load_der_x509_certificate(der) for der in issued.next_issuers] == [successor]
    signing = ensure_replication_authority(tmp_path, end - SIGNS_UNTIL + timedelta(days=1))
    assert signing.certificate == successor
    assert signing.successors == ()
    assert stat.S_IMODE((tmp_path / "replication-ca-2.key").stat().st_mode) == 0o600


@pytest.mark.spec("PO-3")
def test_no_certificate_outlives_its_issuer_and_each_host_trusts_every_others_issuer(
    tmp_path: Path, request_der: bytes, now: datetime
) -> None:
    trusted: set[bytes] = set()
    renewed = HOST_LIFETIME * 2 / 3
    moment, end = now, now + timedelta(days=365 * 25)
    while moment < end:
        authority = ensure_replication_authority(tmp_path, moment)
        issued = authority.issue_host_certificate(request_der, ["hv1.example.com"], moment)
        assert issued.not_after < authority.certificate.not_valid_after_utc
        # Every host was renewed since the last round, so all trust what this one is signed by.
        assert not trusted or issued.issuer in trusted
        trusted |= {issued.issuer, *issued.next_issuers}
        moment += renewed
    assert len(trusted) >= 3
