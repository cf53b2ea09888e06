"""A provider's certificate: who it says its bearer is, whether it is good, its renewal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography import x509

from coordinator.fabrics.models import Provider
from coordinator.failures import RefusedError, refuse
from coordinator.vaults.services import read_provider_uri

REGISTER_AGAIN = "Register the server again with a new registration key."


@dataclass(frozen=True)
class ProviderIdentity:
    """Who calls, from its certificate alone."""

    provider_id: UUID
    vault_id: UUID
    fabric_id: UUID
    certificate_serial: str


def serial_text(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"


def authenticate(certificate: x509.Certificate, now: datetime) -> ProviderIdentity:
    """Finds the provider a certificate belongs to.

    Args:
        certificate: The client's; the TLS handshake has checked that our authority issued it and
            that its bearer has the key.
        now: The coordinator's time.

    Raises:
        RefusedError: ProviderCertificateInvalid, ProviderCertificateExpired, ProviderUnknown,
            ProviderUnregistered or ProviderCertificateRevoked. No other certificate of the same
            bearer being good, trying again is no use.

    Source: SPEC EN-8, EN-9.
    """
    named = read_provider_uri(certificate)
    if named is None:
        raise refused(
            "ProviderCertificateInvalid",
            "The certificate is not a provider's.",
            "A certificate that was issued for something else is used.",
        )
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise refused(
            "ProviderCertificateExpired",
            f"The provider's certificate ended at {certificate.not_valid_after_utc} UTC.",
            "The agent did not run for longer than its certificate lives.",
        )
    vault_id, provider_id = named
    provider = Provider.objects.filter(pk=provider_id, vault_id=vault_id).first()
    if provider is None:
        raise refused(
            "ProviderUnknown",
            "The provider the certificate names is not registered in its vault.",
            "The server was removed from the vault, or the vault was deleted.",
        )
    check_certificate(provider, serial_text(certificate))
    return ProviderIdentity(
        provider.id, provider.vault_id, provider.fabric_id, serial_text(certificate)
    )


def check_certificate(provider: Provider, serial: str) -> None:
    """Refuses a provider that was unregistered, and a certificate that was replaced."""
    if provider.unregistered_at is not None:
        raise refused(
            "ProviderUnregistered",
            f"The provider was unregistered at {provider.unregistered_at:%Y-%m-%d %H:%M:%S} UTC.",
            "An administrator removed the server from the vault.",
        )
    good = {provider.certificate_serial, provider.previous_certificate_serial} - {""}
    if serial not in good:
        raise refused(
            "ProviderCertificateRevoked",
            "The provider's certificate was replaced by a newer one.",
            "The server was registered again, here or from a copy of it.",
        )


def refused(code: str, message: str, cause: str) -> RefusedError:
    return refuse(code, message, causes=[cause], action=REGISTER_AGAIN, status=403)
