"""Registering a VMM server: a key and a certificate request become a provider and its identity."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID, uuid4

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from opensiterecovery.provider.v1.registration_pb2 import RegisterRequest

from coordinator.fabrics.certificates import serial_text
from coordinator.fabrics.models import Fabric, Provider
from coordinator.failures import refuse
from coordinator.vaults.models import Vault
from coordinator.vaults.services import Authority, admit_key, count_use, read_request_key

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Registration:
    """What became of a registration."""

    provider: Provider
    fabric: Fabric
    vault: Vault
    certificate: x509.Certificate


def register_provider(
    request: RegisterRequest, authority: Authority, now: datetime
) -> Registration:
    """Registers a server in the vault of its key.

    A server that registers again with a new key pair (reinstalled, or its key was lost) stays the
    same server; the certificate and the session it had end at once.

    Args:
        request: As the agent sent it.
        authority: Checks the key and signs the certificate.
        now: The coordinator's time.

    Raises:
        RefusedError: The registration key's refusals, CertificateRequestInvalid,
            InvalidRegistration, FriendlyNameTaken or PublicKeyInUse.

    Idempotent by public key: the same provider, a fresh certificate, no further use of the key.

    Source: SPEC VA-2, EN-2, EN-9.
    """
    key = admit_key(request.registration_key, authority, now)
    check_request(request)
    # One registration of a vault at a time, so that names stay unique.
    vault = Vault.objects.select_for_update(no_key=True).get(pk=key.vault_id)
    digest = public_key_sha256(request.certificate_request)
    installation_id = request.vmm_server.installation_id.lower()
    holder = find_holder(digest, vault, installation_id)
    if holder is None or holder.unregistered_at is not None:
        count_use(key)
    fabric = save_fabric(vault, installation_id, request, now)
    provider = Provider.objects.select_for_update(no_key=True).filter(fabric=fabric).first()
    if provider is None:
        identifier = uuid4()
        provider = Provider(id=identifier, name=str(identifier), vault=vault, fabric=fabric)
    certificate = authority.issue_provider_certificate(
        request.certificate_request, vault.id, provider.id, now
    )
    repeated = holder is not None and holder.unregistered_at is None
    if repeated:
        provider.previous_certificate_serial = provider.certificate_serial
    else:
        provider.registered_at = now
        provider.unregistered_at = None
        provider.previous_certificate_serial = ""
        # Whoever holds the stream of the former identity loses it.
        provider.fence += 1
    provider.public_key_sha256 = digest
    provider.certificate_serial = serial_text(certificate)
    provider.certificate_not_after = certificate.not_valid_after_utc
    provider.agent_version = request.agent_version
    provider.save()
    log.info(
        "provider.registered",
        vault_id=str(vault.id),
        provider_id=str(provider.id),
        fabric=fabric.friendly_name,
        repeated=repeated,
    )
    return Registration(provider, fabric, vault, certificate)


def fabric_name(vault_id: UUID, installation_id: str) -> str:
    """Name of a fabric in resource ids: 64 hexadecimal digits, the same whenever it registers."""
    return sha256(f"{vault_id}/{installation_id}".encode()).hexdigest()


def public_key_sha256(certificate_request: bytes) -> bytes:
    """SHA-256 of the request's SubjectPublicKeyInfo.

    Raises:
        RefusedError: CertificateRequestInvalid.
    """
    key = read_request_key(certificate_request)
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def check_request(request: RegisterRequest) -> None:
    """Refuses texts that cannot be stored or shown."""
    texts = [
        ("friendly_name", request.friendly_name, 255),
        ("vmm_server.fqdn", request.vmm_server.fqdn, 255),
        ("vmm_server.installation_id", request.vmm_server.installation_id, 64),
        ("vmm_server.product_version", request.vmm_server.product_version, 64),
        ("agent_version", request.agent_version, 64),
    ]
    for field, text, length in texts:
        printable = all(unicodedata.category(character) != "Cc" for character in text)
        if text.strip() == text and 0 < len(text) <= length and printable:
            continue
        raise refuse(
            "InvalidRegistration",
            f'"{field}" of the registration is empty, longer than {length} characters, or has'
            " characters that cannot be shown.",
            causes=["The setup was answered so.", "VMM gives no such information."],
            action=f'Register again with another "{field}".',
            field=field,
        )


def find_holder(digest: bytes, vault: Vault, installation_id: str) -> Provider | None:
    """The provider that has this public key already.

    Raises:
        RefusedError: PublicKeyInUse: it is another server's, or in another vault.
    """
    holder = Provider.objects.filter(public_key_sha256=digest).select_related("fabric").first()
    if holder is None:
        return None
    if holder.vault_id == vault.id and holder.fabric.installation_id == installation_id:
        return holder
    raise refuse(
        "PublicKeyInUse",
        "The certificate request carries the key of another registered server.",
        causes=[
            "The server is a copy of one that was registered before.",
            "The server is registered in another vault.",
        ],
        action="Remove the registration from this server, then register it again: that makes"
        " a new key.",
        status=409,
    )


def save_fabric(
    vault: Vault, installation_id: str, request: RegisterRequest, now: datetime
) -> Fabric:
    """Makes the fabric of a VMM installation, or brings it up to date."""
    others = Fabric.objects.filter(vault=vault, friendly_name__iexact=request.friendly_name)
    if others.exclude(installation_id=installation_id).exists():
        raise refuse(
            "FriendlyNameTaken",
            f'The vault "{vault.name}" has another server with the name "{request.friendly_name}".',
            causes=["Two servers were given one name.", "VMM was installed anew on the server."],
            action="Register with another friendly name, or unregister the former server first.",
            status=409,
            field="friendly_name",
        )
    fabric, _ = Fabric.objects.update_or_create(
        vault=vault,
        installation_id=installation_id,
        defaults={
            "friendly_name": request.friendly_name,
            "vmm_fqdn": request.vmm_server.fqdn,
            "vmm_product_version": request.vmm_server.product_version,
            "synchronize_all_clouds": request.synchronize_all_clouds,
        },
        create_defaults={
            "name": fabric_name(vault.id, installation_id),
            "friendly_name": request.friendly_name,
            "vmm_fqdn": request.vmm_server.fqdn,
            "vmm_product_version": request.vmm_server.product_version,
            "synchronize_all_clouds": request.synchronize_all_clouds,
            "registered_at": now,
        },
    )
    return fabric
