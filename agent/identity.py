"""Who this agent is: its certificate and key, its vault, the coordinator it answers to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.private_files import write_private
from agent.secret_bytes import SecretBytes

FORMAT = "opensiterecovery-agent-identity/1"


class IdentityError(Exception):
    """There is no identity, or the file does not hold one."""


class NotRegisteredError(IdentityError):
    """The agent was never registered, or its registration was removed."""


class CertificateMismatchError(IdentityError):
    """The coordinator answered with a certificate for another key."""


@dataclass(frozen=True)
class Identity:
    """What registration gave this agent."""

    provider_id: UUID
    fabric_id: UUID
    vault_id: UUID
    vault_name: str
    friendly_name: str
    endpoint: str
    ca_certificate: bytes
    """PEM; the only authority that may vouch for the coordinator."""
    certificate_chain: bytes
    """PEM; the agent's certificate, then its issuers."""
    private_key: SecretBytes
    """PEM, PKCS #8."""
    vmm_fqdn: str
    vmm_product_version: str

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate_chain)

    @property
    def not_before(self) -> datetime:
        return self.certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        return self.certificate.not_valid_after_utc


def make_private_key() -> SecretBytes:
    """A new EC P-256 key, PEM."""
    return SecretBytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def pending_private_key(path: Path) -> SecretBytes:
    """The key of a certificate request, kept before the request is sent.

    Idempotent: asking again after a crash gives the same key, so the coordinator sees the same
    request and neither makes a second provider nor uses a registration key up.
    """
    if path.exists():
        key = SecretBytes(path.read_bytes())
        _load(key)
        return key
    key = make_private_key()
    write_private(path, key.reveal())
    return key


def certificate_request(key: SecretBytes) -> bytes:
    """PKCS #10 in DER; the coordinator chooses the name, so the subject is only a label."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    )
    return builder.sign(_load(key), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def certificate_chain(key: SecretBytes, certificate: bytes, issuers: Sequence[bytes]) -> bytes:
    """The chain in PEM, after checking that the certificate is for the key.

    Args:
        key: The private key the certificate was asked for with.
        certificate: X.509, DER.
        issuers: X.509, DER, nearest first.

    Raises:
        CertificateMismatchError: The certificate is unreadable or for another key; trying again
            cannot help.
    """
    try:
        chain = [x509.load_der_x509_certificate(each) for each in (certificate, *issuers)]
    except ValueError as error:
        raise CertificateMismatchError("the answer holds no readable certificate") from error
    if chain[0].public_key() != _load(key).public_key():
        raise CertificateMismatchError("the certificate is for another key")
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)


def save_identity(path: Path, identity: Identity) -> None:
    """Writes the identity whole, mode 0600."""
    content = {
        "format": FORMAT,
        "provider_id": str(identity.provider_id),
        "fabric_id": str(identity.fabric_id),
        "vault_id": str(identity.vault_id),
        "vault_name": identity.vault_name,
        "friendly_name": identity.friendly_name,
        "endpoint": identity.endpoint,
        "ca_certificate": identity.ca_certificate.decode(),
        "certificate_chain": identity.certificate_chain.decode(),
        "private_key": identity.private_key.reveal().decode(),
        "vmm_fqdn": identity.vmm_fqdn,
        "vmm_product_version": identity.vmm_product_version,
    }
    write_private(path, json.dumps(content, ensure_ascii=False, indent=1).encode())


def load_identity(path: Path) -> Identity:
    """Reads the identity.

    Raises:
        NotRegisteredError: There is no such file.
        IdentityError: The file holds something else; registering again repairs it.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise NotRegisteredError(f"{path} does not exist: this agent is not registered") from error
    identity = _identity_or_none(text)
    if identity is None:
        raise IdentityError(f"{path} holds no identity that can be read")
    return identity


def _identity_or_none(text: bytes) -> Identity | None:
    # The errors of parsers quote what they parse, which holds the private key; they end here.
    try:
        return _identity(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _identity(content: dict[str, Any]) -> Identity:
    if content["format"] != FORMAT:
        raise ValueError
    identity = Identity(
        provider_id=UUID(content["provider_id"]),
        fabric_id=UUID(content["fabric_id"]),
        vault_id=UUID(content["vault_id"]),
        vault_name=content["vault_name"],
        friendly_name=content["friendly_name"],
        endpoint=content["endpoint"],
        ca_certificate=content["ca_certificate"].encode(),
        certificate_chain=content["certificate_chain"].encode(),
        private_key=SecretBytes(content["private_key"].encode()),
        vmm_fqdn=content["vmm_fqdn"],
        vmm_product_version=content["vmm_product_version"],
    )
    if identity.certificate.public_key() != _load(identity.private_key).public_key():
        raise ValueError
    return identity


def _load(key: SecretBytes) -> ec.EllipticCurvePrivateKey:
    loaded = serialization.load_pem_private_key(key.reveal(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise IdentityError("the agent's private key is not an elliptic curve key")
    return loaded
