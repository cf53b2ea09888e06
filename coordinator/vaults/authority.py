"""The coordinator's certificate authority: servers, providers, registration keys trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

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
    KeyFileError,
    exclusive,
    read_certificate,
    read_private_key,
    write_certificates,
    write_private_key,
)

# Names agents ask for in the TLS handshake, whatever address they dial.
REGISTRATION_NAME = "registration.opensiterecovery"
SESSION_NAME = "session.opensiterecovery"

PROVIDER_LIFETIME = timedelta(days=30)
# Browsers and clients of some platforms refuse server certificates that live longer.
SERVER_LIFETIME = timedelta(days=397)


@dataclass(frozen=True)
class Authority:
    """The authority's certificate, and its key to sign with.

    Attributes:
        folder: Holds ca.key (mode 0600), ca.pem, server.key (0600) and server.pem.
        certificate: Self-signed.
    """

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def sign(self, content: bytes) -> bytes:
        """ECDSA with SHA-256, DER."""
        return self.key.sign(content, ec.ECDSA(SHA256()))

    def issue_provider_certificate(
        self, certificate_request: bytes, vault_id: UUID, provider_id: UUID, now: datetime
    ) -> x509.Certificate:
        """The client certificate that makes its holder this provider of this vault.

        Args:
            certificate_request: PKCS #10, DER; only its key counts.
            vault_id: Vault the provider belongs to.
            provider_id: The provider.
            now: Beginning of its 30 days.

        Raises:
            RefusedError: The request is unusable.

        Source: SPEC EN-9.
        """
        key = read_request_key(certificate_request)
        identity = x509.UniformResourceIdentifier(provider_uri(vault_id, provider_id))
        leaf = LeafSpec(f"provider {provider_id}", [identity], [CLIENT], PROVIDER_LIFETIME)
        return sign_leaf(self.certificate, self.key, key, leaf, now)


@dataclass(frozen=True)
class ServerCertificate:
    """Files of the certificate the API and the gateway show."""

    key_file: Path
    # The certificate, then the authority's.
    certificate_file: Path


def provider_uri(vault_id: UUID, provider_id: UUID) -> str:
    return f"urn:opensiterecovery:vault:{vault_id}:provider:{provider_id}"


def read_provider_uri(certificate: x509.Certificate) -> tuple[UUID, UUID] | None:
    """Vault and provider a certificate names, or None when it is no provider's."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
        match uri.split(":"):
            case ["urn", "opensiterecovery", "vault", vault, "provider", provider]:
                try:
                    return UUID(vault), UUID(provider)
                except ValueError:
                    return None
    return None


def ensure_authority(folder: Path, now: datetime) -> Authority:
    """Opens the authority; makes it when the folder has none.

    Args:
        folder: Where its files are; only its owner can enter it.
        now: Beginning of its ten years, when it is made.

    Idempotent, also when several processes start at once or one was killed half way.

    Raises:
        KeyFileError: The files hold something else than this function wrote.
        OSError: The folder cannot be written.

    Source: SPEC VA-3, EN-9.
    """
    key_file, certificate_file = folder / "ca.key", folder / "ca.pem"
    with exclusive(folder):
        if not key_file.exists():
            write_private_key(key_file, ec.generate_private_key(ec.SECP256R1()))
        key = read_private_key(key_file)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyFileError(f"{key_file} does not hold the authority's key")
        if not certificate_file.exists():
            name = f"{folder_label(key)} certificate authority"
            write_certificates(certificate_file, build_authority(key, name, now))
    certificate = read_certificate(certificate_file)
    if certificate.public_key() != key.public_key():
        raise KeyFileError(f"{certificate_file} does not belong to {key_file}")
    return Authority(folder, certificate, key)


def folder_label(key: ec.EllipticCurvePrivateKey) -> str:
    """Tells the authorities of two coordinators apart when a person reads their names."""
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:8]


def ensure_server_certificate(
    folder: Path, host_names: Sequence[str], now: datetime
) -> ServerCertificate:
    """The server's certificate, made or renewed when needed.

    Renewed when a third of its life is left, when a name is missing, and when it is not the
    authority's. Names it had stay in it, so processes that ask for different names do not
    take turns renewing it.

    Args:
        folder: The authority's folder.
        host_names: DNS names and IP addresses clients dial.
        now: Beginning of its life, when it is made.

    Idempotent.
    """
    authority = ensure_authority(folder, now)
    files = ServerCertificate(folder / "server.key", folder / "server.pem")
    wanted = {general_name(name) for name in (*host_names, REGISTRATION_NAME, SESSION_NAME)}
    with exclusive(folder):
        present = read_server_names(authority, files, now)
        if wanted <= present:
            return files
        key = ec.generate_private_key(ec.SECP256R1())
        names = sorted(wanted | present, key=repr)
        leaf = LeafSpec(host_names[0], names, [SERVER], SERVER_LIFETIME)
        certificate = sign_leaf(authority.certificate, authority.key, key.public_key(), leaf, now)
        # A process killed between the two leaves a pair that does not fit: made again above.
        write_private_key(files.key_file, key)
        write_certificates(files.certificate_file, certificate, authority.certificate)
    return files


def read_server_names(
    authority: Authority, files: ServerCertificate, now: datetime
) -> set[x509.GeneralName]:
    """Names of a certificate that can go on being used; nothing when there is none."""
    if not (files.key_file.exists() and files.certificate_file.exists()):
        return set()
    certificate = read_certificate(files.certificate_file)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end - now < (end - begin) / 3:
        return set()
    if certificate.public_key() != read_private_key(files.key_file).public_key():
        return set()
    if certificate.issuer != authority.certificate.subject:
        return set()
    return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
