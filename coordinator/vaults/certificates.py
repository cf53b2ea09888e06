"""Building X.509 certificates: a self-signed authority, and leaves it signs."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from coordinator.failures import refuse
from coordinator.vaults.key_files import PrivateKey

AUTHORITY_LIFETIME = timedelta(days=3652)
# Certificates are valid from a little in the past, for clocks that are a little slow.
CLOCK_TOLERANCE = timedelta(minutes=10)
ORGANIZATION = "Open Site Recovery"
MINIMUM_RSA_BITS = 2048
# X.520 limits the common name; the names that count are in the subject alternative name.
COMMON_NAME_LENGTH = 64

CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH

# What `cryptography` raises for X.509 that somebody else wrote; they have no common ancestor.
UNREADABLE = (ValueError, x509.InvalidVersion, UnsupportedAlgorithm, InvalidSignature)

LeafKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True)
class LeafSpec:
    """What a certificate says about its holder.

    Attributes:
        common_name: For people; cut at 64 characters.
        names: Subject alternative names.
        usages: Extended key usages.
        lifetime: From now to the end.
    """

    common_name: str
    names: Sequence[x509.GeneralName]
    usages: Sequence[x509.ObjectIdentifier]
    lifetime: timedelta


def subject(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name[:COMMON_NAME_LENGTH]),
        ]
    )


def build_authority(key: PrivateKey, common_name: str, now: datetime) -> x509.Certificate:
    """A self-signed certificate that may sign leaves and nothing else, for ten years."""
    name = subject(common_name)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_TOLERANCE)
        .not_valid_after(now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, SHA256())
    )


def sign_leaf(
    issuer: x509.Certificate,
    issuer_key: PrivateKey,
    public_key: LeafKey,
    leaf: LeafSpec,
    now: datetime,
) -> x509.Certificate:
    """A certificate for `public_key`, signed by the authority."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key)
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject(leaf.common_name))
        .issuer_name(issuer.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_TOLERANCE)
        .not_valid_after(now + leaf.lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            key_usage(enciphers_keys=isinstance(public_key, rsa.RSAPublicKey)), critical=True
        )
        .add_extension(x509.ExtendedKeyUsage(leaf.usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(leaf.names), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(signer, critical=False)
        .sign(issuer_key, SHA256())
    )


def key_usage(*, signs_certificates: bool = False, enciphers_keys: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=enciphers_keys,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def general_name(name: str) -> x509.GeneralName:
    """An IP address as such, anything else as a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def read_request_key(certificate_request: bytes) -> LeafKey:
    """The public key of a certificate request, once its holder has proved to own it.

    Args:
        certificate_request: PKCS #10, DER. Only the key is taken from it, never a name.

    Raises:
        RefusedError: It is no request, its signature is wrong, or the key is too weak.
    """
    cause = "The program that made the request is not this product's, or the request was damaged."
    action = "Let the agent make a new certificate request."
    try:
        request = x509.load_der_x509_csr(certificate_request)
        key = request.public_key()
        proved = request.is_signature_valid
    except UNREADABLE as error:
        message = "The certificate request cannot be read."
        raise refuse("CertificateRequestInvalid", message, causes=[cause], action=action) from error
    if not proved:
        message = "The certificate request is not signed by the key it names."
        raise refuse("CertificateRequestInvalid", message, causes=[cause], action=action)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(
        key.curve, ec.SECP256R1 | ec.SECP384R1
    ):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= MINIMUM_RSA_BITS:
        return key
    message = "The certificate request's key is of a kind that is not accepted."
    raise refuse(
        "CertificateRequestInvalid",
        message,
        causes=[cause],
        action="Use an EC key on P-256 or P-384, or an RSA key of 2048 bits or more.",
    )
