"""The authority of Hyper-V hosts: they trust each other for replication by its certificates.

It lives ten years. In time before its end a next one is made, which hosts learn to trust with each
certificate they are given; once every host has had a new certificate since, the next one signs. So
at every moment each host trusts the issuer of each other's certificate, and none of them outlives
its issuer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding

from coordinator.failures import refuse
from coordinator.vaults.certificates import (
    CLIENT,
    SERVER,
    LeafSpec,
    build_authority,
    general_name,
    read_request_key,
    sign_leaf,
)
from coordinator.vaults.key_files import (
    PrivateKey,
    exclusive,
    read_certificate,
    read_private_key,
    write_certificates,
    write_private_key,
)

HOST_LIFETIME = timedelta(days=730)
# With less than this left an authority no longer signs: what it signs must not outlive it.
SIGNS_UNTIL = HOST_LIFETIME + timedelta(days=30)
# With less than this left its successor is made: a whole certificate's life before it signs.
SUCCESSOR_FROM = SIGNS_UNTIL + HOST_LIFETIME
# Every Windows that runs Hyper-V Replica verifies RSA; elliptic curves depend on its settings.
KEY_BITS = 3072


class HostCertificate(NamedTuple):
    """A certificate for a host, ready for InstallHostCertificate.

    Attributes:
        certificate: DER.
        issuer: DER.
        thumbprint: SHA-1 in upper-case hexadecimal, as Windows writes it.
        not_after: End of its life.
        next_issuers: DER; authorities that will sign later, to be trusted from now on.
    """

    certificate: bytes
    issuer: bytes
    thumbprint: str
    not_after: datetime
    next_issuers: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class ReplicationAuthority:
    """Certificate and key; apart from the coordinator's own authority on purpose.

    A host's certificate must never open a session, nor a provider's receive replication.

    Attributes:
        successors: Those that will sign after it.
    """

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    successors: tuple[x509.Certificate, ...] = ()

    def issue_host_certificate(
        self, certificate_request: bytes, dns_names: Sequence[str], now: datetime
    ) -> HostCertificate:
        """A certificate a host replicates with, as primary and as replica.

        Args:
            certificate_request: PKCS #10, DER, from the agent; only its key counts.
            dns_names: Names the host answers to, its FQDN first; not taken from the request.
            now: Beginning of its life.

        Raises:
            RefusedError: The request is unusable, or no name was given.

        Source: hyperv-replica requirements on certificates: subject or alternative name is the
        host's FQDN, both extended key usages, a root the other side trusts.
        """
        if not dns_names:
            raise refuse(
                "HostNameMissing",
                "A host's certificate needs the host's name.",
                causes=["VMM reports the host without a fully qualified domain name."],
                action="Refresh the host in VMM and try again.",
            )
        key = read_request_key(certificate_request)
        names = [general_name(name) for name in dns_names]
        leaf = LeafSpec(dns_names[0], names, [SERVER, CLIENT], HOST_LIFETIME)
        certificate = sign_leaf(self.certificate, self.key, key, leaf, now)
        return HostCertificate(
            certificate=certificate.public_bytes(Encoding.DER),
            issuer=self.certificate.public_bytes(Encoding.DER),
            # Windows names certificates so; nothing is secured by it.
            thumbprint=certificate.fingerprint(SHA1()).hex().upper(),  # noqa: S303 - see above
            not_after=certificate.not_valid_after_utc,
            next_issuers=tuple(each.public_bytes(Encoding.DER) for each in self.successors),
        )


def ensure_replication_authority(folder: Path, now: datetime) -> ReplicationAuthority:
    """Opens the authority of hosts that signs now; makes it, and its successor, when it is time.

    Args:
        folder: Where replication-ca.key (mode 0600) and replication-ca.pem are, and those of its
            successors as replication-ca-2 and so on.
        now: Beginning of the ten years of one that is made.

    Idempotent, also when several processes start at once.
    """
    with exclusive(folder):
        generations = [_ensure(folder, 1, now)]
        while (folder / f"{_name(len(generations) + 1)}.pem").exists() or _ends_before(
            generations[-1][0], now + SUCCESSOR_FROM
        ):
            generations.append(_ensure(folder, len(generations) + 1, now))
        signer = next(
            (
                number
                for number, (certificate, _) in enumerate(generations)
                if not _ends_before(certificate, now + SIGNS_UNTIL)
            ),
            len(generations) - 1,
        )
        certificate, key_file = generations[signer]
        successors = tuple(each for each, _ in generations[signer + 1 :])
        return ReplicationAuthority(certificate, read_private_key(key_file), successors)


def _ensure(folder: Path, number: int, now: datetime) -> tuple[x509.Certificate, Path]:
    key_file = folder / f"{_name(number)}.key"
    certificate_file = folder / f"{_name(number)}.pem"
    if not key_file.exists():
        write_private_key(key_file, rsa.generate_private_key(65537, KEY_BITS))
    if not certificate_file.exists():
        name = "replication of Hyper-V hosts" + (f" {number}" if number > 1 else "")
        write_certificates(certificate_file, build_authority(read_private_key(key_file), name, now))
    return read_certificate(certificate_file), key_file


def _name(number: int) -> str:
    return "replication-ca" if number == 1 else f"replication-ca-{number}"


def _ends_before(certificate: x509.Certificate, moment: datetime) -> bool:
    return certificate.not_valid_after_utc < moment
