"""Commands about host certificates: make the key and the request, install the certificate."""

from __future__ import annotations

import asyncio
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from opensiterecovery.provider.v1.command_pb2 import (
    HostCertificate,
    HostCertificateRequest,
    InstallHostCertificate,
    PrepareHostCertificate,
)

from agent.clock import to_timestamp
from agent.failures import CommandError, failure
from agent.powershell.cmdlet import cmdlet, select
from agent.powershell.records import PSRecord
from agent.powershell.secret_text import SecretText
from agent.secret_bytes import SecretBytes
from agent.verbs.act import Goal, reach
from agent.verbs.context import VerbContext

KEY_BITS = 2048

_FRIENDLY_NAME = b"Open Site Recovery"
_LONGEST_COMMON_NAME = 64


async def prepare_host_certificate(
    request: PrepareHostCertificate, context: VerbContext
) -> HostCertificateRequest:
    """Makes a key for the host, keeps it, and asks for a certificate with both key usages.

    Idempotent: until the certificate is installed, the same key is used again.

    Source: Hyper-V wants client and server authentication, a name equal to the host's FQDN.
    """
    key = await asyncio.to_thread(context.host_keys.find, request.host)
    if key is None:
        made = await asyncio.to_thread(_make_key)
        key = await asyncio.to_thread(context.host_keys.keep, request.host, made)
    return HostCertificateRequest(
        host=request.host, certificate_request=_certificate_request(request, _load(key))
    )


async def install_host_certificate(
    request: InstallHostCertificate, context: VerbContext
) -> HostCertificate:
    """Puts the certificate and its key into the host's store, then forgets the key.

    The key is kept while more nodes of the cluster need it. Issuers of later certificates become
    trusted beforehand.

    Idempotent: a certificate that is in the store is not installed again.

    Raises:
        CommandError: The certificate does not fit the kept key, there is none, the host refused,
            or its clock says that the certificate is not valid now.
    """
    certificate = _readable(request)
    thumbprint = thumbprint_of(certificate)
    for issuer in request.trusted_issuers:
        await context.powershell.run(
            cmdlet("Install-OsrReplicationRoot", ComputerName=request.host, Root=issuer),
            time_limit_seconds=context.action_seconds(),
        )
    goal = Goal(
        action="Install-OsrReplicationCertificate",
        expected=f"certificate {thumbprint} in the host's store",
        observe=lambda: _installed(context, request.host, thumbprint),
        reached=lambda found: found is not None,
        describe=lambda found: "not in the store" if found is None else "in the store",
    )
    found = await reach(context, goal, lambda _: _install(context, request, certificate))
    if found is not None:
        _refuse_wrong_clock(request.host, certificate, found)
    if not request.keep_key:
        await asyncio.to_thread(context.host_keys.forget, _key_name(request))
    not_after = None if found is None else found.optional_moment("NotAfter")
    return HostCertificate(
        host=request.host,
        thumbprint=thumbprint,
        not_after=to_timestamp(not_after or certificate.not_valid_after_utc),
    )


def thumbprint_of(certificate: x509.Certificate) -> str:
    """SHA-1 in upper-case hexadecimal, as Windows names certificates."""
    # Windows' name for it, not a protection.
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 (Windows' own name)


async def _installed(context: VerbContext, host: str, thumbprint: str) -> PSRecord | None:
    found = await context.reader.run(
        cmdlet("Get-OsrReplicationCertificate", ComputerName=host),
        select("Thumbprint", "NotAfter", "HostTime"),
        time_limit_seconds=context.read_seconds(),
    )
    for record in found:
        if record.text("Thumbprint").upper() == thumbprint:
            return record
    return None


async def _install(
    context: VerbContext, request: InstallHostCertificate, certificate: x509.Certificate
) -> None:
    key = await asyncio.to_thread(context.host_keys.find, _key_name(request))
    if key is None:
        raise CommandError(
            failure(
                "HostKeyMissing",
                f"The agent keeps no private key for {request.host}.",
                [
                    "The key was made by another agent, or before the agent was registered again.",
                    "The certificate was removed from the host after it had been installed.",
                ],
                "Make a new certificate for the host by running the pairing again.",
            )
        )
    private_key = _load(key)
    if certificate.public_key() != private_key.public_key():
        raise CommandError(
            failure(
                "HostCertificateMismatch",
                f"The certificate for {request.host} is for another key than the agent keeps.",
                ["A newer request for the same host was answered in the meantime."],
                "Make a new certificate for the host by running the pairing again.",
            )
        )
    password = secrets.token_urlsafe(32)
    pfx = await asyncio.to_thread(_pfx, private_key, certificate, password)
    await context.powershell.run(
        cmdlet(
            "Install-OsrReplicationCertificate",
            ComputerName=request.host,
            Pfx=pfx,
            Password=SecretText(password),
            Root=request.issuer,
        ),
        time_limit_seconds=context.action_seconds(),
    )


def _key_name(request: InstallHostCertificate) -> str:
    return request.key_of or request.host


def _refuse_wrong_clock(host: str, certificate: x509.Certificate, found: PSRecord) -> None:
    """Tells a wrong clock as such: Hyper-V would only say that the certificate is not valid."""
    host_time = found.optional_moment("HostTime")
    if host_time is None:
        return
    if certificate.not_valid_before_utc <= host_time <= certificate.not_valid_after_utc:
        return
    raise CommandError(
        failure(
            "HostClockWrong",
            f"By the clock of {host} it is {host_time.isoformat(timespec='seconds')}; its"
            f" certificate is valid from"
            f" {certificate.not_valid_before_utc.isoformat(timespec='seconds')} to"
            f" {certificate.not_valid_after_utc.isoformat(timespec='seconds')}.",
            [
                "The host's clock is wrong, or its time zone was set instead of its time.",
                "The coordinator's clock is wrong.",
            ],
            "Synchronise the host's clock with the domain's time, then run the operation again.",
        )
    )


def _make_key() -> SecretBytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return SecretBytes(
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _load(key: SecretBytes) -> rsa.RSAPrivateKey:
    loaded = serialization.load_der_private_key(key.reveal(), password=None)
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise TypeError("a host's key is not an RSA key")
    return loaded


def _certificate_request(request: PrepareHostCertificate, key: rsa.RSAPrivateKey) -> bytes:
    names = list(dict.fromkeys(name.lower() for name in (request.host, *request.dns_names)))
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, names[0])]
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = (
        x509.CertificateSigningRequestBuilder()
        # X.520 allows 64 characters; the names that count are in the extension.
        .subject_name(x509.Name(subject if len(names[0]) <= _LONGEST_COMMON_NAME else []))
        .add_extension(alternatives, critical=False)
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            ),
            critical=False,
        )
        .add_extension(_key_usage(), critical=True)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _readable(request: InstallHostCertificate) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(request.certificate)
        x509.load_der_x509_certificate(request.issuer)
    except ValueError as error:
        raise CommandError(
            failure(
                "HostCertificateInvalid",
                f"The certificate for {request.host} or its issuer cannot be read.",
                ["The coordinator and the agent are of versions that do not fit together."],
                "Bring the agent to the coordinator's version.",
            )
        ) from error
    return certificate


def _pfx(key: rsa.RSAPrivateKey, certificate: x509.Certificate, password: str) -> bytes:
    # Windows Server 2016 imports no PFX with AES. The file lives for one call, inside an
    # encrypted channel, under a random password of 256 bits.
    encryption = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2000)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303 (the only one Windows Server 2016 reads)
        .build(password.encode())
    )
    return pkcs12.serialize_key_and_certificates(_FRIENDLY_NAME, key, certificate, None, encryption)
